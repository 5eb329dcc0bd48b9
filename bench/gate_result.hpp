// What `gate` found, and its forms: Markdown for people, JUnit for CI, JSON with every sample.
#pragma once

#include "gate_verdict.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sigmax_bench {

struct gate_case {
  std::string line, name;  // `line`: the words that ask `run` for it
  paired_times times;
  judgement judged;
  std::optional<judgement> first;  // before it was measured again
  std::string problem;             // one of the builds lacks it; then nothing else is set
  std::optional<double> base_instructions, candidate_instructions;  // a call

  bool timed() const { return !times.base.empty() && !times.candidate.empty(); }
  double instruction_change() const;  // candidate / base - 1; 0 where not counted
};

struct gate_result {
  std::vector<gate_case> cases;
  gate_rules rules;
  machine_state state;
  std::string unfit, wrong;  // why the run proves nothing; which results are wrong
  std::string base, candidate;
  nlohmann::ordered_json base_machine, candidate_machine;
  bool by_time = true, by_instructions = false, undecided_fails = true, forced = false, complete = true;
  double instruction_threshold = 0.005;

  gate_verdict verdict_of(const gate_case& c) const;
  int count(gate_verdict v) const;  // among the timed or counted
  int exit_code() const;
  std::string summary() const;  // one line
};

std::string gate_markdown(const gate_result& r);
std::string gate_junit(const gate_result& r);
nlohmann::ordered_json gate_json(const gate_result& r);
nlohmann::ordered_json judgement_json(const judgement& j);  // as shares, not logarithms

/// The base of a stored JSON: line to times (`base` and `control`). Throws usage_error for what is none.
struct gate_baseline {
  nlohmann::ordered_json machine;
  std::vector<double> calibration;
  std::vector<gate_case> cases;
};
gate_baseline read_baseline(const std::string& path);
gate_baseline parse_baseline(std::string_view content, const std::string& path);

}  // namespace sigmax_bench
