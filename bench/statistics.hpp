// The statistics of `compare` and `gate`. Random numbers come from fixed seeds: the same samples give the same verdict.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sigmax_bench {

struct interval {
  double low = 0, high = 0;
  double half_width() const { return (high - low) / 2; }
};

double median(std::vector<double> values);                      // 0 of none
double quantile(std::span<const double> sorted, double share);  // linear between neighbours, as numpy's default
double geometric_mean(std::span<const double> values);          // of positive numbers; 0 of none

/// The median of all pairwise means, each value with itself included: as robust as a median, nearly as sharp as a mean.
double hodges_lehmann(std::span<const double> values);

double normal_cdf(double z);
double normal_quantile(double probability);

using statistic = std::function<double(std::span<const double>)>;

/// Bias-corrected and accelerated bootstrap (Efron 1987) of `of` at 95 %.
interval bca_interval(std::span<const double> values, const statistic& of, int resamples, std::uint64_t seed);

/// Percentile bootstrap of median(a) / median(b) at 95 %, the two drawn independently.
interval ratio_interval(std::span<const double> a, std::span<const double> b, int resamples, std::uint64_t seed);

/// Two-sided p of "the values are symmetric about zero": exact up to 50 values without ties and zeros, else the normal
/// approximation with ties (zeros are left out).
double wilcoxon_p(std::span<const double> values);

/// p-values to q-values: the share of false discoveries among those at most that small.
std::vector<double> benjamini_hochberg(std::span<const double> p);

/// 95 % interval of a rate after `hits` of `trials`, exact (Clopper and Pearson 1934): never covers less often.
interval clopper_pearson_interval(int hits, int trials);

}  // namespace sigmax_bench
