#include "calibrate.hpp"

#include "arguments.hpp"
#include "calibration.hpp"
#include "calibration_file.hpp"
#include "command.hpp"
#include "comparison.hpp"
#include "cuda_device.hpp"
#include "machine.hpp"
#include "output_file.hpp"
#include "plan.hpp"
#include "processor.hpp"
#include "threads.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

constexpr std::int64_t in_cache = std::int64_t{64} << 10, in_memory = std::int64_t{64} << 20;

std::vector<bench_case> cases_in_cache() {
  return expand({.ops = parse_operations({"all"}),
                 .types = {sigmax::dtype::f32},
                 .sizes = {{0, in_cache}},
                 .isas = parse_isas({"best"})});
}
std::vector<bench_case> cases_in_memory() {
  std::vector<int> threads = {1};
  if (has_threads && parse_threads("all") > 1) threads.push_back(parse_threads("all"));
  return expand({.ops = parse_operations({"relu"}),
                 .types = {sigmax::dtype::f32},
                 .sizes = {{0, in_memory}},
                 .isas = parse_isas({"best"}),
                 .threads = threads,
                 .max_bytes = memory_bytes() / 4});
}

json cuda_figures() {
  try {
    const transfer_figures f = time_transfers();
    return {{"bytes_per_second_to_device", f.to_device},
            {"bytes_per_second_from_device", f.from_device},
            {"device_bytes_per_second", f.on_device},
            {"launch_ns", f.launch_ns}};
  } catch (const std::runtime_error& none) {
    fmt::print(stderr, "sigmax-bench: the figures of a CUDA device stay 0: {}\n", none.what());
    return {{"bytes_per_second_to_device", 0},
            {"bytes_per_second_from_device", 0},
            {"device_bytes_per_second", 0},
            {"launch_ns", 0}};
  }
}

}  // namespace

std::string calibration_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (std::string file = variable("SIGMAX_CALIBRATION"); !file.empty()) return file;
  if (const std::string folder = variable("XDG_CONFIG_HOME"); !folder.empty())
    return folder + "/sigmax/calibration.json";
  const std::string home = variable("HOME");
  return home.empty() ? "" : home + "/.config/sigmax/calibration.json";
}

void calibrate(const std::string& path, bool quiet) {
  if (path.empty()) throw usage_error("there is no home directory for the calibration: name a file with --out");
  if (path == calibration_path()) {  // a folder that nobody named
    std::error_code problem;         // what is wrong with it shows on the next line
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), problem);
  }
  require_writable(path);
  const measure_settings settings{.min_time = 0.01, .repetitions = 5, .benchmark_flags = {}};
  start_measuring(settings);
  json per_element = json::object(), figures = json::object();
  {
    progress shown(quiet);
    warm_up();
    const comparison cached = compare_cases(cases_in_cache(), {}, settings, shown);
    for (const outcome& o : cached.outcomes)
      if (o.what.op.kind == op_kind::activation && !o.time.empty())
        per_element[o.what.op.name()] = cached.ns_per_element(o);
    const comparison memory = compare_cases(cases_in_memory(), {}, settings, shown);
    const auto copies = [&](const outcome& o) { return std::max(memory.roof(o, false), memory.roof(o, true)); };
    figures["cpu_ns_per_element"] = per_element;
    figures["host_bytes_per_second"] = copies(memory.outcomes.front());
    figures["host_bytes_per_second_at_most"] = copies(memory.outcomes.back());
    if (!cached.complete || !memory.complete) throw usage_error("interrupted: nothing was stored");
  }
  figures.update(cuda_figures());
  write_text(path,
             json{{"sigmax_schema_version", 1}, {"machine", machine_block()}, {"calibration", figures}}.dump(2) + "\n");
  fmt::print("{}\n", path);
}

void use_calibration(const std::string& path) {
  apply_calibration(read_text(path), path, machine_block().at("machine_id").get<std::string>());
}

void use_stored_calibration() {
  const std::string path = calibration_path();
  if (!path.empty() && std::filesystem::exists(path)) use_calibration(path);
}

}  // namespace sigmax_bench
