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

/// 1 / total, as a factor for numerators. In floats: many GPUs have few units for doubles.
SIGMAX_FN factors reciprocal_of(const exact_total& total) {
  const float_total t = as_floats(total);
  const float y = divide(1.0f, t.high), unit = t.shift != 0 ? 0x1p19f : 0.5f;
  return {y * unit, y * (fma(negate(y), t.high, 1.0f) - y * t.low) * unit};
}

/// The carried total of fewer than most_units values that were added in two pieces.
SIGMAX_FN exact_total total_of_units(std::uint64_t units) {
  constexpr std::uint64_t mask = (std::uint64_t{1} << 39) - 1;
  return {static_cast<std::int64_t>(units >> 39), static_cast<std::int64_t>((units & mask) << 1), 0};
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
  const std::int64_t units = large ? (t.top << 19) | (t.high >> 21) : (t.top << 39) | (t.high >> 1);
  return reciprocal_of_two<power>(static_cast<std::uint64_t>(units), large);
}

}  // namespace
}  // namespace sigmax
