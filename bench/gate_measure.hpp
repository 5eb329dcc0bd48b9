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

/// Times and judges only: base, candidate and a copy of base. `stage` stands before what the progress says.
gate_result time_sides(const std::vector<gate_side>& sides, const std::vector<std::string>& lines,
                       const gate_settings& settings, progress& shown, const std::string& stage);

}  // namespace sigmax_bench
