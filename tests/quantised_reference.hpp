// The oracle of 8-bit results: what a code means, from the definition of its format, and the code of a number by a
// search through all 256 of them.
#pragma once

#include <sigmax/sigmax.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

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
  static const auto numbers = [] {
    std::array<std::array<double, 256>, 3> all{};
    for (std::size_t t = 0; t < 3; ++t)
      for (int code = 0; code < 256; ++code)
        all[t][static_cast<std::size_t>(code)] = number_of(quantised_types[t], code);
    return all;
  }();
  const bool integer = type == sigmax::dtype::i8;
  if (std::isnan(x)) return integer ? 0 : 0x7f;
  const double top = static_cast<double>(largest_number(type)), bottom = integer ? -128 : -top;
  const double saturated = std::fmin(std::fmax(static_cast<double>(x), bottom), top);
  const auto& table = numbers[static_cast<std::size_t>(type) - static_cast<std::size_t>(sigmax::dtype::f8_e4m3)];
  int best = -1;
  double least = 0;
  for (int code = 0; code < 256; ++code) {
    const double number = table[static_cast<std::size_t>(code)];
    if (!std::isfinite(number) || (!integer && (code >= 128) != std::signbit(x))) continue;
    const double distance = std::fabs(number - saturated);  // exact where it matters, next to x
    if (best < 0 || distance < least || (distance == least && code % 2 == 0)) best = code, least = distance;
  }
  return static_cast<std::uint8_t>(best);
}

/// The scale of a row whose largest finite magnitude is amax.
inline float row_scale(sigmax::dtype type, float amax) {
  return std::fmax(amax / largest_number(type), std::numeric_limits<float>::min());
}

}  // namespace sigmax_reference
