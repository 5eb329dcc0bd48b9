#include "statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace sigmax_bench {
namespace {

constexpr double tail = 0.025;  // of a 95 % interval, each side
const double z_tail = normal_quantile(1 - tail);

void resample(std::span<const double> from, std::vector<double>& into, std::mt19937_64& random) {
  into.resize(from.size());
  for (double& v : into) v = from[random() % from.size()];
}

double clamped(double probability) { return std::clamp(probability, 0.0, 1.0); }

struct ranked {
  std::vector<double> ranks;
  double tie_term = 0;  // sum of t^3 - t over groups of t equal values
};
ranked ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  ranked result{std::vector<double>(values.size())};
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + 1 + end) / 2, ties = static_cast<double>(end - begin);
    for (std::size_t i = begin; i < end; ++i) result.ranks[order[i]] = rank;
    result.tie_term += ties * ties * ties - ties;
    begin = end;
  }
  return result;
}

// Share of the 2^n sign patterns whose positive ranks sum to at most `sum`.
double signed_rank_cdf(std::size_t n, double sum) {
  std::vector<double> ways{1};
  for (std::size_t rank = 1; rank <= n; ++rank) {
    std::vector<double> next(ways.size() + rank);
    for (std::size_t s = 0; s < ways.size(); ++s) {
      next[s] += ways[s] / 2;
      next[s + rank] += ways[s] / 2;
    }
    ways = std::move(next);
  }
  const std::size_t last = std::min(ways.size(), static_cast<std::size_t>(sum) + 1);
  return std::accumulate(ways.begin(), ways.begin() + static_cast<std::ptrdiff_t>(last), 0.0);
}

// P(X >= least) for X of n trials at that rate.
double at_least(int least, int n, double rate) {
  double sum = 0;
  for (int k = least; k <= n; ++k) {
    sum += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) + k * std::log(rate) +
                    (n - k) * std::log1p(-rate));
  }
  return sum;
}

}  // namespace

double quantile(std::span<const double> sorted, double share) {
  if (sorted.empty()) return 0;
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

double geometric_mean(std::span<const double> values) {
  if (values.empty()) return 0;
  double sum = 0;
  for (const double v : values) sum += std::log(v);
  return std::exp(sum / static_cast<double>(values.size()));
}

double hodges_lehmann(std::span<const double> values) {
  std::vector<double> means;
  means.reserve(values.size() * (values.size() + 1) / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = i; j < values.size(); ++j) means.push_back((values[i] + values[j]) / 2);
  }
  if (means.empty()) return 0;
  const auto middle = means.begin() + static_cast<std::ptrdiff_t>(means.size() / 2);
  std::nth_element(means.begin(), middle, means.end());
  if (means.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(means.begin(), middle)) / 2;
}

double normal_cdf(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

double normal_quantile(double probability) {
  if (probability <= 0) return -HUGE_VAL;
  if (probability >= 1) return HUGE_VAL;
  double low = -40, high = 40;  // bisection to the last bit: called a few times only
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (normal_cdf(middle) < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

interval bca_interval(std::span<const double> values, const statistic& of, int resamples, std::uint64_t seed) {
  const double estimate = of(values);
  if (values.size() < 2) return {estimate, estimate};
  std::mt19937_64 random(seed);
  std::vector<double> drawn, replicates;
  for (int i = 0; i < resamples; ++i) {
    resample(values, drawn, random);
    replicates.push_back(of(drawn));
  }
  std::sort(replicates.begin(), replicates.end());
  // z0: how far the estimate is from the middle of its replicates; ties count half.
  const auto [first, last] = std::equal_range(replicates.begin(), replicates.end(), estimate);
  const double below = static_cast<double>(first - replicates.begin()) + static_cast<double>(last - first) / 2;
  const double z0 = normal_quantile(below / static_cast<double>(resamples));
  if (std::isinf(z0)) return {replicates.front(), replicates.back()};

  std::vector<double> jackknife;
  for (std::size_t left_out = 0; left_out < values.size(); ++left_out) {
    drawn.assign(values.begin(), values.end());
    drawn.erase(drawn.begin() + static_cast<std::ptrdiff_t>(left_out));
    jackknife.push_back(of(drawn));
  }
  const double mean = std::accumulate(jackknife.begin(), jackknife.end(), 0.0) / static_cast<double>(jackknife.size());
  double squares = 0, cubes = 0;
  for (const double j : jackknife) squares += (mean - j) * (mean - j), cubes += (mean - j) * (mean - j) * (mean - j);
  const double acceleration = squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
  const auto end = [&](double z) {
    return quantile(replicates, clamped(normal_cdf(z0 + (z0 + z) / (1 - acceleration * (z0 + z)))));
  };
  return {end(-z_tail), end(z_tail)};
}

interval ratio_interval(std::span<const double> a, std::span<const double> b, int resamples, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> from_a, from_b, replicates;
  for (int i = 0; i < resamples; ++i) {
    resample(a, from_a, random);
    resample(b, from_b, random);
    replicates.push_back(median(from_a) / median(from_b));
  }
  std::sort(replicates.begin(), replicates.end());
  return {quantile(replicates, tail), quantile(replicates, 1 - tail)};
}

double wilcoxon_p(std::span<const double> values) {
  std::vector<double> sizes;
  std::vector<bool> positive;
  for (const double v : values) {
    if (v == 0) continue;
    sizes.push_back(std::fabs(v));
    positive.push_back(v > 0);
  }
  if (sizes.empty()) return 1;
  const ranked by_size = ranks_of(sizes);
  double plus = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) plus += positive[i] ? by_size.ranks[i] : 0;
  const double n = static_cast<double>(sizes.size()), smaller = std::min(plus, n * (n + 1) / 2 - plus);
  if (values.size() <= 50 && by_size.tie_term == 0 && sizes.size() == values.size())
    return clamped(2 * signed_rank_cdf(sizes.size(), smaller));
  const double variance = n * (n + 1) * (2 * n + 1) / 24 - by_size.tie_term / 48;
  return clamped(2 * normal_cdf((smaller - n * (n + 1) / 4) / std::sqrt(variance)));
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> q(p.size());
  double smallest = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    smallest = std::min(smallest, p[order[i]] * static_cast<double>(p.size()) / static_cast<double>(i + 1));
    q[order[i]] = smallest;
  }
  return q;
}

interval clopper_pearson_interval(int hits, int trials) {
  if (trials == 0) return {0, 1};
  // The rate at which `least` hits or more have the probability wanted, by bisection: it rises with the rate.
  const auto rate_of = [&](int least, double wanted) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; ++i) {
      const double middle = (low + high) / 2;
      (at_least(least, trials, middle) < wanted ? low : high) = middle;
    }
    return (low + high) / 2;
  };
  return {hits == 0 ? 0 : rate_of(hits, tail), hits == trials ? 1 : rate_of(hits + 1, 1 - tail)};
}

}  // namespace sigmax_bench
