// When `gate` says REGRESSED, IMPROVED, SAME or UNDECIDED. Numbers in, words out: nothing is measured here.
#pragma once

#include "statistics.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigmax_bench {

enum class gate_verdict { same, improved, regressed, undecided };
std::string_view name_of(gate_verdict v);  // "SAME" ...

struct judgement {
  gate_verdict verdict = gate_verdict::undecided;
  double change = 0;    // log(candidate / base), Hodges-Lehmann over the blocks
  interval range;       // of it, at 95 %
  interval control;     // the same for a copy of base against base
  double floor = 0;     // what is too small to be called a change
  double p = 1, q = 1;  // Wilcoxon's signed ranks; Benjamini-Hochberg over all cases
};

struct paired_times {  // ns a call, one value a block; `control` is a copy of the binary that `control_of` ran
  std::vector<double> base, candidate, control, control_of;
};

struct gate_rules {
  double threshold = 0.03;  // as a share: changes up to it never count
  double false_discoveries = 0.05;
  int resamples = 10000;
};

/// `quantum`: the share of a sample that the clock cannot resolve. `verdict` and `q` wait for judge_all.
judgement estimate(const paired_times& times, double quantum, const gate_rules& rules);

/// q-values over all of `judged`, then their verdicts.
void judge_all(std::span<judgement> judged, const gate_rules& rules);

/// What a fixed piece of work took next to the samples: `sides` binaries, each with one value a process.
struct machine_state {
  std::vector<std::vector<double>> calibration;
  double steal = 0;  // share of the time that the hypervisor gave to others
};

/// Why these samples prove nothing; "" if nothing is wrong.
std::string unfit_because(const machine_state& state);

}  // namespace sigmax_bench
