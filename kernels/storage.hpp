// One element between memory and f32, exactly, rounded to nearest even. On a CPU without floating-point arithmetic on
// subnormals, so that a caller's FTZ or DAZ mode changes nothing, and branch-free, for the compiler to vectorise; on a
// GPU by its instructions, which know neither mode. The same numbers either way, NaN by another pattern.
#pragma once

#include "sigmax/sigmax.hpp"
#include "value.hpp"

namespace sigmax {
namespace {

SIGMAX_FN float to_float(float x) { return x; }
SIGMAX_FN float to_float(bfloat16 x) { return from_bits(std::uint32_t{x.bits} << 16); }
SIGMAX_FN float to_float(float16 x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  std::uint32_t magnitude = x.bits & 0x7fffu, sign = std::uint32_t{x.bits & 0x8000u} << 16;
  std::uint32_t normal = (magnitude << 13) + (112u << 23);
  std::uint32_t special = (magnitude << 13) + (224u << 23);  // inf and NaN
  // 2^-14 (1 + m / 1024) - 2^-14 = m 2^-24
  std::uint32_t subnormal = bits_of(from_bits((113u << 23) | (magnitude << 13)) - 0x1p-14f);
  std::uint32_t u = magnitude < 0x0400u ? subnormal : magnitude < 0x7c00u ? normal : special;
  return from_bits(u | sign | (magnitude > 0x7c00u ? 0x00400000u : 0u));  // a signalling NaN becomes quiet
#endif
}
/// dtype::boolean, in a mask: what it adds to a score.
struct boolean {
  std::uint8_t byte;
};
SIGMAX_FN float to_float(boolean x) { return x.byte != 0 ? 0.0f : -__builtin_inff(); }
SIGMAX_FN void from_float(float x, float& out) { out = x; }
SIGMAX_FN void from_float(float x, bfloat16& out) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
#else
  std::uint32_t u = bits_of(x);
  std::uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  std::uint32_t nan = (u >> 16) | 0x0040u;
  out.bits = static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
#endif
}
SIGMAX_FN void from_float(float x, float16& out) {
#if defined(__CUDA_ARCH__)
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
#else
  std::uint32_t u = bits_of(x), magnitude = u & 0x7fffffffu, sign = (u >> 16) & 0x8000u;
  std::uint32_t normal = (magnitude - (112u << 23) + 0x0fffu + ((magnitude >> 13) & 1u)) >> 13;
  std::uint32_t subnormal = bits_of(from_bits(magnitude) + 0.5f) - bits_of(0.5f);  // 0.5 has steps of 2^-24
  std::uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x03ffu);
  std::uint32_t h = magnitude < (113u << 23) ? subnormal : normal;
  h = magnitude >= 0x477ff000u ? 0x7c00u : h;  // 65520 and above round to infinity
  h = magnitude > 0x7f800000u ? nan : h;
  out.bits = static_cast<std::uint16_t>(h | sign);
#endif
}

}  // namespace
}  // namespace sigmax
