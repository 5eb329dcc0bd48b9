// The statistics of sigmax-bench against SciPy 1.17.1. Each expected number is what the expression in its comment
// printed, with `from scipy import stats; import numpy as np` and the data of this file.
#include "statistics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace {

using namespace sigmax_bench;

const std::vector<double> a{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30, 2.01, 1.17};
const std::vector<double> b{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29, 2.4, 0.9};
const std::vector<double> skewed{0.1, 0.4, 0.2, 0.9, 5.0, 0.3, 2.2, 1.1, 0.7, 0.05, 3.3, 0.6};

std::vector<double> differences() {
  std::vector<double> d;
  for (std::size_t i = 0; i < a.size(); ++i) d.push_back(a[i] - b[i]);
  return d;
}

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

TEST(statistics, quantiles) {
  const std::vector<double> v{1, 2, 4, 8, 16};  // np.quantile(v, [0.1, 0.25, 0.5, 0.9])
  EXPECT_DOUBLE_EQ(quantile(v, 0.1), 1.4);
  EXPECT_DOUBLE_EQ(quantile(v, 0.25), 2);
  EXPECT_DOUBLE_EQ(quantile(v, 0.9), 12.8);
  EXPECT_DOUBLE_EQ(median({16, 1, 8, 2, 4}), 4);
  EXPECT_DOUBLE_EQ(median({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(median({}), 0);
}

TEST(statistics, geometric_mean) {
  EXPECT_NEAR(geometric_mean(std::vector{1.2, 0.8, 2.5, 1.0}), 1.2446659545769567, 1e-15);  // stats.gmean
  EXPECT_EQ(geometric_mean({}), 0);
}

TEST(statistics, hodges_lehmann) {  // i, j = np.triu_indices(len(x)); np.median((x[i] + x[j]) / 2)
  EXPECT_NEAR(hodges_lehmann(differences()), 0.333, 1e-12);
  EXPECT_DOUBLE_EQ(hodges_lehmann(std::vector<double>{3, 1, 4, 1, 5, 9, 2, 6}), 3.5);
  EXPECT_EQ(hodges_lehmann(std::vector{7.0}), 7);
}

TEST(statistics, normal_distribution) {
  EXPECT_NEAR(normal_cdf(-1.3), 0.09680048458561036, 1e-15);      // stats.norm.cdf(-1.3)
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);  // stats.norm.ppf(0.975)
  EXPECT_NEAR(normal_quantile(1e-6), -4.753424308822899, 1e-9);   // stats.norm.ppf(1e-6)
}

TEST(statistics, wilcoxon) {
  EXPECT_NEAR(wilcoxon_p(differences()), 0.0419921875, 1e-12);  // stats.wilcoxon(a - b, method='exact').pvalue
  // stats.wilcoxon(t, method='approx', correction=False).pvalue
  EXPECT_NEAR(wilcoxon_p(std::vector<double>{1, -2, 2, 3, -1, 4, 5, 5, 6, -2, 7, 8}), 0.020366351877059468, 1e-12);
  EXPECT_EQ(wilcoxon_p(std::vector{0.0, 0.0}), 1);
}

TEST(statistics, benjamini_hochberg) {  // stats.false_discovery_control([0.01, 0.04, 0.03, 0.005, 0.2, 0.8])
  const std::vector<double> q = benjamini_hochberg(std::vector{0.01, 0.04, 0.03, 0.005, 0.2, 0.8});
  const std::array expected{0.03, 0.06, 0.06, 0.03, 0.24, 0.8};
  for (std::size_t i = 0; i < q.size(); ++i) EXPECT_NEAR(q[i], expected[i], 1e-15) << i;
}

TEST(statistics, clopper_pearson) {  // stats.binomtest(k, n).proportion_ci(method='exact')
  EXPECT_NEAR(clopper_pearson_interval(0, 400).low, 0.0, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(0, 400).high, 0.009179804583673406, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(1, 400).low, 6.32925169048988e-05, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(1, 400).high, 0.013849769962076439, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(3, 200).low, 0.003104107621555085, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(3, 200).high, 0.043208281917709784, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(95, 100).low, 0.887165088894537, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(95, 100).high, 0.9835681208182717, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(100, 100).low, 0.9637833073548094, 1e-12);
  EXPECT_NEAR(clopper_pearson_interval(100, 100).high, 1.0, 1e-12);
}

// stats.bootstrap((x,), np.mean, method='BCa', n_resamples=400000, random_state=1).confidence_interval; the tolerance
// is that of drawing at random.
TEST(statistics, bca) {
  const interval d = bca_interval(differences(), mean, 100000, 1);
  EXPECT_NEAR(d.low, 0.08345, 0.005);
  EXPECT_NEAR(d.high, 0.59600, 0.005);
  const interval s = bca_interval(skewed, mean, 100000, 1);
  EXPECT_NEAR(s.low, 0.62083, 0.02);
  EXPECT_NEAR(s.high, 2.41250, 0.03);
  const interval h = bca_interval(differences(), hodges_lehmann, 30000, 1);  // n_resamples=60000, vectorized=False
  EXPECT_NEAR(h.low, 0.0200, 0.01);
  EXPECT_NEAR(h.high, 0.6080, 0.01);
}

TEST(statistics, bca_is_the_same_every_time) {
  const interval once = bca_interval(skewed, mean, 1000, 7), again = bca_interval(skewed, mean, 1000, 7);
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
}

TEST(statistics, bca_covers) {  // the mean of 20 normal numbers, 400 times: 95 % give or take 3.3 %
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal(1, 2);
  int covered = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<double> x(20);
    for (double& v : x) v = normal(random);
    const interval found = bca_interval(x, mean, 500, static_cast<std::uint64_t>(i));
    covered += found.low <= 1 && 1 <= found.high;
  }
  EXPECT_GE(covered, 360);
  EXPECT_LE(covered, 395);
}

// stats.bootstrap((slow, fast), lambda x, y, axis=-1: np.median(x, axis=axis) / np.median(y, axis=axis),
// method='percentile', n_resamples=50000, random_state=1).confidence_interval
TEST(statistics, ratio_interval) {
  std::vector<double> slow, fast;
  for (int i = 0; i < 9; ++i) slow.push_back(200 + i), fast.push_back(100 + i);
  const interval r = ratio_interval(slow, fast, 20000, 1);
  EXPECT_NEAR(r.low, 1.90566, 0.01);
  EXPECT_NEAR(r.high, 2.01961, 0.01);
}

}  // namespace
