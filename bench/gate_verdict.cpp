#include "gate_verdict.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace sigmax_bench {
namespace {

constexpr double drift_allowed = 0.05, outlier = 0.10, outliers_allowed = 0.25, steal_allowed = 0.01;

std::vector<double> log_ratios(std::span<const double> above, std::span<const double> below) {
  std::vector<double> logs;
  for (std::size_t i = 0; i < std::min(above.size(), below.size()); ++i) logs.push_back(std::log(above[i] / below[i]));
  return logs;
}

gate_verdict verdict_of(const judgement& j, const gate_rules& rules) {
  const bool found = j.q < rules.false_discoveries;
  if (found && j.range.low > j.floor) return gate_verdict::regressed;
  if (found && j.range.high < -j.floor) return gate_verdict::improved;
  // Where the machine makes up more than twice the threshold, "within the floor" would say nothing.
  const bool steady = j.floor <= 2 * std::log1p(rules.threshold);
  if (steady && j.range.low >= -j.floor && j.range.high <= j.floor) return gate_verdict::same;
  return gate_verdict::undecided;
}

}  // namespace

std::string_view name_of(gate_verdict v) {
  switch (v) {
    case gate_verdict::same: return "SAME";
    case gate_verdict::improved: return "IMPROVED";
    case gate_verdict::regressed: return "REGRESSED";
    case gate_verdict::undecided: return "UNDECIDED";
  }
  return "?";
}

judgement estimate(const paired_times& times, double quantum, const gate_rules& rules) {
  const std::vector<double> change = log_ratios(times.candidate, times.base);
  const std::vector<double> null = log_ratios(times.control, times.control_of);
  judgement j;
  j.range = {-HUGE_VAL, HUGE_VAL};
  if (change.size() < 5) return j;  // five signs that agree have p = 1/16: nothing can be found
  const auto interval_of = [&](const std::vector<double>& logs) {
    return bca_interval(logs, hodges_lehmann, rules.resamples, 20261);
  };
  j.change = hodges_lehmann(change);
  j.range = interval_of(change);
  j.control = interval_of(null);
  // A copy of base that looks faster or slower than base shows how much this machine makes up.
  j.floor =
      std::max({std::log1p(rules.threshold), 2 * j.control.half_width(), -j.control.low, j.control.high, 2 * quantum});
  j.p = wilcoxon_p(change);
  return j;
}

void judge_all(std::span<judgement> judged, const gate_rules& rules) {
  std::vector<double> p;
  for (const judgement& j : judged) p.push_back(j.p);
  const std::vector<double> q = benjamini_hochberg(p);
  for (std::size_t i = 0; i < judged.size(); ++i) {
    judged[i].q = q[i];
    judged[i].verdict = verdict_of(judged[i], rules);
  }
}

std::string unfit_because(const machine_state& state) {
  if (state.steal > steal_allowed)
    return fmt::format("the hypervisor gave {:.1f} % of the time to others (at most {:.0f} % is allowed)",
                       100 * state.steal, 100 * steal_allowed);
  for (const std::vector<double>& times : state.calibration) {
    const std::size_t third = times.size() / 3;
    if (third < 3) continue;
    const double middle = median(times);
    const double first = median({times.begin(), times.begin() + static_cast<std::ptrdiff_t>(third)});
    const double last = median({times.end() - static_cast<std::ptrdiff_t>(third), times.end()});
    if (std::fabs(last / first - 1) > drift_allowed)
      return fmt::format("the machine's speed drifted by {:+.1f} % between the first and the last third of the run",
                         100 * (first / last - 1));
    const auto far =
        std::count_if(times.begin(), times.end(), [&](double t) { return std::fabs(t / middle - 1) > outlier; });
    const double share = static_cast<double>(far) / static_cast<double>(times.size());
    if (share > outliers_allowed)
      return fmt::format(
          "in {:.0f} % of the processes a fixed piece of work took over {:.0f} % more or less than usual", 100 * share,
          100 * outlier);
  }
  return "";
}

}  // namespace sigmax_bench
