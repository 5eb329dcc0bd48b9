#include "machine.hpp"

#include "arguments.hpp"
#include "peer.hpp"

#include <sigmax/sigmax.hpp>

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

// Set by CMakeLists.txt at configure time.
#ifndef SIGMAX_BENCH_COMMIT
#define SIGMAX_BENCH_COMMIT "unknown"
#endif
#ifndef SIGMAX_BENCH_COMPILER
#define SIGMAX_BENCH_COMPILER "unknown"
#endif
#ifndef SIGMAX_BENCH_FLAGS
#define SIGMAX_BENCH_FLAGS "unknown"
#endif

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

// The value of the first "key : value" line of a /proc file; "" if there is none.
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

std::string first_line(const char* file) {
  std::string line;
  std::getline(std::ifstream(file) >> std::ws, line);
  return line;
}

}  // namespace

std::int64_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? std::int64_t{pages} * page : 0;
}

json machine_block() {
  utsname system{};
  uname(&system);
  // Google Benchmark reads sysfs already: caches with sharing, clock, scaling.
  const benchmark::CPUInfo& cpu = benchmark::CPUInfo::Get();

  json block;
  std::string model = proc_value("/proc/cpuinfo", "model name");
  block["cpu"] = model.empty() ? std::string(system.machine) : model;
  block["architecture"] = system.machine;
  for (const auto& [field, key] : {std::pair{"cpu_family", "cpu family"},
                                   {"cpu_model", "model\t"},
                                   {"stepping", "stepping"},
                                   {"microcode", "microcode"}}) {
    if (const std::string value = proc_value("/proc/cpuinfo", key); !value.empty()) block[field] = value;
  }
  block["cores"] = cpu.num_cpus;
  block["mhz"] = static_cast<std::int64_t>(cpu.cycles_per_second / 1e6);
  if (const std::string governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
      !governor.empty()) {
    block["governor"] = governor;
  }
  block["virtual_machine"] = proc_value("/proc/cpuinfo", "flags").find(" hypervisor") != std::string::npos;
  block["caches"] = json::array();
  for (const auto& cache : cpu.caches) {
    block["caches"].push_back(
        {{"type", cache.type}, {"level", cache.level}, {"size", cache.size}, {"num_sharing", cache.num_sharing}});
  }
  block["memory_bytes"] = memory_bytes();
  block["huge_pages"] = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  block["kernel"] = fmt::format("{} {}", system.sysname, system.release);
  block["compiler"] = SIGMAX_BENCH_COMPILER;
  block["flags"] = SIGMAX_BENCH_FLAGS;
  block["sigmax_version"] = sigmax::version();
  block["commit"] = SIGMAX_BENCH_COMMIT;

  block["isas"] = json::array();
  for (const sigmax::isa_info& row : sigmax::cpu_isas()) {
    block["isas"].push_back({{"name", row.name}, {"lanes", row.lanes}, {"fma", row.fma}, {"usable", row.usable}});
  }
  block["peers"] = json::object();
  for (const peer& p : peers()) block["peers"][p.name] = p.version;
  const char* forced = std::getenv("SIGMAX_ISA");
  block["SIGMAX_ISA"] = forced != nullptr ? json(forced) : json(nullptr);
  try {
    block["isa"] = chosen_isa();
  } catch (const std::runtime_error& error) {  // SIGMAX_ISA names a row that is not there: worth reporting, not fatal
    block["isa"] = nullptr;
    block["isa_problem"] = error.what();
  }
  const sigmax::status cuda = sigmax::cuda_available();
  block["cuda"] = {{"available", cuda.ok()}, {"message", cuda.message}};
  return block;
}

std::string machine_line() {
  const json block = machine_block();
  return fmt::format("{}, {} cores, {:.0f} GiB, {}; sigmax {} ({}), isa {}, {}", block["cpu"].get<std::string>(),
                     block["cores"].get<int>(), block["memory_bytes"].get<double>() / 0x1p30,
                     block["kernel"].get<std::string>(), sigmax::version(), SIGMAX_BENCH_COMMIT,
                     block["isa"].is_null() ? "none" : block["isa"].get<std::string>(), SIGMAX_BENCH_COMPILER);
}

}  // namespace sigmax_bench
