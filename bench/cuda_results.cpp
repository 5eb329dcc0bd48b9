#include "cuda_results.hpp"

#include "comparison_output.hpp"
#include "cuda_goals.hpp"
#include "cudnn.hpp"
#include "row_op.hpp"
#include "statistics.hpp"

#include <fmt/core.h>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

bool met(const cuda_result& r, const cuda_goal& g) { return g.met(median(r.timing.ns), median(r.timing.copy_ns)); }

std::string goal_text(const cuda_goal& g) {
  return g.us > 0 ? fmt::format("<= {} us", g.us) : fmt::format(">= {:.2f}", g.of_copy);
}

samples samples_of(const cuda_timing& t, const std::vector<double>& ns) {
  return {.real_ns = ns, .cpu_ns = ns, .iterations = t.calls};
}

void add_rate(json& e, const bench_case& c, double ns) {
  e["elements"] = c.size.elements();
  e["ns_per_element"] = ns / static_cast<double>(c.size.elements());
  e["bytes_per_second"] = static_cast<double>(c.bytes()) / ns * 1e9;
}

json kernel_entry(const cuda_result& r) {
  const bench_case& c = r.what;
  const cuda_timing& t = r.timing;
  json e = t.ns.empty() ? json{{"name", c.name()},
                               {"run_name", c.name()},
                               {"run_type", "iteration"},
                               {"error_occurred", true},
                               {"error_message", t.checked.message}}
                        : json_entry(c.name(), samples_of(t, t.ns));
  e["kind"] = "kernel";
  e["op"] = c.op.name();
  e["options"] = option_words(c.op);
  e["dtype"] = name_of(c.type);
  e["size"] = c.size.name();
  e["batch"] = c.size.batch;
  e["rows"] = c.size.rows;
  e["cols"] = c.size.cols;
  e["elements"] = c.size.elements();
  e["backend"] = "cuda";
  e["threads"] = c.threads;
  e["in_place"] = false;
  e["misaligned"] = c.misaligned;
  e["cache"] = "cold";
  e["buffers"] = t.buffers;
  e["verified"] = t.checked.ok;
  e["max_ulp_seen"] = t.checked.max_error;
  e["elements_checked"] = t.checked.checked;
  if (t.ns.empty()) return e;
  add_rate(e, c, median(t.ns));
  e["copy_ns"] = median(t.copy_ns);
  e["roof_plain"] = static_cast<double>(c.bytes()) / median(t.copy_ns) * 1e9;
  e["of_copy"] = median(t.copy_ns) / median(t.ns);
  if (const cuda_goal* g = goal_of(c)) {
    g->us > 0 ? e["goal_us"] = g->us : e["goal_of_copy"] = g->of_copy;
    e["goal_met"] = met(r, *g);
  }
  if (t.cudnn.ns.empty()) {
    if (!t.cudnn.problem.empty()) e["cudnn_problem"] = t.cudnn.problem;
    return e;
  }
  e["vs_cudnn"] = median(t.cudnn.ns) / median(t.ns);
  e["cudnn_ns_per_element"] = median(t.cudnn.ns) / static_cast<double>(c.size.elements());
  e["cudnn_max_ulp_seen"] = t.cudnn.max_error;
  return e;
}

json other_entry(const cuda_result& r, const char* kind, const std::string& name, const std::vector<double>& ns) {
  json e = json_entry(name, samples_of(r.timing, ns));
  e["kind"] = kind;
  e["backend"] = "cuda";
  add_rate(e, r.what, median(ns));
  return e;
}

}  // namespace

std::string cuda_table_head(bool with_cudnn) {
  return fmt::format("{:<44} {:>12} {:>9} {:>8} {:>10} {:>6} {:>8}{}\n", "case", "us", "GB/s", "of copy", "goal", "met",
                     "ULP seen", with_cudnn ? "  vs cudnn   its ULP" : "");
}

std::string cuda_table_line(const cuda_result& r, bool with_cudnn) {
  const cuda_timing& t = r.timing;
  if (t.ns.empty()) return fmt::format("{:<44} FAILED: {}\n", r.what.name(), t.checked.message);
  const double ns = median(t.ns), copy = median(t.copy_ns);
  const cuda_goal* g = goal_of(r.what);
  std::string line = fmt::format("{:<44} {:>12.2f} {:>9.1f} {:>8.3f} {:>10} {:>6} {:>8.3g}", r.what.name(), ns / 1e3,
                                 static_cast<double>(r.what.bytes()) / ns, copy / ns, g == nullptr ? "" : goal_text(*g),
                                 g == nullptr ? ""
                                 : met(r, *g) ? "yes"
                                              : "NO",
                                 t.checked.max_error);
  if (with_cudnn && !t.cudnn.ns.empty())
    line += fmt::format(" {:>9.2f}x {:>9.3g}", median(t.cudnn.ns) / ns, t.cudnn.max_error);
  return line + "\n";
}

std::string goals_text(const std::vector<cuda_result>& results) {
  int all = 0, good = 0;
  std::string missed;
  for (const cuda_result& r : results) {
    const cuda_goal* g = goal_of(r.what);
    if (g == nullptr || r.timing.ns.empty()) continue;
    ++all;
    if (met(r, *g)) {
      ++good;
      continue;
    }
    const double ns = median(r.timing.ns);
    missed += fmt::format(
        "  missed: {} {}, goal {}\n", r.what.name(),
        g->us > 0 ? fmt::format("{:.2f} us", ns / 1e3) : fmt::format("{:.3f}", median(r.timing.copy_ns) / ns),
        goal_text(*g));
  }
  return fmt::format("goals: {} of {} met\n{}", good, all, missed);
}

json cuda_document(const std::vector<cuda_result>& results, bool complete) {
  json all = json::array();
  for (const cuda_result& r : results) all.push_back(kernel_entry(r));
  for (const cuda_result& r : results) {
    const bench_case& c = r.what;
    if (r.timing.ns.empty()) continue;
    all.push_back(other_entry(
        r, "roof",
        fmt::format("device copy of {}/{}/{}/cuda/1t{}", c.op.name(), name_of(c.type), c.size.name(), c.form()),
        r.timing.copy_ns));
    if (!r.timing.cudnn.ns.empty()) all.push_back(other_entry(r, "peer", "cudnn:" + c.name(), r.timing.cudnn.ns));
  }
  json context = json_context(complete);
  if (!cudnn().version.empty()) context["machine"]["peers"]["cudnn"] = cudnn().version;
  return {{"context", std::move(context)}, {"benchmarks", std::move(all)}};
}

}  // namespace sigmax_bench
