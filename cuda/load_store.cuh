// Moving 16-byte vectors between memory and f32 registers, at any alignment of a whole element. Compiled by nvcc for a
// GPU and by the tests for the SIMT emulator, where a misaligned access ends the program as it would end a kernel.
#pragma once

#include <cstring>
#include <type_traits>

#include "../kernels/storage.hpp"
#include "policy.hpp"

namespace sigmax {
namespace {

/// n / d, where `by` is divider_of(d).
SIGMAX_FN std::uint32_t quotient(std::uint32_t n, const divider& by) {
  return static_cast<std::uint32_t>(std::uint64_t{n} * by.multiplier >> 32) >> by.shift;
}

struct alignas(vector_bytes) vector {
  std::uint32_t word[4];
};
template <class T>
inline constexpr int per_vector = vector_bytes / static_cast<int>(sizeof(T));

/// What a dependent launch waits for; see options::dependent_launch.
SIGMAX_FN void wait_for_previous_kernel() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
SIGMAX_FN void let_next_kernel_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Loads and stores of global memory. Volatile keeps them behind the wait above, and loads before the stores that follow
// them, which matters in place.
#if defined(__CUDA_ARCH__)
SIGMAX_FN vector load(const vector* p) {
  vector v;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.word[0]), "=r"(v.word[1]), "=r"(v.word[2]), "=r"(v.word[3])
               : "l"(p));
  return v;
}
SIGMAX_FN std::uint32_t load(const std::uint32_t* p) {
  std::uint32_t v;
  asm volatile("ld.global.u32 %0, [%1];" : "=r"(v) : "l"(p));
  return v;
}
SIGMAX_FN std::uint16_t load(const std::uint16_t* p) {
  std::uint16_t v;
  asm volatile("ld.global.u16 %0, [%1];" : "=h"(v) : "l"(p));
  return v;
}
SIGMAX_FN void store(vector* p, const vector& v) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(v.word[0]), "r"(v.word[1]), "r"(v.word[2]),
               "r"(v.word[3])
               : "memory");
}
SIGMAX_FN void store(std::uint32_t* p, std::uint32_t v) {
  asm volatile("st.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}
SIGMAX_FN void store(std::uint16_t* p, std::uint16_t v) {
  asm volatile("st.global.u16 [%0], %1;" ::"l"(p), "h"(v) : "memory");
}
#else
template <class T>
SIGMAX_FN T load(const T* p) {
  if (reinterpret_cast<std::uintptr_t>(p) % sizeof(T) != 0) __builtin_trap();
  T v;
  std::memcpy(&v, p, sizeof(T));
  return v;
}
template <class T>
SIGMAX_FN void store(T* p, const T& v) {
  if (reinterpret_cast<std::uintptr_t>(p) % sizeof(T) != 0) __builtin_trap();
  std::memcpy(p, &v, sizeof(T));
}
#endif
template <class T>
using bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>;
template <class T>
SIGMAX_FN bits<T>* pointer(std::uintptr_t element_0, std::int64_t element) {
  return reinterpret_cast<bits<T>*>(element_0) + element;
}

/// The vector that begins `shift` bytes (even, in [2, 14]) into the word at `p`.
SIGMAX_FN vector load_shifted(const vector* p, std::uint32_t shift) {
  const vector low = load(p), high = load(p + 1);
  std::uint32_t w[8];
#pragma unroll
  for (int i = 0; i < 4; ++i) w[i] = low.word[i], w[i + 4] = high.word[i];
#pragma unroll
  for (int i = 0; i < 6; ++i) w[i] = (shift & 8u) != 0 ? w[i + 2] : w[i];
#pragma unroll
  for (int i = 0; i < 5; ++i) w[i] = (shift & 4u) != 0 ? w[i + 1] : w[i];
  vector v;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    v.word[i] = static_cast<std::uint32_t>((std::uint64_t{w[i + 1]} << 32 | w[i]) >> (shift % 4u * 8u));
  return v;
}

SIGMAX_FN void unpack(const vector& v, float (&x)[4], float) {
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = from_bits(v.word[i]);
}
template <class T>
SIGMAX_FN void unpack(const vector& v, float (&x)[8], T) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = to_float(T{static_cast<std::uint16_t>(v.word[i] & 0xffffu)});
    x[2 * i + 1] = to_float(T{static_cast<std::uint16_t>(v.word[i] >> 16)});
  }
}

template <class T>
SIGMAX_FN std::uint32_t pack_two(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t word;
  if constexpr (std::is_same_v<T, bfloat16>)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#else
  T a, b;
  from_float(low, a);
  from_float(high, b);
  return std::uint32_t{a.bits} | std::uint32_t{b.bits} << 16;
#endif
}
SIGMAX_FN vector pack(const float (&x)[4], float) {
  vector v;
#pragma unroll
  for (int i = 0; i < 4; ++i) v.word[i] = bits_of(x[i]);
  return v;
}
template <class T>
SIGMAX_FN vector pack(const float (&x)[8], T) {
  vector v;
#pragma unroll
  for (int i = 0; i < 4; ++i) v.word[i] = pack_two<T>(x[2 * i], x[2 * i + 1]);
  return v;
}

// By a dtype that is known when a kernel runs, with a branch that all threads take the same way: conversions are few
// instructions of a gate, and its formula is compiled once for both 16-bit ones.
SIGMAX_FN void unpack(const vector& v, float (&x)[4], dtype) { unpack(v, x, float{}); }
SIGMAX_FN void unpack(const vector& v, float (&x)[8], dtype type) {
  if (type == dtype::f16)
    unpack(v, x, float16{});
  else
    unpack(v, x, bfloat16{});
}
SIGMAX_FN vector pack(const float (&x)[4], dtype) { return pack(x, float{}); }
SIGMAX_FN vector pack(const float (&x)[8], dtype type) {
  return type == dtype::f16 ? pack(x, float16{}) : pack(x, bfloat16{});
}

/// The elements of a vector whose first one has number `first`, of [0, n) only; the others are zero, or stay as they
/// are.
template <class T>
SIGMAX_FN vector load_partial(std::uintptr_t element_0, std::int64_t first, std::int64_t n) {
  vector v{};
#pragma unroll
  for (int i = 0; i < per_vector<T>; ++i) {
    const std::int64_t k = first + i;
    if (k < 0 || k >= n) continue;
    const std::uint32_t element = load(pointer<T>(element_0, k));
    if constexpr (sizeof(T) == 4)
      v.word[i] = element;
    else
      v.word[i / 2] |= element << (i % 2 * 16);
  }
  return v;
}
template <class T>
SIGMAX_FN void store_partial(std::uintptr_t element_0, std::int64_t first, std::int64_t n, const vector& v) {
#pragma unroll
  for (int i = 0; i < per_vector<T>; ++i) {
    const std::int64_t k = first + i;
    if (k < 0 || k >= n) continue;
    if constexpr (sizeof(T) == 4)
      store(pointer<T>(element_0, k), v.word[i]);
    else
      store(pointer<T>(element_0, k), static_cast<std::uint16_t>(v.word[i / 2] >> (i % 2 * 16)));
  }
}

SIGMAX_FN float load_element(const std::byte* p, dtype type) {
  if (type == dtype::f32) return from_bits(load(reinterpret_cast<const std::uint32_t*>(p)));
  const std::uint16_t bits = load(reinterpret_cast<const std::uint16_t*>(p));
  return type == dtype::f16 ? to_float(float16{bits}) : to_float(bfloat16{bits});
}
SIGMAX_FN void store_element(std::byte* p, dtype type, float x) {
  if (type == dtype::f32) return store(reinterpret_cast<std::uint32_t*>(p), bits_of(x));
  float16 half;
  bfloat16 brain;
  from_float(x, half);
  from_float(x, brain);
  store(reinterpret_cast<std::uint16_t*>(p), type == dtype::f16 ? half.bits : brain.bits);
}

}  // namespace
}  // namespace sigmax
