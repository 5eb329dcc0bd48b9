#include "gate_measure.hpp"

#include "exit_code.hpp"
#include "instruction_count.hpp"
#include "interrupt.hpp"
#include "process.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

class gate_run {
 public:
  gate_run(gate_result& result, const gate_settings& settings, progress& shown, std::string stage = "")
      : result_(result), settings_(settings), shown_(shown), stage_(std::move(stage)) {}

  void take_probes(const probed* base, const probed& candidate) {
    for (std::size_t i = 0; i < result_.cases.size(); ++i) {
      gate_case& c = result_.cases[i];
      const auto take = [&](const probed& side, const char* who, std::optional<double>& instructions) {
        if (!side.names[i].empty() && c.name.empty()) c.name = side.names[i];
        if (!side.problems[i].empty()) c.problem = fmt::format("{}: {}", who, side.problems[i]);
        if (!side.wrong[i].empty())
          result_.wrong += fmt::format("{}{}: {}", result_.wrong.empty() ? "" : "; ", who, side.wrong[i]);
        instructions = side.instructions[i];
      };
      if (base != nullptr) take(*base, "base", c.base_instructions);
      take(candidate, "candidate", c.candidate_instructions);
      if (c.name.empty()) c.name = c.line;
    }
  }

  void count_by_callgrind(const gate_side& base, const gate_side& candidate) {
    for (std::size_t i = 0; i < result_.cases.size() && !interrupted(); ++i) {
      gate_case& c = result_.cases[i];
      shown_.done_of(i, result_.cases.size());
      shown_.working_on("counting instructions of " + c.name);
      if (!c.problem.empty() || c.line.find("avx512") != std::string::npos) continue;
      c.base_instructions = callgrind_instructions(base, c.line);
      c.candidate_instructions = callgrind_instructions(candidate, c.line);
    }
  }

  // Side numbers in the sampler; `base` is -1 where the times are stored ones.
  struct places {
    int base;
    std::size_t candidate, control, control_of;
  };

  void time(sampler& samples, const places& at) {
    const steal_clock before = steal_clock::now();
    shown_.enter(stage_ + "timing");
    rounds(samples, at, all_timed(), settings_.blocks, settings_.max_blocks);
    measure_again(samples, at);
    result_.state = {samples.calibration(), steal_clock::now().share_since(before)};
    result_.unfit = unfit_because(result_.state);
  }

 private:
  std::vector<std::size_t> all_timed() const {
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < result_.cases.size(); ++i) {
      if (result_.cases[i].problem.empty()) which.push_back(i);
    }
    return which;
  }

  // Blocks until every case is decided or has `most`.
  void rounds(sampler& samples, const places& at, std::vector<std::size_t> which, int blocks, int most) {
    for (int done = 0; !which.empty() && done < most && !interrupted();) {
      const int now = std::min(blocks, most - done);
      samples.measure(which, now, shown_);
      done += now;
      take(samples, at, which);
      std::erase_if(which, [&](std::size_t i) { return result_.cases[i].judged.verdict != gate_verdict::undecided; });
      shown_.enter(stage_ + "more blocks for undecided cases");
    }
  }

  void take(const sampler& samples, const places& at, const std::vector<std::size_t>& which) {
    for (const std::size_t i : which) {
      gate_case& c = result_.cases[i];
      if (at.base >= 0) c.times.base = samples.times(static_cast<std::size_t>(at.base), i);
      c.times.candidate = samples.times(at.candidate, i);
      c.times.control = samples.times(at.control, i);
      c.times.control_of = samples.times(at.control_of, i);
      // steady_clock counts nanoseconds; reading it costs some 25, twice a batch.
      c.judged = estimate(c.times, 50e-9 / settings_.how.batch_time, settings_.rules);
    }
    std::vector<judgement> judged;
    const std::vector<std::size_t> timed = all_timed();
    judged.reserve(timed.size());
    for (const std::size_t i : timed) judged.push_back(result_.cases[i].judged);
    judge_all(judged, settings_.rules);
    for (std::size_t n = 0; n < timed.size(); ++n) result_.cases[timed[n]].judged = judged[n];
  }

  // What is about to fail a build is measured once more, twice as long, on new samples alone.
  void measure_again(sampler& samples, const places& at) {
    std::vector<std::size_t> which;
    for (const std::size_t i : all_timed()) {
      gate_case& c = result_.cases[i];
      if (c.judged.verdict != gate_verdict::regressed || interrupted()) continue;
      c.first = c.judged;
      samples.forget(i);
      which.push_back(i);
    }
    if (which.empty()) return;
    shown_.enter(stage_ + "measuring regressions again");
    rounds(samples, at, which, 2 * settings_.blocks, std::max(2 * settings_.blocks, settings_.max_blocks));
  }

  gate_result& result_;
  const gate_settings& settings_;
  progress& shown_;
  std::string stage_;  // before what the progress says
};

gate_result empty_result(const gate_settings& s) {
  gate_result r;
  r.rules = s.rules;
  r.by_time = s.by_time;
  r.by_instructions = s.by_instructions;
  r.undecided_fails = s.undecided_fails;
  r.forced = s.force;
  return r;
}

// The stored base, if it may be compared with what this machine measures.
gate_baseline fitting_baseline(const std::string& path, const json& machine, bool force, std::string& unfit) {
  gate_baseline stored = read_baseline(path);
  const std::string theirs = stored.machine.value("machine_id", ""),
                    ours = machine.is_object() ? machine.value("machine_id", "") : "";
  if (theirs != ours) {
    unfit = fmt::format("'{}' is from another machine ({}, this one is {})", path, theirs.empty() ? "unnamed" : theirs,
                        ours);
    if (!force) stored.cases.clear();
  }
  return stored;
}

gate_result against_baseline(const std::string& candidate, const std::string& baseline, const gate_settings& settings,
                             progress& shown) {
  gate_result result = empty_result(settings);
  const gate_side side = side_of(candidate);
  result.base = baseline;
  result.candidate = side.path;
  result.candidate_machine = probe(side, {}, false, settings.how).machine;
  std::string foreign;
  gate_baseline stored = fitting_baseline(baseline, result.candidate_machine, settings.force, foreign);
  result.base_machine = stored.machine;
  result.unfit = foreign;
  std::vector<std::string> lines;
  int fewest = settings.max_blocks;
  for (const gate_case& c : stored.cases) {
    lines.push_back(c.line);
    fewest = std::min(fewest, static_cast<int>(c.times.base.size()));
  }
  result.cases = std::move(stored.cases);
  if (lines.empty()) {
    result.cases.resize(1);  // nothing timed, and not "skipped": the environment is at fault
    return result;
  }
  const probed found = probe(side, lines, true, settings.how);
  gate_run run(result, settings, shown);
  run.take_probes(nullptr, found);
  if (!result.wrong.empty() || interrupted()) return result;
  gate_settings limited = settings;
  limited.max_blocks = fewest;
  limited.blocks = std::min(limited.blocks, fewest);
  const scratch_folder folder;
  sampler samples({side, copy_of(side, folder)}, lines, settings.how);
  gate_run(result, limited, shown).time(samples, {-1, 0, 1, 0});
  if (!samples.calibration()[0].empty() && !stored.calibration.empty()) {
    const double change = median(samples.calibration()[0]) / median(stored.calibration) - 1;
    // More would pass for a regression of all.
    if (result.unfit.empty() && std::fabs(change) > std::min(0.05, settings.rules.threshold))
      result.unfit = fmt::format("the machine's own speed changed by {:+.1f} % since the baseline", -100 * change);
  }
  if (result.unfit.empty()) result.unfit = foreign;
  return result;
}

}  // namespace

std::vector<std::string> gate_plan() {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& rest, std::initializer_list<const char*> ops) {
    for (const char* op : ops) lines.push_back(fmt::format("--op {} {}", op, rest));
  };
#define SIGMAX_ACTIVATION(name) lines.emplace_back("--op " #name " --dtype f32 --size 16Ki");
#include <sigmax/activations.def>
#undef SIGMAX_ACTIVATION
  add("--dtype f32 --size 16Ki", {"gelu:gradient", "silu:gradient", "gelu:fast", "silu:fast"});
  add("--dtype bf16 --size 16Ki", {"relu", "gelu", "silu"});
  add("--dtype f32 --shape 256x64", {"softmax", "log_softmax"});
  add("--dtype f32 --shape 16x1024", {"softmax", "log_softmax", "softmax+scale+mask", "cross_entropy"});
  add("--dtype f32 --shape 1x32000", {"softmax"});
  add("--dtype f32 --size 16Mi", {"relu", "gelu"});  // beyond the caches
  return lines;
}

gate_result run_gate(const std::string& base, const std::string& candidate, const std::string& baseline,
                     const std::vector<std::string>& lines, const gate_settings& settings, progress& shown) {
  if (!baseline.empty()) {
    gate_result result = against_baseline(candidate, baseline, settings, shown);
    result.complete = !interrupted();
    return result;
  }
  gate_result result = empty_result(settings);
  const scratch_folder folder;
  const gate_side first = side_of(base), copy = copy_of(first, folder);
  // Without a candidate the machine is judged: two copies of base against it.
  const gate_side second = candidate.empty() ? first : side_of(candidate);
  result.base = first.path;
  result.candidate = second.path;
  for (const std::string& line : lines) {
    result.cases.emplace_back();
    result.cases.back().line = line;
  }
  shown.working_on("checking results");
  const probed of_base = probe(first, lines, true, settings.how),
               of_candidate = probe(second, lines, true, settings.how);
  result.base_machine = of_base.machine;
  result.candidate_machine = of_candidate.machine;
  gate_run run(result, settings, shown);
  run.take_probes(&of_base, of_candidate);
  if (result.wrong.empty() && settings.by_instructions && !can_count_instructions())
    run.count_by_callgrind(first, second);
  if (result.wrong.empty() && settings.by_time && !interrupted()) {
    sampler samples({first, second, copy}, lines, settings.how);
    run.time(samples, {0, 1, 2, 0});
  }
  result.complete = !interrupted();
  return result;
}

gate_result time_sides(const std::vector<gate_side>& sides, const std::vector<std::string>& lines,
                       const gate_settings& settings, progress& shown, const std::string& stage) {
  gate_result result = empty_result(settings);
  for (const std::string& line : lines) {
    result.cases.emplace_back();
    result.cases.back().line = result.cases.back().name = line;
  }
  sampler samples(sides, lines, settings.how);
  gate_run(result, settings, shown, stage).time(samples, {0, 1, 2, 0});
  return result;
}

}  // namespace sigmax_bench
