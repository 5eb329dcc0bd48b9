// 16-bit storage in plain scalar code, independent of the library's conversions: it checks and is compared with them.
#pragma once

#include <sigmax/sigmax.hpp>

#include <bit>
#include <cstdint>

namespace sigmax_bench {

inline float load(float v) { return v; }

inline float load(sigmax::bfloat16 v) { return std::bit_cast<float>(std::uint32_t{v.bits} << 16); }

inline float load(sigmax::float16 v) {
  const std::uint32_t sign = std::uint32_t{v.bits} >> 15 << 31;
  const std::uint32_t magnitude = v.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // Below 2^-14 the format counts in units of 2^-24.
  if (magnitude < 0x400u) {
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
}

template <class T>
T store(float v);  // to nearest, ties to even

template <>
inline float store<float>(float v) {
  return v;
}

template <>
inline sigmax::bfloat16 store<sigmax::bfloat16>(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

template <>
inline sigmax::float16 store<sigmax::float16>(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const auto with_sign = [sign](std::uint32_t m) { return sigmax::float16{static_cast<std::uint16_t>(sign | m)}; };
  if (magnitude > 0x7f800000u) return with_sign(0x7e00u);
  if (magnitude >= 0x477ff000u) return with_sign(0x7c00u);  // 65520, halfway to 2^16, and up
  if (magnitude < 0x38800000u) {
    // Below 2^-14: one ULP of 0.5f is 2^-24, so this addition is the rounding.
    return with_sign(std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u);
  }
  return with_sign((magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13);
}

}  // namespace sigmax_bench
