#include "gate_result.hpp"

#include "exit_code.hpp"
#include "json_problem.hpp"
#include "output_file.hpp"
#include "table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

double percent(double log_ratio) { return 100 * std::expm1(log_ratio); }

std::string range_text(const interval& i) { return fmt::format("[{:+.1f}, {:+.1f}]", percent(i.low), percent(i.high)); }

std::string build_text(const json& machine, const std::string& path) {
  const auto text = [&](const char* key) {
    return machine.is_object() && machine.contains(key) && machine[key].is_string() ? machine[key].get<std::string>()
                                                                                    : std::string("unknown");
  };
  return fmt::format("{}: commit {}, {}, {}", path, text("commit"), text("compiler"), text("flags"));
}

std::vector<std::string> row_of(const gate_result& r, const gate_case& c) {
  const judgement& j = c.judged;
  const bool counted = c.base_instructions && c.candidate_instructions;
  std::vector<std::string> row{c.name};
  if (c.timed()) {
    row.insert(row.end(), {fmt::format("{:.4g}", median(c.times.base)),
                           fmt::format("{:.4g}", median(c.times.candidate)), fmt::format("{:+.1f}%", percent(j.change)),
                           range_text(j.range), fmt::format("{:.1f}", percent(j.floor)), fmt::format("{:.2g}", j.q),
                           fmt::format("{}{}", c.times.candidate.size(), c.first ? " again" : "")});
  } else {
    row.insert(row.end(), 7, "");
  }
  row.push_back(counted ? fmt::format("{:+.2f}%", 100 * c.instruction_change()) : "");
  row.emplace_back(name_of(r.verdict_of(c)));
  return row;
}

}  // namespace

double gate_case::instruction_change() const {
  if (!base_instructions || !candidate_instructions || *base_instructions <= 0) return 0;
  return *candidate_instructions / *base_instructions - 1;
}

gate_verdict gate_result::verdict_of(const gate_case& c) const {
  if (by_instructions && c.base_instructions && c.candidate_instructions) {
    if (c.instruction_change() > instruction_threshold) return gate_verdict::regressed;
    if (!by_time) return c.instruction_change() < -instruction_threshold ? gate_verdict::improved : gate_verdict::same;
  }
  return c.judged.verdict;
}

int gate_result::count(gate_verdict v) const {
  return static_cast<int>(std::count_if(cases.begin(), cases.end(),
                                        [&](const gate_case& c) { return c.problem.empty() && verdict_of(c) == v; }));
}

int gate_result::exit_code() const {
  if (!wrong.empty()) return exit_wrong_result;
  if (!complete) return exit_interrupted;
  if (std::all_of(cases.begin(), cases.end(), [](const gate_case& c) { return !c.problem.empty(); }))
    return exit_skipped;
  if (by_time && !unfit.empty() && !forced) return exit_unfit;
  if (count(gate_verdict::regressed) > 0) return exit_regression;
  return undecided_fails && count(gate_verdict::undecided) > 0 ? exit_undecided : exit_ok;
}

std::string gate_result::summary() const {
  const auto verdict = [&]() -> std::string {
    switch (exit_code()) {
      case exit_ok: return "PASSED";
      case exit_regression: return "REGRESSED";
      case exit_undecided: return "UNDECIDED";
      case exit_unfit: return "ENVIRONMENT UNFIT";
      case exit_wrong_result: return "WRONG RESULTS";
      case exit_skipped: return "SKIPPED";
      default: return "INTERRUPTED";
    }
  }();
  return fmt::format("{}: {} regressed, {} improved, {} same, {} undecided, {} left out", verdict,
                     count(gate_verdict::regressed), count(gate_verdict::improved), count(gate_verdict::same),
                     count(gate_verdict::undecided),
                     std::count_if(cases.begin(), cases.end(), [](const gate_case& c) { return !c.problem.empty(); }));
}

std::string gate_markdown(const gate_result& r) {
  table t{{{"case"},
           {"base, ns", true},
           {"candidate, ns", true},
           {"time", true},
           {"95 %", true},
           {"floor, ±%", true},
           {"q", true},
           {"blocks", true},
           {"instructions", true},
           {"verdict"}},
          {}};
  // What one looks for comes first.
  for (const auto v : {gate_verdict::regressed, gate_verdict::undecided, gate_verdict::improved, gate_verdict::same}) {
    for (const gate_case& c : r.cases) {
      if (c.problem.empty() && r.verdict_of(c) == v) t.rows.push_back(row_of(r, c));
    }
  }
  std::string text = fmt::format("**{}**\n\n- base {}\n- candidate {}\n", r.summary(),
                                 build_text(r.base_machine, r.base), build_text(r.candidate_machine, r.candidate));
  if (!r.wrong.empty()) text += fmt::format("- wrong: {}\n", r.wrong);
  if (!r.unfit.empty())
    text += fmt::format("- {}: {}\n", r.forced ? "environment unfit, but --force" : "environment unfit", r.unfit);
  text += "\n" + t.markdown();
  text +=
      "\nTime: Hodges-Lehmann estimate of candidate / base over paired blocks, each a fresh process; 95 %: its BCa "
      "bootstrap interval. Floor: the\nlarger of the threshold and what a copy of base against base showed in this "
      "run. "
      "REGRESSED: interval above the floor and q < 0.05, twice.\nSAME: interval within the floor, and the floor no "
      "more than twice the threshold.\n";
  for (const gate_case& c : r.cases) {
    if (!c.problem.empty()) text += fmt::format("\nLeft out: {}: {}\n", c.line, c.problem);
  }
  return text;
}

std::string gate_junit(const gate_result& r) {
  std::string body;
  int failures = 0, errors = 0, skipped = 0;
  for (const gate_case& c : r.cases) {
    const std::string name = html_escaped(c.name.empty() ? c.line : c.name);
    const std::string open = fmt::format("  <testcase classname=\"sigmax.gate\" name=\"{}\" time=\"{:.9f}\"", name,
                                         c.timed() ? median(c.times.candidate) / 1e9 : 0.0);
    const auto with = [&](const char* tag, const std::string& message) {
      body += fmt::format("{}>\n    <{} message=\"{}\"/>\n  </testcase>\n", open, tag, html_escaped(message));
    };
    const gate_verdict v = r.verdict_of(c);
    const std::string change =
        fmt::format("{}: time {:+.1f}% {}, instructions {:+.2f}%; sigmax-bench run {}", name_of(v),
                    percent(c.judged.change), range_text(c.judged.range), 100 * c.instruction_change(), c.line);
    if (!c.problem.empty()) {
      ++skipped, with("skipped", c.problem);
    } else if (v == gate_verdict::regressed && r.exit_code() == exit_regression) {
      ++failures, with("failure", change);
    } else if (v == gate_verdict::regressed || v == gate_verdict::undecided || r.exit_code() == exit_unfit) {
      ++skipped, with("skipped", r.exit_code() == exit_unfit ? "environment unfit: " + r.unfit : change);
    } else {
      body += open + "/>\n";
    }
  }
  if (!r.wrong.empty()) {
    ++errors;
    body += fmt::format(
        "  <testcase classname=\"sigmax.gate\" name=\"results\">\n    <error message=\"{}\"/>\n  "
        "</testcase>\n",
        html_escaped(r.wrong));
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"sigmax gate\" tests=\"{}\" failures=\"{}\" "
      "errors=\"{}\" skipped=\"{}\">\n{}</testsuite>\n",
      r.cases.size() + static_cast<std::size_t>(errors), failures, errors, skipped, body);
}

json judgement_json(const judgement& j) {
  return {{"verdict", name_of(j.verdict)},
          {"change", std::expm1(j.change)},
          {"interval", {std::expm1(j.range.low), std::expm1(j.range.high)}},
          {"control", {std::expm1(j.control.low), std::expm1(j.control.high)}},
          {"floor", std::expm1(j.floor)},
          {"p", j.p},
          {"q", j.q}};
}

json gate_json(const gate_result& r) {
  json cases = json::array();
  for (const gate_case& c : r.cases) {
    json j{{"name", c.name}, {"repro", "sigmax-bench run " + c.line}, {"line", c.line}};
    if (!c.problem.empty()) {
      j["problem"] = c.problem;
      cases.push_back(std::move(j));
      continue;
    }
    j["verdict"] = name_of(r.verdict_of(c));
    if (c.timed()) j["time"] = judgement_json(c.judged);
    if (c.first) j["time_before_again"] = judgement_json(*c.first);
    const auto instructions = [](const std::optional<double>& n) { return n ? json(*n) : json(nullptr); };
    j["instructions"] = {{"base", instructions(c.base_instructions)},
                         {"candidate", instructions(c.candidate_instructions)},
                         {"change", c.instruction_change()}};
    j["samples_ns"] = {{"base", c.times.base},
                       {"candidate", c.times.candidate},
                       {"control", c.times.control},
                       {"control_of", c.times.control_of}};
    cases.push_back(std::move(j));
  }
  return {{"sigmax_schema_version", 1},
          {"kind", "gate"},
          {"summary", r.summary()},
          {"exit", r.exit_code()},
          {"rules",
           {{"threshold", r.rules.threshold},
            {"instruction_threshold", r.instruction_threshold},
            {"false_discoveries", r.rules.false_discoveries},
            {"resamples", r.rules.resamples}}},
          {"environment", {{"unfit", r.unfit}, {"steal", r.state.steal}, {"calibration_ns", r.state.calibration}}},
          {"wrong", r.wrong},
          {"base", {{"path", r.base}, {"machine", r.base_machine}}},
          {"candidate", {{"path", r.candidate}, {"machine", r.candidate_machine}}},
          {"cases", std::move(cases)}};
}

gate_baseline parse_baseline(std::string_view content, const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return usage_error(fmt::format("'{}' is not a result of 'gate': {}", path, why));
  };
  gate_baseline baseline;
  try {
    const json all = json::parse(content);
    baseline.machine = all.at("base").at("machine");
    if (!baseline.machine.is_object()) throw refuse("it does not say which machine it is from");
    if (const json& sides = all.at("environment").at("calibration_ns"); !sides.empty())
      baseline.calibration = sides.front().get<std::vector<double>>();
    for (const json& entry : all.at("cases")) {
      if (entry.contains("problem")) continue;
      gate_case c;
      c.line = entry.at("line").get<std::string>();
      c.name = entry.at("name").get<std::string>();
      c.times.base = entry.at("samples_ns").at("base").get<std::vector<double>>();
      for (const double t : c.times.base) {
        if (!std::isfinite(t) || t <= 0) throw refuse(fmt::format("'{}' has a time of {} ns", c.name, t));
      }
      baseline.cases.push_back(std::move(c));
    }
  } catch (const json::exception& error) {
    throw refuse(json_problem(error));
  }
  if (baseline.cases.empty()) throw refuse("it has no cases");
  return baseline;
}

gate_baseline read_baseline(const std::string& path) { return parse_baseline(read_text(path), path); }

}  // namespace sigmax_bench
