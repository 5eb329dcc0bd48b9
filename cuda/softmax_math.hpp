// What becomes of the total of a row.
#pragma once

#include "../kernels/math.hpp"
#include "../kernels/softmax_state.hpp"
#include "exact_sum.hpp"

namespace sigmax {
namespace {

inline constexpr int numerator_power = 26;  // numerators are at most 2^25.5 (math::exp_below)
using numerator_sum = exact_sum<numerator_power>;
/// A carried total, as a sum without their 2^25.
SIGMAX_FN double as_sum(const exact_total& total) { return as_double(total) * 0x1p-44; }

/// x (high + low): the rounding of a factor does not count.
SIGMAX_FN float scaled(float x, const factors& f) { return fma(x, f.high, x * f.low); }

/// 1 / (high + low) of a total, times a power of two, as a factor for numerators. In floats: many GPUs have few units
/// for doubles.
SIGMAX_FN factors reciprocal_of(float high, float low, float unit) {
  const float y = divide(1.0f, high);
  return {y * unit, y * (fma(negate(y), high, 1.0f) - y * low) * unit};
}
SIGMAX_FN factors reciprocal_of(const exact_total& total) {
  const float_total t = as_floats(total);
  return reciprocal_of(t.high, t.low, t.shift != 0 ? 0x1p19f : 0.5f);
}

/// A carried total of numbers that were added in two pieces, fewer than most_units, in units of the second one's.
SIGMAX_FN std::uint64_t units_of(const exact_total& t) {
  return static_cast<std::uint64_t>((t.top << 39) | (t.high >> 1));
}
/// 1 / total of precise numerators in such units, as a factor. In one way in every tier, for the same bits.
SIGMAX_FN factors reciprocal_of_units(std::uint64_t units) {
  const auto high = static_cast<float>(units);
  const auto low = static_cast<float>(static_cast<std::int64_t>(units - static_cast<std::uint64_t>(high)));
  return reciprocal_of(high, low, numerator_sum::units);
}
/// 2^power / total for numerators of at most 2^power, added in two pieces; a carried total, or one of fewer than
/// most_units values in units of 2^(power - 44). In one way, for the same bits.
template <int power>
SIGMAX_FN float reciprocal_of_two(std::uint64_t units, bool large = false) {
  constexpr float unit = exact_sum<power>::units;
  return divide(1.0f, static_cast<float>(units)) * (large ? unit * 0x1p-20f : unit);
}
template <int power>
SIGMAX_FN float reciprocal_of_two(const exact_total& t) {
  const bool large = t.top >= std::int64_t{1} << 25;
  const std::uint64_t units = large ? static_cast<std::uint64_t>((t.top << 19) | (t.high >> 21)) : units_of(t);
  return reciprocal_of_two<power>(units, large);
}

}  // namespace
}  // namespace sigmax
