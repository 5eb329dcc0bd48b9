#include "case_options.hpp"
#include "comparison_output.hpp"
#include "machine.hpp"
#include "row_op.hpp"

#include <benchmark/benchmark.h>
#include <fmt/chrono.h>
#include <fmt/core.h>

#include <chrono>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

// Zero means not measured everywhere in `comparison`.
json number(double value) { return value > 0 ? json(value) : json(nullptr); }

}  // namespace

json json_entry(const std::string& name, const samples& time) {
  return {{"name", name + "_median"},
          {"run_name", name},
          {"run_type", "aggregate"},
          {"aggregate_name", "median"},
          {"aggregate_unit", "time"},
          {"repetitions", time.real_ns.size()},
          {"threads", 1},  // Google Benchmark's; replaced by ours for kernels
          {"iterations", time.iterations},
          {"real_time", time.median()},
          {"cpu_time", time.cpu_median()},
          {"time_unit", "ns"},
          {"samples", time.real_ns},
          {"spread", time.spread()}};
}

json json_context(bool complete) {
  const benchmark::CPUInfo& cpu = benchmark::CPUInfo::Get();
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  json machine = machine_block();
  json c{{"date", fmt::format("{:%FT%T}+00:00", fmt::gmtime(now))},
         {"host_name", benchmark::SystemInfo::Get().name},
         {"executable", "sigmax-bench"},
         {"num_cpus", cpu.num_cpus},
         {"mhz_per_cpu", static_cast<std::int64_t>(cpu.cycles_per_second / 1e6)},
         {"cpu_scaling_enabled", cpu.scaling == benchmark::CPUInfo::ENABLED},
         {"caches", machine["caches"]},
         {"load_avg", cpu.load_avg},
#ifdef NDEBUG
         {"library_build_type", "release"},
#else
         {"library_build_type", "debug"},
#endif
         {"json_schema_version", 1},
         {"sigmax_schema_version", 1},
         {"complete", complete}};
  c["machine"] = std::move(machine);
  return c;
}

std::string as_json(const comparison& result) {
  json all = json::array();
  for (const outcome& o : result.outcomes) {
    const bench_case& c = o.what;
    json e = o.time.empty() ? json{{"name", c.name()}, {"run_name", c.name()}, {"run_type", "iteration"}}
                            : json_entry(c.name(), o.time);
    if (o.time.empty()) {  // as Google Benchmark marks a run without a time
      e["error_occurred"] = true;
      e["error_message"] = o.checked.ok ? "interrupted" : o.checked.message;
    }
    e["kind"] = "kernel";
    e["op"] = c.op.name();
    e["options"] = option_words(c.op);
    e["dtype"] = name_of(c.type);
    e["size"] = c.size.name();
    e["asked_size"] = c.asked.name();
    e["batch"] = c.size.batch;
    e["rows"] = c.size.rows;
    e["cols"] = c.size.cols;
    e["elements"] = c.size.elements();
    e["backend"] = name_of(c.where);
    e["isa"] = c.isa;
    e["threads"] = c.threads;
    e["in_place"] = c.in_place;
    e["cache"] = c.cold ? "cold" : "hot";
    e["repro"] = "sigmax-bench run " + words_of(c);
    e["verified"] = o.checked.ok;
    e["max_ulp_seen"] = o.checked.max_error;  // infinite becomes null
    e["elements_checked"] = o.checked.checked;
    e["ns_per_element"] = number(o.time.empty() ? 0 : result.ns_per_element(o));
    e["bytes_per_second"] = number(result.bytes_per_second(o));
    e["roof_plain"] = number(result.roof(o, false));
    e["roof_nt"] = number(result.roof(o, true));
    e["vs_naive"] = number(result.vs_naive(o));
    e["vs_first"] = number(result.vs_first(o));
    for (std::size_t p = 0; p < result.peers.size(); ++p) {
      const yardstick* y = result.of_peer(o, p);
      const std::string& name = result.peers[p].name;
      e["vs_" + name] = number(result.vs_peer(o, p));
      e[name + "_ns_per_element"] = number(y == nullptr ? 0 : y->ns_per_element());
      e[name + "_max_ulp_seen"] = y == nullptr ? json(nullptr) : json(y->max_error);
    }
    all.push_back(std::move(e));
  }
  for (const yardstick& y : result.yardsticks) {
    if (y.time.empty()) continue;
    json e = json_entry(y.name, y.time);
    e["kind"] = y.kind;
    e["elements"] = y.elements;
    e["ns_per_element"] = number(y.ns_per_element());
    e["bytes_per_second"] = number(y.bytes_per_second());
    all.push_back(std::move(e));
  }
  json about_run = json_context(result.complete);
  about_run["noisy_cases"] = result.noisy();
  const json document{{"context", std::move(about_run)}, {"benchmarks", std::move(all)}};
  return document.dump(2) + "\n";
}

}  // namespace sigmax_bench
