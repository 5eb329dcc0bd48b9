// The denominator of a softmax row while it is summed up. The order of the additions is fixed by the row length alone,
// so that the result has the same bits for every vector width, thread count, batch and position. A row is cut into
// chunks, and these into parts of 16384; element i of a part goes to virtual lane i % 32, a lane adds its values in
// order, and at the end lane l meets l + 16, l + 8, ... l + 1. Under accuracy::fast elements i and i + 32 of a turn of
// 64 are added first. What each addition to a lane loses to rounding is kept in the lane's low part, so the sum is good
// to about 2^-46, unless thousands of equal numbers round alike (sigmax.hpp, r(n)): next to a dominating maximum
// log_softmax needs that. Of rows up to one turn each value is a lane of its own (under accuracy::fast each sum of
// two), and they meet in double. The sums of a chunk's parts, and then those of the chunks, are added in double, in
// order.
#pragma once

#include <cstdint>

#include "value.hpp"

namespace sigmax {

inline constexpr int softmax_lanes = 32;
inline constexpr int softmax_turn = 2 * softmax_lanes;
/// Chunks are summed a piece at a time; any multiple of softmax_turn gives the same bits.
inline constexpr int softmax_block = 8 * softmax_turn;

/// What numerators are multiplied by, and totals are without: so scaled all that does not round to 0 is normal
/// (math::exp_below), and a scale is saved that would keep exponents in range.
inline constexpr float numerator_up = 0x1p25f, numerator_down = 0x1p-25f;

struct alignas(64) softmax_sum {
  float high[softmax_lanes];
  float low[softmax_lanes];
  float start = 0;     ///< where its lanes began: it is taken off again, exactly
  bool begun = false;  ///< else the first numerators begin it

  void begin(float at) noexcept {
    for (int l = 0; l < softmax_lanes; ++l) high[l] = at, low[l] = 0;
    start = at, begun = true;
  }
};

namespace {

/// Where a lane of numerators starts, the largest being `most`: at the power of two above it, so that the lane is the
/// larger operand of every addition, whose error takes three operations then (Dekker's Fast2Sum) instead of six. If
/// most is odd, one of its units below that: so the sum with it is even, and exact. Next to a dominating maximum its
/// lane's low part then has the other numerators alone, down to the smallest.
template <class V>
SIGMAX_FN V start_above(V most) {
  auto bits = bits_of(most);
  using word = decltype(bits);
  return from_bits(((bits + word(0x00800000u)) & word(0xff800000u)) - (bits & word(1u)));
}

/// log(s) for s in [2^-149, 2^128], from exact IEEE operations only; error below 2^-50. -inf for 0, NaN stays.
SIGMAX_FN double log_of(double s) {
  const auto bits = __builtin_bit_cast(std::uint64_t, s);
  // s = m 2^k, m in (sqrt(1/2), sqrt(2)]. The CPU asks integers and selects by masks, for choices between doubles g++
  // 12 would not vectorise for AVX2; on a GPU these take fewer registers.
  constexpr std::uint64_t exponent_bits = 0xfff0000000000000, one = 0x3ff0000000000000;
  constexpr double to_integer = 0x1p52 + 1023;  // 0x433 followed by an exponent and its bias
#if defined(__CUDACC__)
  const auto above = __builtin_bit_cast(double, (bits & ~exponent_bits) | one);
  const double power = __builtin_bit_cast(double, (bits >> 52) | 0x4330000000000000u) - to_integer;
  const bool large = above > 1.4142135623730951;
  const double m = large ? 0.5 * above : above, k = large ? power + 1.0 : power;
#else
  const std::uint64_t carried = bits + 0x00095f619980c432;  // mantissas above that of sqrt(2) raise the exponent
  const auto m = __builtin_bit_cast(double, bits - (carried & exponent_bits) + one);
  const double k = __builtin_bit_cast(double, (carried >> 52) | 0x4330000000000000u) - to_integer;
#endif
  // log(m) = 2 atanh(f), f = (m - 1) / (m + 1), |f| < 0.172: eleven terms of the series.
  const double f = (m - 1.0) / (m + 1.0), q = f * f;
  constexpr double odd[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                            1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
  double series = 0;
#if !defined(__CUDACC__)
#pragma GCC unroll 16
#endif
  for (double c : odd) series = (series + c) * q;
  constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
  const double log = k * ln2_high + (2.0 * f + (2.0 * f * series + k * ln2_low));
  // NaN: the row was poisoned.
#if defined(__CUDACC__)
  const double edge = s == 0 ? -__builtin_inf() : s;
  return s > 0 && s <= 0x1.fffffep127 ? log : edge;
#else
  constexpr std::uint64_t last = 0x47efffffe0000000;  // 0x1.fffffep127
  const std::uint64_t edge = bits == 0 ? exponent_bits : bits, inside = -static_cast<std::uint64_t>(bits - 1 < last);
  return __builtin_bit_cast(double, (__builtin_bit_cast(std::uint64_t, log) & inside) | (edge & ~inside));
#endif
}

/// A double as the sum of two floats; not a number unless it is finite.
struct factors {
  float high, low;
};
SIGMAX_FN factors two_parts(double v) {
  const auto high = static_cast<float>(v);
  return {high, static_cast<float>(v - static_cast<double>(high))};
}

}  // namespace

/// How many columns of a row make a chunk. The threads that share a row each take whole ones.
inline constexpr int most_chunks = 64;
inline constexpr std::int64_t smallest_chunk = 16384;
constexpr std::int64_t softmax_chunk(std::int64_t columns) noexcept {
  constexpr std::int64_t most = most_chunks * smallest_chunk;
  return columns <= most ? smallest_chunk : (columns / most + (columns % most != 0)) * smallest_chunk;
}

}  // namespace sigmax
