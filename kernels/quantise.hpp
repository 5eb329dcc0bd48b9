// f32 to 8 bits, rounded to nearest even, saturating: E4M3 and E5M2 of Micikevicius et al., arXiv:2209.05433, as in the
// OCP 8-bit Floating Point Specification (OFP8), and int8 as in ONNX's QuantizeLinear. Branch-free, for the compiler to
// vectorise, and of exact operations alone, so the same codes everywhere.
#pragma once

#include "sigmax/sigmax.hpp"
#include "value.hpp"

namespace sigmax {
namespace {

template <class T>
struct float8_format;
template <>
struct float8_format<float8_e4m3> {
  static constexpr std::uint32_t mantissa = 3, bias = 7;
  static constexpr float largest = 448;  // 1.75 * 2^8: the code above it is NaN
  static constexpr float aligner = 0x1p14f;
};
template <>
struct float8_format<float8_e5m2> {
  static constexpr std::uint32_t mantissa = 2, bias = 15;
  static constexpr float largest = 57344;  // 1.75 * 2^15
  static constexpr float aligner = 0x1p7f;
};

template <class T>
SIGMAX_FN std::uint8_t float8_code(float x) {
  using format = float8_format<T>;
  constexpr std::uint32_t dropped = 23 - format::mantissa, rebias = (127 - format::bias) << 23;
  constexpr std::uint32_t half = (1u << (dropped - 1)) - 1;
  const std::uint32_t u = bits_of(x), magnitude = u & 0x7fffffffu, top = bits_of(format::largest);
  const std::uint32_t m = magnitude > top ? top : magnitude;
  const std::uint32_t normal = (m - rebias + half + ((m >> dropped) & 1u)) >> dropped;
  // A subnormal number counts steps of 2^(1 - bias - mantissa), which are those of f32 at the aligner.
  const std::uint32_t subnormal = bits_of(from_bits(m) + format::aligner) - bits_of(format::aligner);
  const std::uint32_t finite = (m < rebias + (1u << 23) ? subnormal : normal) | ((u >> 24) & 0x80u);
  return static_cast<std::uint8_t>(magnitude > 0x7f800000u ? 0x7fu : finite);  // a NaN's sign is the machine's
}

SIGMAX_FN void quantise_one(float x, float8_e4m3& q) { q.bits = float8_code<float8_e4m3>(x); }
SIGMAX_FN void quantise_one(float x, float8_e5m2& q) { q.bits = float8_code<float8_e5m2>(x); }
SIGMAX_FN void quantise_one(float x, std::int8_t& q) {
  const float at_most_127 = x > 127.0f ? 127.0f : x, t = at_most_127 < -128.0f ? -128.0f : at_most_127;
  const std::uint32_t code = bits_of(t + 0x1.8p23f);  // has steps of 1: the low byte is the integer
  q = static_cast<std::int8_t>(x == x ? code & 0xffu : 0u);
}

/// The number that amax becomes, where each row has its own scale.
SIGMAX_FN float largest_code(dtype type) {
  return type == dtype::i8        ? 127.0f
         : type == dtype::f8_e4m3 ? float8_format<float8_e4m3>::largest
                                  : float8_format<float8_e5m2>::largest;
}
/// The scale of a row: normal, so that no mode of the FPU makes it zero.
SIGMAX_FN float scale_of_row(float amax, dtype type) { return at_least(divide(amax, largest_code(type)), 0x1p-126f); }

}  // namespace
}  // namespace sigmax
