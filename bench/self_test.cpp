#include "self_test.hpp"

#include "exit_code.hpp"
#include "gate_result.hpp"
#include "json_problem.hpp"
#include "table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

constexpr double most_false_alarms = 0.01, least_found = 0.95;

std::string rate_text(const char* what, const self_test_record::rate& r) {
  const interval i = clopper_pearson_interval(r.hits, r.verdicts);
  return fmt::format("- {}: {} of {} verdicts ({:.1f} %; exact binomial 95 % interval {:.2f} to {:.2f} %)\n", what,
                     r.hits, r.verdicts, 100 * r.share(), 100 * i.low, 100 * i.high);
}

// One case with or without more work, over all trials that count.
struct tally {
  std::string line;
  double injected = 0;
  int same = 0, regressed = 0, improved = 0, undecided = 0;
  std::vector<double> changes = {}, floors = {};

  void add(const judgement& j) {
    int& count = j.verdict == gate_verdict::same        ? same
                 : j.verdict == gate_verdict::regressed ? regressed
                 : j.verdict == gate_verdict::improved  ? improved
                                                        : undecided;
    ++count;
    changes.push_back(j.change);
    floors.push_back(j.floor);
  }
};

std::vector<tally> tallies(const self_test_record& r) {
  std::vector<tally> all;
  for (const self_test_trial& t : r.trials) {
    if (!t.unfit.empty() && !r.forced) continue;
    for (const self_test_verdict& v : t.verdicts) {
      auto found = std::find_if(all.begin(), all.end(),
                                [&](const tally& a) { return a.line == v.line && a.injected == t.injected; });
      if (found == all.end()) found = all.insert(all.end(), {v.line, t.injected});
      found->add(v.judged);
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const tally& a, const tally& b) { return a.injected < b.injected; });
  return all;
}

gate_verdict verdict_named(const std::string& name) {
  for (const auto v : {gate_verdict::same, gate_verdict::improved, gate_verdict::regressed, gate_verdict::undecided}) {
    if (name_of(v) == name) return v;
  }
  throw usage_error(fmt::format("'{}' is no verdict", name));
}

judgement judgement_of(const json& j) {
  judgement back;
  back.verdict = verdict_named(j.at("verdict").get<std::string>());
  const auto logarithm = [](const json& share) {
    const double value = std::log1p(share.get<double>());
    if (!std::isfinite(value)) throw usage_error("a time would be none, or less");  // NaN cannot be sorted
    return value;
  };
  const auto ends = [&](const char* key) { return interval{logarithm(j.at(key).at(0)), logarithm(j.at(key).at(1))}; };
  back.change = logarithm(j.at("change"));
  back.range = ends("interval");
  back.control = ends("control");
  back.floor = logarithm(j.at("floor"));
  back.p = j.at("p").get<double>();
  back.q = j.at("q").get<double>();
  return back;
}

}  // namespace

self_test_record::rate self_test_record::false_alarms() const {
  rate r;
  for (const tally& t : tallies(*this)) {
    if (t.injected > 0) continue;
    r.hits += t.regressed + t.improved;
    r.verdicts += static_cast<int>(t.changes.size());
  }
  return r;
}

self_test_record::rate self_test_record::found() const {
  rate r;
  for (const tally& t : tallies(*this)) {
    if (t.injected == 0) continue;
    r.hits += t.regressed;
    r.verdicts += static_cast<int>(t.changes.size());
  }
  return r;
}

int self_test_record::unfit_trials() const {
  return static_cast<int>(
      std::count_if(trials.begin(), trials.end(), [](const self_test_trial& t) { return !t.unfit.empty(); }));
}

int self_test_record::exit_code() const {
  if (!complete) return exit_interrupted;
  if (2 * unfit_trials() > static_cast<int>(trials.size()) && !forced) return exit_unfit;
  return false_alarms().share() <= most_false_alarms && found().share() >= least_found ? exit_ok : exit_regression;
}

std::string self_test_markdown(const self_test_record& r) {
  const int code = r.exit_code();
  std::string text = fmt::format("**Self-test of the gate: {}**\n\n",
                                 code == exit_ok            ? "good, at most 1 % false alarms and at least 95 % found"
                                 : code == exit_interrupted ? "cut off, what was measured follows"
                                 : code == exit_unfit       ? "the machine was mostly unfit"
                                                            : "not good: over 1 % false alarms, or under 95 % found");
  text += rate_text("false alarms, a build against itself", r.false_alarms());
  text += rate_text("slowdowns found", r.found());
  text += fmt::format("- gates that the machine was too unsteady for: {} of {}{}\n", r.unfit_trials(), r.trials.size(),
                      r.forced ? ", counted all the same" : "");
  table t{{{"case"},
           {"work done twice", true},
           {"measured", true},
           {"floor, ±%", true},
           {"SAME", true},
           {"UNDECIDED", true},
           {"REGRESSED", true},
           {"IMPROVED", true}},
          {}};
  for (const tally& a : tallies(r)) {
    t.rows.push_back({a.line, fmt::format("{:g}%", 100 * a.injected),
                      fmt::format("{:+.1f}%", 100 * std::expm1(median(a.changes))),
                      fmt::format("{:.1f}", 100 * std::expm1(median(a.floors))), fmt::format("{}", a.same),
                      fmt::format("{}", a.undecided), fmt::format("{}", a.regressed), fmt::format("{}", a.improved)});
  }
  text += "\n" + t.markdown();
  text += fmt::format(
      "\nMeasured and floor: medians over the gates. The interval takes verdicts for independent; those of one gate "
      "share their minute.\n\n- machine: {}, {} cores; commit {}, {}, {}\n- settings: `{}`\n",
      r.machine.value("cpu", "unknown"), r.machine.value("cores", 0), r.machine.value("commit", "unknown"),
      r.machine.value("compiler", "unknown"), r.machine.value("flags", ""), r.settings.dump());
  return text;
}

json self_test_json(const self_test_record& r) {
  const auto rate = [](const self_test_record::rate& of) {
    const interval i = clopper_pearson_interval(of.hits, of.verdicts);
    return json{{"hits", of.hits}, {"verdicts", of.verdicts}, {"share", of.share()}, {"interval", {i.low, i.high}}};
  };
  json trials = json::array();
  for (const self_test_trial& t : r.trials) {
    json verdicts = json::array();
    for (const self_test_verdict& v : t.verdicts) {
      json one{{"line", v.line}};
      one.update(judgement_json(v.judged));
      verdicts.push_back(std::move(one));
    }
    trials.push_back({{"injected", t.injected}, {"unfit", t.unfit}, {"verdicts", std::move(verdicts)}});
  }
  return {{"sigmax_schema_version", 1},
          {"kind", "gate self-test"},
          {"complete", r.complete},
          {"forced", r.forced},
          {"false_alarms", rate(r.false_alarms())},
          {"found", rate(r.found())},
          {"unfit_trials", r.unfit_trials()},
          {"settings", r.settings},
          {"machine", r.machine},
          {"trials", std::move(trials)}};
}

self_test_record parse_self_test(std::string_view content, const std::string& path) {
  self_test_record r;
  try {
    const json all = json::parse(content);
    if (all.at("kind") != "gate self-test") throw usage_error("its kind is another");
    r.settings = all.at("settings");
    r.machine = all.at("machine");
    for (const json& t : all.at("trials")) {
      self_test_trial trial{t.at("injected").get<double>(), t.at("unfit").get<std::string>(), {}};
      for (const json& v : t.at("verdicts"))
        trial.verdicts.push_back({v.at("line").get<std::string>(), judgement_of(v)});
      r.trials.push_back(std::move(trial));
    }
    static_cast<void>(self_test_markdown(r));  // says what settings and machine must hold
  } catch (const std::exception& error) {
    throw usage_error(fmt::format("'{}' is not a result of 'gate --self-test': {}", path, json_problem(error)));
  }
  return r;
}

}  // namespace sigmax_bench
