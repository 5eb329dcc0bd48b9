// f32 results to 8-bit codes in CUDA, and the largest of them: what all kernels with such results share.
#pragma once

#include <type_traits>

#include "../kernels/quantise.hpp"
#include "load_store.cuh"

namespace sigmax {
namespace {

#if defined(__CUDA_ARCH__)
SIGMAX_FN void store_codes(std::byte* p, std::uint32_t low, std::uint32_t high) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(low), "r"(high) : "memory");
}
SIGMAX_FN void store_code(std::byte* p, std::uint32_t code) {
  asm volatile("st.global.u8 [%0], %1;" ::"l"(p), "r"(code) : "memory");
}
#else
SIGMAX_FN void store_codes(std::byte* p, std::uint32_t low, std::uint32_t high) {
  store(reinterpret_cast<std::uint64_t*>(p), std::uint64_t{high} << 32 | low);
}
SIGMAX_FN void store_code(std::byte* p, std::uint32_t code) { *p = static_cast<std::byte>(code); }
#endif

template <class T>
SIGMAX_FN std::uint32_t code_of(float x) {
  T q;
  quantise_one(x, q);
  if constexpr (std::is_same_v<T, std::int8_t>)
    return static_cast<std::uint8_t>(q);
  else
    return q.bits;
}
/// Four codes a word; asks for the dtype when it runs.
template <class T, int n>
SIGMAX_FN void encode_as(const float (&x)[n], std::uint32_t (&words)[n / 4]) {
#pragma unroll
  for (int k = 0; k < n; ++k) words[k / 4] = (k % 4 != 0 ? words[k / 4] : 0) | code_of<T>(x[k]) << (k % 4 * 8);
}
template <int n>
SIGMAX_FN void encode(const float (&x)[n], dtype type, std::uint32_t (&words)[n / 4]) {
  if (type == dtype::f8_e4m3)
    encode_as<float8_e4m3>(x, words);
  else if (type == dtype::f8_e5m2)
    encode_as<float8_e5m2>(x, words);
  else
    encode_as<std::int8_t>(x, words);
}
/// The code of element k.
template <int words>
SIGMAX_FN std::uint32_t code_at(const std::uint32_t (&codes)[words], int k) {
  return codes[k / 4] >> (k % 4 * 8) & 0xffu;
}

/// The bits of the largest finite magnitude, in the order of the numbers.
SIGMAX_FN std::uint32_t larger(std::uint32_t best, float x) {
  const std::uint32_t magnitude = bits_of(x) & 0x7fffffffu, finite = magnitude < 0x7f800000u ? magnitude : 0;
  return best < finite ? finite : best;
}

}  // namespace
}  // namespace sigmax
