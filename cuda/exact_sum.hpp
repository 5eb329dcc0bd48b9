// Sums that do not depend on the order of their additions. A value is cut into three pieces, multiples of 2^(S - 22),
// 2^(S - 45) and 2^(S - 68), by adding and subtracting constants whose last bits have those weights; the pieces are
// added as integers, straight from the bit patterns of the sums: 7 additions of floats and 3 of integers a value, or 4
// and 2 without the last piece. So a softmax row has the same total, to the bit, for every tier, block, cluster,
// alignment and schedule. The error is below 2^(S - 69) a value, and 2^(S - 46) without the last piece. Two pieces of
// which the second has one bit less take 3 additions of floats, for an error below 2^(S - 45).
#pragma once

#include "../kernels/value.hpp"

namespace sigmax {
namespace {

/// 2^(S - 5) top + 2^(S - 45) high + 2^(S - 68) low.
struct exact_total {
  std::int64_t top, high, low;

  SIGMAX_FN void add(const exact_total& b) { top += b.top, high += b.high, low += b.low; }
  /// The one form of a number in which 0 <= low < 2^23 and 0 <= high < 2^40. Of such, 2^23 may be added.
  SIGMAX_FN void carry() {
    high += low >> 23;
    low &= (std::int64_t{1} << 23) - 1;
    top += high >> 40;
    high &= (std::int64_t{1} << 40) - 1;
  }
};

/// What one thread adds up: at most 512 values, |value| <= 2^S, without NaN.
template <int S>
struct exact_sum {
  std::uint32_t word[3] = {};

  static constexpr float unit(int exponent) {  // 2^exponent
    float u = 1;
    for (; exponent > 0; --exponent) u *= 2;
    for (; exponent < 0; ++exponent) u /= 2;
    return u;
  }
  static constexpr float cut_0 = 1.5f * unit(S + 1), cut_1 = 1.5f * unit(S - 22), cut_2 = 1.5f * unit(S - 45),
                         wide_1 = 1.5f * unit(S - 21), units = unit(44 - S);

  template <int n>
  SIGMAX_FN void add(const float (&v)[n], bool fine) {
    float rest[n];
#pragma unroll
    for (int i = 0; i < n; ++i) {
      const float first = v[i] + cut_0;
      const float left = v[i] - (first - cut_0);
      const float second = left + cut_1;
      rest[i] = left - (second - cut_1);
      word[0] += bits_of(first);
      word[1] += bits_of(second);
    }
    if (!fine) return;
#pragma unroll
    for (int i = 0; i < n; ++i) word[2] += bits_of(rest[i] + cut_2);
  }

  /// Values of at most 2^T, times 2^(S - T), in two pieces, the second one a multiple of 2^(S - 44): its constant is
  /// then a multiple of the first one's unit, so that v - (first - both) is what is left plus that constant, rounded
  /// once.
  template <int T, int n>
  SIGMAX_FN void add_in_two(const float (&v)[n]) {
    constexpr float both = exact_sum<T>::cut_0 + exact_sum<T>::wide_1;
    std::uint32_t first[n], second[n];
#pragma unroll
    for (int i = 0; i < n; ++i) {
      const float f = v[i] + exact_sum<T>::cut_0;
      first[i] = bits_of(f);
      second[i] = bits_of(v[i] - (f - both));
    }
    if constexpr (n % 2 == 0) {  // an instruction adds two to a sum
#pragma unroll
      for (int i = 0; i < n; i += 2) word[0] += first[i] + first[i + 1], word[1] += second[i] + second[i + 1];
    } else {
#pragma unroll
      for (int i = 0; i < n; ++i) word[0] += first[i], word[1] += second[i];
    }
  }
  /// Of n values added so; and in units of 2^(S - 44), as which fewer than 2^20 values add up below 2^64.
  template <int T>
  SIGMAX_FN exact_total total_of_two(std::uint32_t n) const {
    return {0, static_cast<std::int64_t>(units_of_two<T>(n)) * 2, 0};
  }
  template <int T>
  SIGMAX_FN std::uint64_t units_of_two(std::uint32_t n) const {
    using cuts = exact_sum<T>;
    return static_cast<std::uint64_t>(piece(word[0], n, cuts::cut_0) * (std::int64_t{1} << 22) +
                                      piece(word[1], n, cuts::wide_1));
  }

  /// Values of at most 2^(S - 23), with their last piece.
  template <int n>
  SIGMAX_FN void add_small(const float (&v)[n]) {
#pragma unroll
    for (int i = 0; i < n; ++i) {
      const float first = v[i] + cut_1;
      word[1] += bits_of(first);
      word[2] += bits_of((v[i] - (first - cut_1)) + cut_2);
    }
  }

  /// How many values have given each piece.
  SIGMAX_FN exact_total total(std::uint32_t first, std::uint32_t second, std::uint32_t third) const {
    return {0, piece(word[0], first, cut_0) * (std::int64_t{1} << 23) + piece(word[1], second, cut_1),
            piece(word[2], third, cut_2)};
  }

 private:
  SIGMAX_FN static std::int64_t piece(std::uint32_t sum, std::uint32_t n, float cut) {
    return static_cast<std::int32_t>(sum - n * bits_of(cut));
  }
};

/// The float nearest to a carried total > 0 in units of 2^(S - 25 - shift), and what that leaves over.
struct float_total {
  float high, low;
  int shift;
};
SIGMAX_FN float_total as_floats(const exact_total& t) {
  const int shift = t.top < (std::int64_t{1} << 22) ? 20 : 0;
  const std::int64_t units = shift != 0 ? (t.top << 40) | t.high : (t.top << 20) | (t.high >> 20);
  const float high = static_cast<float>(units);
  return {high, static_cast<float>(units - static_cast<std::int64_t>(high)), shift};
}
/// A carried total in units of 2^(S - 45).
SIGMAX_FN double as_double(const exact_total& t) {
  return static_cast<double>(t.top) * 0x1p40 + (static_cast<double>(t.high) + static_cast<double>(t.low) * 0x1p-23);
}

}  // namespace
}  // namespace sigmax
