// When `gate` says what, from made-up times whose truth is known.
#include "exit_code.hpp"
#include "gate_result.hpp"
#include "self_test.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace {

using namespace sigmax_bench;

// `change` as a share, `noise` the standard deviation of one sample's logarithm.
paired_times made(double change, double noise, std::uint64_t seed, std::size_t blocks = 15) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, noise);
  paired_times t;
  for (std::size_t i = 0; i < blocks; ++i) {
    t.base.push_back(1000 * std::exp(normal(random)));
    t.candidate.push_back(1000 * (1 + change) * std::exp(normal(random)));
    t.control.push_back(1000 * std::exp(normal(random)));
  }
  t.control_of = t.base;
  return t;
}

judgement judged(const paired_times& t, double quantum = 0) {
  const gate_rules rules{.resamples = 500};
  judgement j = estimate(t, quantum, rules);
  judge_all({&j, 1}, rules);
  return j;
}

int count(gate_verdict wanted, double change, double noise, int runs = 100) {
  int found = 0;
  for (int i = 0; i < runs; ++i)
    found += judged(made(change, noise, static_cast<std::uint64_t>(i) + 1)).verdict == wanted;
  return found;
}

TEST(verdict, steady_machine) {
  EXPECT_EQ(count(gate_verdict::regressed, 0, 0.003), 0);
  EXPECT_GE(count(gate_verdict::same, 0, 0.003), 99);
  EXPECT_GE(count(gate_verdict::regressed, 0.05, 0.003), 99);
  EXPECT_GE(count(gate_verdict::improved, -0.05, 0.003), 99);
}

TEST(verdict, noisy_machine_makes_no_false_alarms) {
  EXPECT_LE(count(gate_verdict::regressed, 0, 0.05), 1);
  EXPECT_LE(count(gate_verdict::improved, 0, 0.05), 1);
  EXPECT_GE(count(gate_verdict::undecided, 0, 0.2), 97);
}

TEST(verdict, below_the_threshold_is_no_regression) { EXPECT_EQ(count(gate_verdict::regressed, 0.02, 0.003), 0); }

TEST(verdict, floor_follows_the_control) {
  paired_times t = made(0.05, 0.002, 3);
  for (double& c : t.control) c *= 1.10;  // a copy of base looks 10 % slower: this machine makes things up
  const judgement j = judged(t);
  EXPECT_GT(std::expm1(j.floor), 0.09);
  EXPECT_EQ(j.verdict, gate_verdict::undecided);
}

TEST(verdict, floor_follows_the_clock) { EXPECT_NEAR(judged(made(0, 0.001, 3), 0.04).floor, 0.08, 1e-12); }

TEST(verdict, few_samples_decide_nothing) { EXPECT_EQ(judged(made(1, 0.001, 3, 4)).verdict, gate_verdict::undecided); }

TEST(verdict, environment) {
  machine_state state;
  state.calibration = {std::vector<double>(30, 100.0)};
  EXPECT_EQ(unfit_because(state), "");
  machine_state stolen = state;
  stolen.steal = 0.02;
  EXPECT_NE(unfit_because(stolen).find("hypervisor"), std::string::npos);
  machine_state drifting = state;
  for (std::size_t i = 0; i < 30; ++i) drifting.calibration[0][i] += static_cast<double>(i) * 0.4;
  EXPECT_NE(unfit_because(drifting).find("drifted"), std::string::npos);
  machine_state jumpy = state;
  for (std::size_t i = 0; i < 30; i += 3) jumpy.calibration[0][i] = 150;
  EXPECT_NE(unfit_because(jumpy).find("33 %"), std::string::npos);
}

gate_result result_with(gate_verdict v) {
  gate_result r;
  r.cases.emplace_back();
  r.cases[0].line = "--op relu --size 4Ki";
  r.cases[0].name = "relu/f32/4Ki/avx2/1t";
  r.cases[0].times = made(0, 0.001, 1, 5);
  r.cases[0].judged.verdict = v;
  return r;
}

TEST(verdict, exit_codes) {
  EXPECT_EQ(result_with(gate_verdict::same).exit_code(), exit_ok);
  EXPECT_EQ(result_with(gate_verdict::improved).exit_code(), exit_ok);
  EXPECT_EQ(result_with(gate_verdict::regressed).exit_code(), exit_regression);
  EXPECT_EQ(result_with(gate_verdict::undecided).exit_code(), exit_undecided);
  gate_result r = result_with(gate_verdict::undecided);
  r.undecided_fails = false;
  EXPECT_EQ(r.exit_code(), exit_ok);
  r = result_with(gate_verdict::regressed);
  r.unfit = "busy";
  EXPECT_EQ(r.exit_code(), exit_unfit);
  r.forced = true;
  EXPECT_EQ(r.exit_code(), exit_regression);
  r.wrong = "candidate: relu";
  EXPECT_EQ(r.exit_code(), exit_wrong_result);
  r = result_with(gate_verdict::same);
  r.cases[0].problem = "base: unknown op";
  EXPECT_EQ(r.exit_code(), exit_skipped);
  r = result_with(gate_verdict::same);
  r.by_instructions = true;
  r.cases[0].base_instructions = 1000;
  r.cases[0].candidate_instructions = 1006;
  EXPECT_EQ(r.exit_code(), exit_regression);
}

TEST(verdict, written_and_read_back) {
  gate_result r = result_with(gate_verdict::regressed);
  EXPECT_THROW(static_cast<void>(parse_baseline(gate_json(r).dump(), "x.json")), usage_error);  // of no machine
  r.base_machine["machine_id"] = "m";
  const gate_baseline back = parse_baseline(gate_json(r).dump(), "x.json");
  ASSERT_EQ(back.cases.size(), 1u);
  EXPECT_EQ(back.cases[0].line, r.cases[0].line);
  EXPECT_EQ(back.cases[0].times.base, r.cases[0].times.base);
  EXPECT_THROW(static_cast<void>(parse_baseline("{}", "x.json")), usage_error);
}

TEST(verdict, junit) {
  const std::string xml = gate_junit(result_with(gate_verdict::regressed));
  EXPECT_NE(xml.find("tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("<failure message=\"REGRESSED: time"), std::string::npos) << xml;
  EXPECT_NE(xml.find("sigmax-bench run --op relu --size 4Ki"), std::string::npos) << xml;
}

TEST(verdict, markdown_puts_regressions_first) {
  gate_result r = result_with(gate_verdict::same);
  r.cases.push_back(result_with(gate_verdict::regressed).cases[0]);
  r.cases[1].name = "gelu/f32/4Ki/avx2/1t";
  const std::string text = gate_markdown(r);
  EXPECT_LT(text.find("gelu/f32"), text.find("relu/f32"));
  EXPECT_EQ(text.find("**REGRESSED: 1 regressed, 0 improved, 1 same, 0 undecided, 0 left out**"), 0u) << text;
}

// `gates` of four verdicts each, the first `wrong` of which are REGRESSED and the rest SAME.
self_test_record record_with(int gates, int wrong, double injected = 0) {
  self_test_record r;
  r.complete = true;
  r.settings = {{"seed", 1}};
  r.machine = {{"cpu", "A"}, {"machine_id", "m"}};
  for (int i = 0; i < gates; ++i) {
    r.trials.push_back({injected, "", {}});
    for (int k = 0; k < 4; ++k, --wrong) {
      judgement j = judged(made(0, 0.001, 1));
      j.verdict = wrong > 0 ? gate_verdict::regressed : gate_verdict::same;
      r.trials.back().verdicts.push_back({fmt::format("--op relu --size {}Ki", k + 1), j});
    }
  }
  return r;
}

TEST(self_test, rates) {
  self_test_record r = record_with(100, 4);
  const self_test_record slow = record_with(25, 95, 0.05);
  r.trials.insert(r.trials.end(), slow.trials.begin(), slow.trials.end());
  EXPECT_EQ(r.false_alarms().hits, 4);
  EXPECT_EQ(r.false_alarms().verdicts, 400);
  EXPECT_EQ(r.found().hits, 95);
  EXPECT_EQ(r.found().verdicts, 100);
  EXPECT_EQ(r.exit_code(), exit_ok);
  const std::string text = self_test_markdown(r);
  EXPECT_NE(text.find("95 of 100 verdicts (95.0 %; exact binomial 95 % interval 88.72 to 98.36 %)"), text.npos) << text;
  r.complete = false;
  EXPECT_EQ(r.exit_code(), exit_interrupted);
  EXPECT_EQ(record_with(99, 5).exit_code(), exit_regression);
}

TEST(self_test, unfit_gates_give_no_verdicts) {
  self_test_record r = record_with(2, 4);
  r.trials[0].unfit = "busy";
  EXPECT_EQ(r.false_alarms().verdicts, 4);
  EXPECT_EQ(r.false_alarms().hits, 0);
  EXPECT_EQ(r.unfit_trials(), 1);
  r.trials[1].unfit = "busy";
  EXPECT_EQ(r.exit_code(), exit_unfit);
  r.forced = true;
  EXPECT_EQ(r.false_alarms().hits, 4);
}

TEST(self_test, written_and_read_back) {
  const self_test_record r = record_with(2, 1);
  const std::string text = self_test_json(r).dump();
  self_test_record back = parse_self_test(text, "x.json");
  back.complete = true;
  EXPECT_EQ(self_test_markdown(back), self_test_markdown(r));
  EXPECT_NEAR(back.trials[1].verdicts[3].judged.range.low, r.trials[1].verdicts[3].judged.range.low, 1e-12);
  for (std::size_t n = 0; n < text.size(); n += 7)
    EXPECT_THROW(static_cast<void>(parse_self_test(text.substr(0, n), "x.json")), usage_error) << n;
}

}  // namespace
