#include "machine.hpp"

#include "arguments.hpp"
#include "cuda_device.hpp"
#include "peer.hpp"
#include "processor.hpp"

#include <sigmax/sigmax.hpp>

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <sys/utsname.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include <cstdlib>
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

// FNV-1a: the same on every build.
std::string hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:016x}", hash);
}

// Two results with the same id may be compared as times. The system's own machine-id is secret outside the machine
// (man machine-id), so it goes in only hashed together with the rest.
std::string machine_id(const json& block) {
  std::string all = first_line("/etc/machine-id");
  for (const char* field : {"cpu", "cpu_family", "cpu_model", "stepping", "part", "cores"}) {
    if (block.contains(field)) all += "\n" + block[field].dump();
  }
  return hash_of(all + block["caches"].dump());
}

json isa_list() {
  json list = json::array();
  for (const sigmax::isa_info& row : sigmax::cpu_isas()) {
    list.push_back({{"name", row.name}, {"lanes", row.lanes}, {"fma", row.fma}, {"usable", row.usable}});
  }
  return list;
}

}  // namespace

json machine_block() {
  utsname system{};
  uname(&system);
  // Google Benchmark reads sysfs already: caches with sharing, clock, scaling.
  const benchmark::CPUInfo& cpu = benchmark::CPUInfo::Get();

  json block = processor_block();
  block["mhz"] = static_cast<std::int64_t>(cpu.cycles_per_second / 1e6);
  block["caches"] = json::array();
  for (const auto& cache : cpu.caches) {
    block["caches"].push_back(
        {{"type", cache.type}, {"level", cache.level}, {"size", cache.size}, {"num_sharing", cache.num_sharing}});
  }
  block["machine_id"] = machine_id(block);
  block["memory_bytes"] = memory_bytes();
  block["huge_pages"] = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  block["kernel"] = fmt::format("{} {}", system.sysname, system.release);
#ifdef __GLIBC__
  block["libc"] = fmt::format("glibc {}", gnu_get_libc_version());
#endif
  block["compiler"] = SIGMAX_BENCH_COMPILER;
  block["flags"] = SIGMAX_BENCH_FLAGS;
  block["sigmax_version"] = sigmax::version();
  block["commit"] = SIGMAX_BENCH_COMMIT;

  block["isas"] = isa_list();
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
  if (cuda.ok()) block["cuda"]["device"] = cuda_device_block();
  return block;
}

std::string machine_line() {
  const json block = machine_block();
  return fmt::format("{}{}, {} cores, {:.0f} GiB, {}; sigmax {} ({}), isa {}, {}", block["cpu"].get<std::string>(),
                     block["microarchitecture"] == "unknown"
                         ? ""
                         : fmt::format(" ({})", block["microarchitecture"].get<std::string>()),
                     block["cores"].get<int>(), block["memory_bytes"].get<double>() / 0x1p30,
                     block["kernel"].get<std::string>(), sigmax::version(), SIGMAX_BENCH_COMMIT,
                     block["isa"].is_null() ? "none" : block["isa"].get<std::string>(), SIGMAX_BENCH_COMPILER);
}

}  // namespace sigmax_bench
