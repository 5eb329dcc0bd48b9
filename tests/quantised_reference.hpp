// The oracle of 8-bit results: what a code means, from the definition of its format, and the code of a number by a
// search in the order of all 256 of them.
#pragma once

#include <sigmax/sigmax.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace sigmax_reference {

inline constexpr sigmax::dtype quantised_types[] = {sigmax::dtype::f8_e4m3, sigmax::dtype::f8_e5m2, sigmax::dtype::i8};

inline double number_of(sigmax::dtype type, int code) {
  if (type == sigmax::dtype::i8) return code < 128 ? code : code - 256;
  const int mantissa_bits = type == sigmax::dtype::f8_e4m3 ? 3 : 2, bias = type == sigmax::dtype::f8_e4m3 ? 7 : 15;
  const int steps = 1 << mantissa_bits, mantissa = code % steps, exponent = code % 128 / steps;
  const int last = 127 / steps;
  const double sign = code < 128 ? 1 : -1;
  if (type == sigmax::dtype::f8_e4m3 ? code % 128 == 127 : exponent == last && mantissa != 0)
    return std::numeric_limits<double>::quiet_NaN();
  if (type == sigmax::dtype::f8_e5m2 && exponent == last) return sign * std::numeric_limits<double>::infinity();
  const double fraction = static_cast<double>(mantissa) / steps;
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

/// The largest finite number; `quantised.the_largest_numbers` tells that it is.
inline float largest_number(sigmax::dtype type) {
  return type == sigmax::dtype::i8 ? 127.0f : type == sigmax::dtype::f8_e4m3 ? 448.0f : 57344.0f;
}

/// The finite number nearest to x; of two the one with an even code, of two zeros that with the sign of x.
inline std::uint8_t code_of(sigmax::dtype type, float x) {
  struct entry {
    double number;
    int code;
  };
  // Of each type the finite numbers of either sign, in their order: the nearest is beside x. Those of i8 are all in the
  // first list, as they have one zero.
  static const auto lists = [] {
    std::array<std::array<std::vector<entry>, 2>, 3> all;
    for (std::size_t t = 0; t < 3; ++t)
      for (int code = 0; code < 256; ++code) {
        const double number = number_of(quantised_types[t], code);
        const bool second = quantised_types[t] != sigmax::dtype::i8 && code >= 128;
        if (std::isfinite(number)) all[t][second].push_back({number, code});
      }
    for (auto& of_type : all)
      for (auto& list : of_type) std::ranges::stable_sort(list, {}, &entry::number);
    return all;
  }();
  const bool integer = type == sigmax::dtype::i8;
  if (std::isnan(x)) return integer ? 0 : 0x7f;
  const auto& list = lists[static_cast<std::size_t>(type) - static_cast<std::size_t>(sigmax::dtype::f8_e4m3)]
                          [!integer && std::signbit(x)];
  const auto value = static_cast<double>(x);
  const auto above = std::ranges::lower_bound(list, value, {}, &entry::number);
  if (above == list.begin()) return static_cast<std::uint8_t>(above->code);
  const auto below = above - 1;
  if (above == list.end()) return static_cast<std::uint8_t>(below->code);
  const double up = above->number - value, down = value - below->number;  // exact where it matters, next to x
  const bool take_below = down < up || (down == up && below->code % 2 == 0);
  return static_cast<std::uint8_t>(take_below ? below->code : above->code);
}

/// The scale of a row whose largest finite magnitude is amax.
inline float row_scale(sigmax::dtype type, float amax) {
  return std::fmax(amax / largest_number(type), std::numeric_limits<float>::min());
}

}  // namespace sigmax_reference
