// How often `gate` itself is wrong: the trials of `gate --self-test`, what they add up to, and their forms. Nothing is
// measured here.
#pragma once

#include "gate_verdict.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace sigmax_bench {

struct self_test_verdict {
  std::string line;
  judgement judged;
};

/// One gate: a build against itself, or against one that does `injected` of its work twice.
struct self_test_trial {
  double injected = 0;
  std::string unfit;  // why the gate would have said nothing; such a trial counts for neither rate
  std::vector<self_test_verdict> verdicts;
};

struct self_test_record {
  nlohmann::ordered_json settings, machine;
  bool forced = false, complete = false;  // forced: unfit trials count
  std::vector<self_test_trial> trials;

  struct rate {
    int hits = 0, verdicts = 0;
    double share() const { return verdicts == 0 ? 0 : double{1} * hits / verdicts; }
  };
  rate false_alarms() const;  // REGRESSED and IMPROVED among the verdicts on a build against itself
  rate found() const;         // REGRESSED among those with more work
  int unfit_trials() const;
  int exit_code() const;
};

std::string self_test_markdown(const self_test_record& r);
nlohmann::ordered_json self_test_json(const self_test_record& r);
/// What self_test_json wrote, to go on from. Throws usage_error for what is none.
self_test_record parse_self_test(std::string_view content, const std::string& path);

}  // namespace sigmax_bench
