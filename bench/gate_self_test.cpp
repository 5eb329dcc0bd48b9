#include "gate_self_test.hpp"

#include "arguments.hpp"
#include "exit_code.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "process.hpp"

#include <fmt/core.h>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

// Small and in the caches, each twentieth of them a whole number of elements or of 16 rows, and long enough for the
// second call's own cost to be little. They compute: relu would find its twentieth in L1 and lose 2 % of its time.
const std::vector<std::string> own_lines{"--op tanh --dtype f32 --size 20Ki", "--op gelu --dtype f32 --size 20Ki",
                                         "--op silu --dtype bf16 --size 20Ki",
                                         "--op softmax --dtype f32 --shape 320x64"};

json settings_of(const self_test_plan& plan, const gate_settings& s) {
  return {{"trials", plan.trials},     {"slow_trials", plan.slow_trials},
          {"injected", plan.injected}, {"threshold", s.rules.threshold},
          {"blocks", s.blocks},        {"max_blocks", s.max_blocks},
          {"batches", s.how.batches},  {"batch_time", s.how.batch_time},
          {"seed", s.how.seed}};
}

// Spread evenly over the run: a cut-off one has both kinds.
std::vector<double> injections(const self_test_plan& plan) {
  std::vector<double> all;
  const int both = plan.trials + plan.slow_trials;
  for (int i = 0; i < both; ++i) {
    const bool slow = (i + 1) * plan.slow_trials / both > i * plan.slow_trials / both;
    all.push_back(slow ? plan.injected : 0);
  }
  return all;
}

self_test_record started(const self_test_plan& plan, const gate_settings& settings) {
  self_test_record r = plan.from;
  const json ours = settings_of(plan, settings), machine = machine_block();
  if (!r.trials.empty()) {
    if (r.settings != ours)
      throw usage_error(fmt::format("the earlier part had other settings ({})", r.settings.dump()));
    for (const char* key : {"machine_id", "commit"}) {
      if (!r.machine.is_object() || !r.machine.contains(key) || r.machine[key] != machine[key])
        throw usage_error(fmt::format("the earlier part has another {}", key));
    }
  }
  r.settings = ours;
  r.machine = machine;
  r.forced = settings.force;
  return r;
}

}  // namespace

self_test_record gate_self_test(const self_test_plan& plan, const gate_settings& settings, progress& shown,
                                const std::function<void(const self_test_record&)>& keep) {
  self_test_record record = started(plan, settings);
  const std::vector<double> wanted = injections(plan);
  record.complete = record.trials.size() >= wanted.size();
  const scratch_folder folder;
  const gate_side self = side_of(own_path()), copy = copy_of(self, folder);
  for (std::size_t i = record.trials.size(); i < wanted.size() && !interrupted(); ++i) {
    gate_side other = self;
    other.slower = wanted[i];
    gate_settings now = settings;
    now.how.seed = settings.how.seed + i;
    const gate_result result =
        time_sides({self, other, copy}, own_lines, now, shown, fmt::format("gate {} of {}: ", i + 1, wanted.size()));
    if (interrupted()) break;
    self_test_trial trial{wanted[i], result.unfit, {}};
    for (const gate_case& c : result.cases) trial.verdicts.push_back({c.line, c.judged});
    record.trials.push_back(std::move(trial));
    record.complete = record.trials.size() == wanted.size();
    keep(record);
  }
  return record;
}

}  // namespace sigmax_bench
