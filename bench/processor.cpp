#include "processor.hpp"

#include <fmt/core.h>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;
namespace files = std::filesystem;

constexpr const char* cpu_folder = "/sys/devices/system/cpu/";

struct generation {
  std::string_view vendor;
  int family, first_model, last_model;
  std::string_view name;
};
// AMD: Linux, arch/x86/kernel/cpu/amd.c (bsp_init_amd); Intel: arch/x86/include/asm/intel-family.h.
constexpr generation generations[] = {
    {"AuthenticAMD", 0x17, 0x00, 0x2f, "Zen"},
    {"AuthenticAMD", 0x17, 0x30, 0xff, "Zen 2"},
    {"AuthenticAMD", 0x19, 0x00, 0x0f, "Zen 3"},
    {"AuthenticAMD", 0x19, 0x10, 0x1f, "Zen 4"},
    {"AuthenticAMD", 0x19, 0x20, 0x5f, "Zen 3"},
    {"AuthenticAMD", 0x19, 0x60, 0xaf, "Zen 4"},
    {"AuthenticAMD", 0x1a, 0x00, 0x4f, "Zen 5"},
    {"AuthenticAMD", 0x1a, 0x60, 0x7f, "Zen 5"},
    {"GenuineIntel", 6, 0x3c, 0x3c, "Haswell"},
    {"GenuineIntel", 6, 0x3f, 0x3f, "Haswell"},
    {"GenuineIntel", 6, 0x45, 0x46, "Haswell"},
    {"GenuineIntel", 6, 0x3d, 0x3d, "Broadwell"},
    {"GenuineIntel", 6, 0x47, 0x47, "Broadwell"},
    {"GenuineIntel", 6, 0x4f, 0x4f, "Broadwell"},
    {"GenuineIntel", 6, 0x56, 0x56, "Broadwell"},
    {"GenuineIntel", 6, 0x4e, 0x4e, "Skylake"},
    {"GenuineIntel", 6, 0x5e, 0x5e, "Skylake"},
    {"GenuineIntel", 6, 0x55, 0x55, "Skylake-SP or Cascade Lake"},
    {"GenuineIntel", 6, 0x8e, 0x8e, "Kaby Lake"},
    {"GenuineIntel", 6, 0x9e, 0x9e, "Kaby Lake"},
    {"GenuineIntel", 6, 0xa5, 0xa6, "Comet Lake"},
    {"GenuineIntel", 6, 0x6a, 0x6c, "Ice Lake"},
    {"GenuineIntel", 6, 0x7d, 0x7e, "Ice Lake"},
    {"GenuineIntel", 6, 0x8c, 0x8d, "Tiger Lake"},
    {"GenuineIntel", 6, 0xa7, 0xa7, "Rocket Lake"},
    {"GenuineIntel", 6, 0x8f, 0x8f, "Sapphire Rapids"},
    {"GenuineIntel", 6, 0xcf, 0xcf, "Emerald Rapids"},
    {"GenuineIntel", 6, 0xad, 0xae, "Granite Rapids"},
    {"GenuineIntel", 6, 0xaf, 0xaf, "Sierra Forest"},
    {"GenuineIntel", 6, 0x97, 0x97, "Alder Lake"},
    {"GenuineIntel", 6, 0x9a, 0x9a, "Alder Lake"},
    {"GenuineIntel", 6, 0xb7, 0xb7, "Raptor Lake"},
    {"GenuineIntel", 6, 0xba, 0xba, "Raptor Lake"},
    {"GenuineIntel", 6, 0xbf, 0xbf, "Raptor Lake"},
    {"GenuineIntel", 6, 0xaa, 0xac, "Meteor Lake"},
    {"GenuineIntel", 6, 0xbd, 0xbd, "Lunar Lake"},
    {"GenuineIntel", 6, 0xc5, 0xc6, "Arrow Lake"},
    // Arm's part numbers: arch/arm64/include/asm/cputype.h; family is the implementer, model the part.
    {"ARM", 0x41, 0xd0c, 0xd0c, "Neoverse N1"},
    {"ARM", 0x41, 0xd40, 0xd40, "Neoverse V1"},
    {"ARM", 0x41, 0xd49, 0xd49, "Neoverse N2"},
    {"ARM", 0x41, 0xd4f, 0xd4f, "Neoverse V2"},
    {"ARM", 0x41, 0xd8e, 0xd8e, "Neoverse N3"},
    {"ARM", 0x41, 0xd84, 0xd84, "Neoverse V3"},
    {"ARM", 0x41, 0xd08, 0xd08, "Cortex-A72"},
    {"ARM", 0x41, 0xd0b, 0xd0b, "Cortex-A76"},
    {"ARM", 0x46, 0x001, 0x001, "A64FX"},
};

int number(const std::string& text) {
  const bool hex = text.starts_with("0x");
  int value = -1;
  std::from_chars(text.data() + (hex ? 2 : 0), text.data() + text.size(), value, hex ? 16 : 10);
  return value;
}

std::string clock_of(const char* file) {  // cpufreq counts in kHz
  const std::string text = first_line(fmt::format("{}cpu0/cpufreq/{}", cpu_folder, file));
  return text.empty() ? "" : text.substr(0, text.size() - std::min<std::size_t>(3, text.size()));
}

// The vector and matrix extensions among the flags: the others say nothing about kernels.
json simd_flags() {
  std::istringstream in(proc_value("/proc/cpuinfo", "flags") + " " + proc_value("/proc/cpuinfo", "Features"));
  json found = json::array();
  for (std::string flag; in >> flag;) {
    for (const std::string_view start : {"sse", "ssse", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "fphp"}) {
      if (flag.starts_with(start) && flag != "smep") {
        found.push_back(flag);
        break;
      }
    }
  }
  return found;
}

void add_topology(json& block) {
  std::set<std::string> sockets, cores;
  const int threads = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  for (int cpu = 0; cpu < threads; ++cpu) {
    const std::string folder = fmt::format("{}cpu{}/topology/", cpu_folder, cpu);
    const std::string socket = first_line(folder + "physical_package_id");
    if (socket.empty()) continue;
    sockets.insert(socket);
    cores.insert(socket + "/" + first_line(folder + "core_id"));
  }
  block["cores"] = threads;  // what the system schedules on, SMT included
  if (!cores.empty()) {
    block["sockets"] = sockets.size();
    block["physical_cores"] = cores.size();
    block["threads_per_core"] = threads / static_cast<int>(cores.size());
  }
  for (const auto& [field, kind] : {std::pair{"performance_cpus", "cpu_core"}, {"efficiency_cpus", "cpu_atom"}}) {
    const std::string list = first_line(fmt::format("/sys/devices/{}/cpus", kind));
    if (!list.empty()) block[field] = list;
  }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) block["allowed_cpus"] = CPU_COUNT(&allowed);
  std::error_code none;
  int nodes = 0;
  for (const auto& entry : files::directory_iterator("/sys/devices/system/node", none)) {
    const std::string name = entry.path().filename();
    nodes += name.starts_with("node") && name.size() > 4 && name.find_first_not_of("0123456789", 4) == name.npos;
  }
  if (nodes > 0) block["numa_nodes"] = nodes;
}

void add_clocks(json& block) {
  for (const auto& [field, file] :
       {std::pair{"mhz_min", "cpuinfo_min_freq"}, {"mhz_max", "cpuinfo_max_freq"}, {"mhz_now", "scaling_cur_freq"}}) {
    if (const std::string mhz = clock_of(file); !mhz.empty()) block[field] = number(mhz);
  }
  const std::string governor = first_line(fmt::format("{}cpu0/cpufreq/scaling_governor", cpu_folder));
  block["governor"] = governor.empty() ? json("not readable") : json(governor);
  const std::string boost = first_line(fmt::format("{}cpufreq/boost", cpu_folder));
  const std::string no_turbo = first_line(fmt::format("{}intel_pstate/no_turbo", cpu_folder));
  if (!boost.empty() || !no_turbo.empty()) block["turbo"] = boost.empty() ? no_turbo == "0" : boost == "1";
}

std::string hypervisor() {
#if defined(__x86_64__)
  // Leaf 0x40000000 is the hypervisors' own (Linux, arch/x86/kernel/cpu/hypervisor.c); bit 31 says there is one.
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 31 & 1) == 0) return "";
  __cpuid(0x40000000, a, b, c, d);
  char name[13] = {};
  std::memcpy(name, &b, 4);
  std::memcpy(name + 4, &c, 4);
  std::memcpy(name + 8, &d, 4);
  const std::string found = std::strcmp(name, "KVMKVMKVM") == 0      ? "KVM"
                            : std::strcmp(name, "Microsoft Hv") == 0 ? "Hyper-V"
                            : std::strcmp(name, "VMwareVMware") == 0 ? "VMware"
                            : std::strcmp(name, "XenVMMXenVMM") == 0 ? "Xen"
                                                                     : name;
  return found.empty() ? "unnamed" : found;
#else
  return first_line("/sys/hypervisor/type");
#endif
}

std::string container() {
  std::error_code none;
  if (files::exists("/.dockerenv", none)) return "docker";
  return first_line("/run/systemd/container");
}

}  // namespace

std::string proc_value(const char* file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t first = line.find_first_not_of(" \t", colon + 1);
    if (first != std::string::npos) return line.substr(first);
  }
  return "";
}

std::string first_line(const std::string& file) {
  std::string line;
  std::getline(std::ifstream(file) >> std::ws, line);
  return line;
}

std::string microarchitecture(std::string_view vendor, int family, int model) {
  for (const generation& g : generations) {
    const bool arm = g.vendor == "ARM" && vendor == "ARM";
    if ((arm || g.vendor == vendor) && family == g.family && model >= g.first_model && model <= g.last_model)
      return std::string(g.name);
  }
  return "";
}

json processor_block() {
  utsname system{};
  uname(&system);
  const auto read = [](const char* key) { return proc_value("/proc/cpuinfo", key); };
  json block;
  const std::string model = read("model name");
  block["cpu"] = model.empty() ? std::string(system.machine) : model;
  const std::string vendor = read("vendor_id");
  const std::string name = vendor.empty()
                               ? microarchitecture("ARM", number(read("CPU implementer")), number(read("CPU part")))
                               : microarchitecture(vendor, number(read("cpu family")), number(read("model\t")));
  block["microarchitecture"] = name.empty() ? json("unknown") : json(name);
  block["architecture"] = system.machine;
  for (const auto& [field, key] : {std::pair{"vendor", "vendor_id"},
                                   {"cpu_family", "cpu family"},
                                   {"cpu_model", "model\t"},
                                   {"stepping", "stepping"},
                                   {"microcode", "microcode"},
                                   {"implementer", "CPU implementer"},
                                   {"part", "CPU part"}}) {
    if (const std::string value = read(key); !value.empty()) block[field] = value;
  }
  block["simd_flags"] = simd_flags();
  add_topology(block);
  add_clocks(block);
  const std::string host = hypervisor(), inside = container();
  block["virtual_machine"] = !host.empty();
  if (!host.empty()) block["hypervisor"] = host;
  block["container"] = inside.empty() ? json("none seen") : json(inside);
  return block;
}

std::int64_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? std::int64_t{pages} * page : 0;
}

}  // namespace sigmax_bench
