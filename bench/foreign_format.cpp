#include "foreign_format.hpp"

#include "exit_code.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

bool takes_part(const result_row& r) { return !r.samples.empty() && (r.kind == "kernel" || r.kind == "peer"); }

json context_of(const result_file& file) {
  json context;
  for (const char* key : {"date", "host_name", "executable", "num_cpus", "mhz_per_cpu", "cpu_scaling_enabled", "caches",
                          "load_avg", "library_build_type"}) {
    if (file.context.contains(key)) context[key] = file.context[key];
  }
  if (!context.contains("caches")) context["caches"] = json::array();  // Bencher's reader wants it
  return context;
}

json google_benchmark(const result_file& file) {
  json entries = json::array();
  for (const result_row& r : file.rows) {
    if (!takes_part(r)) continue;
    entries.push_back({{"name", r.name},
                       {"run_name", r.name},
                       {"run_type", "iteration"},
                       {"repetitions", 1},
                       {"repetition_index", 0},
                       {"threads", 1},
                       {"iterations", r.samples.size()},
                       {"real_time", r.time()},
                       {"cpu_time", r.time()},
                       {"time_unit", "ns"}});
    if (r.bytes > 0) entries.back()["bytes_per_second"] = r.bytes_per_second();
  }
  return {{"context", context_of(file)}, {"benchmarks", std::move(entries)}};
}

json github_action_benchmark(const result_file& file) {
  json entries = json::array();
  for (const result_row& r : file.rows) {
    if (!takes_part(r)) continue;
    std::string extra = fmt::format("{:.4g} ns/element", r.ns_per_element());
    if (r.bytes > 0) extra += fmt::format("\n{:.1f} GB/s", r.bytes_per_second() / 1e9);
    if (!r.repro.empty()) extra += "\n" + r.repro;
    entries.push_back({{"name", r.name},
                       {"unit", "ns"},
                       {"value", r.time()},
                       {"range", fmt::format("± {:.3g}", r.spread() * r.time())},
                       {"extra", extra}});
  }
  return entries;
}

json bencher(const result_file& file) {
  json all = json::object();
  for (const result_row& r : file.rows) {
    if (!takes_part(r)) continue;
    const auto [low, high] = std::minmax_element(r.samples.begin(), r.samples.end());
    json measures{{"latency", {{"value", r.time()}, {"lower_value", *low}, {"upper_value", *high}}}};
    if (r.bytes > 0) measures["throughput"] = {{"value", r.bytes_per_second()}};
    all[r.name] = std::move(measures);
  }
  return all;
}

}  // namespace

foreign_format parse_foreign_format(const std::string& word) {
  if (word == "google-benchmark") return foreign_format::google_benchmark;
  if (word == "github-action-benchmark") return foreign_format::github_action_benchmark;
  if (word == "bencher") return foreign_format::bencher;
  throw usage_error(
      fmt::format("cannot convert to '{}' (there are google-benchmark, github-action-benchmark and bencher)", word));
}

json converted(const result_file& file, foreign_format to) {
  switch (to) {
    case foreign_format::google_benchmark: return google_benchmark(file);
    case foreign_format::github_action_benchmark: return github_action_benchmark(file);
    case foreign_format::bencher: return bencher(file);
  }
  return {};
}

}  // namespace sigmax_bench
