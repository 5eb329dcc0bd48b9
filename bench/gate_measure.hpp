// From two builds to a gate_result.
#pragma once

#include "gate_result.hpp"
#include "gate_sides.hpp"

#include <string>
#include <vector>

namespace sigmax_bench {

struct gate_settings {
  gate_rules rules;
  sampling how;
  int blocks = 15, max_blocks = 60;
  bool by_time = true, by_instructions = false, undecided_fails = true, force = false;
};

/// The cases that `gate` takes when it is not told: lines for a batch file.
std::vector<std::string> gate_plan();

/// `base` and `candidate` as side_of takes them. With `baseline`, a stored JSON, base is not run at all; only on the
/// machine that it is from, unless forced.
gate_result run_gate(const std::string& base, const std::string& candidate, const std::string& baseline,
                     const std::vector<std::string>& lines, const gate_settings& settings, progress& shown);

/// How often the gate itself is wrong here.
struct self_test_result {
  int trials = 0, same_verdicts = 0, false_alarms = 0, slow_verdicts = 0, found = 0, unfit_runs = 0;
  double slower = 0;
  bool complete = true;
  std::string unfit;  // why the last unfit run was; such runs give no verdicts
};
/// In every trial this program against a copy of itself, and against one that does 5 % of the work twice.
self_test_result gate_self_test(int trials, const gate_settings& settings, progress& shown);

}  // namespace sigmax_bench
