// Moving vectors between memory and registers: two batches at a time (`pair`), in three storage formats, whole or
// partial, through the caches or past them. A pair of bf16 holds even elements in its first batch and odd ones in its
// second, which saves all shuffles; elementwise code does not care.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "pair.hpp"
#include "../kernels/storage.hpp"

namespace sigmax {
namespace {

inline constexpr int pair_size = pair::size;

/// How near what is asked for comes, as __builtin_prefetch counts.
enum nearness { to_l2 = 2, to_l1 = 3 };

/// Asks for what loads will want soon: far ahead of them, from memory into the L2 cache, and nearer, from there into
/// L1. Distances in bytes, see cpu/README.md.
inline constexpr std::size_t far_ahead = 8192, near_ahead = 4096;

template <class T>
SIGMAX_FN void prefetch(const T* p, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 64 / static_cast<std::int64_t>(sizeof(T))) {
    const auto* const at = reinterpret_cast<const std::byte*>(p + i);
    __builtin_prefetch(at + far_ahead, 0, to_l2);
    __builtin_prefetch(at + near_ahead, 0, to_l1);
  }
}

SIGMAX_FN pair load(const float* p) { return {vec::load_unaligned(p), vec::load_unaligned(p + lanes)}; }
template <bool streaming>
SIGMAX_FN void store(float* p, pair v) {
  if constexpr (streaming) {
    v.first.store(p, xsimd::stream_mode{});
    v.second.store(p + lanes, xsimd::stream_mode{});
  } else {
    v.first.store_unaligned(p);
    v.second.store_unaligned(p + lanes);
  }
}

SIGMAX_FN pair load(const bfloat16* p) {
  vec_bits u = vec_bits::load_unaligned(reinterpret_cast<const std::uint32_t*>(p));
  return {from_bits(u << 16), from_bits(u & vec_bits(0xffff0000u))};
}
/// To nearest even, in the upper half. A NaN whose low half is zero survives.
SIGMAX_FN vec_bits rounded_to_bf16(vec x) {
  const vec_bits u = bits_of(x);
  return u + vec_bits(0x7fffu) + ((u >> 16) & vec_bits(1u));
}
SIGMAX_FN two<vec_bits> rounded_to_bf16(pair x) { return {rounded_to_bf16(x.first), rounded_to_bf16(x.second)}; }
/// The upper halves.
template <bool streaming>
SIGMAX_FN void store(bfloat16* p, two<vec_bits> v) {
  const vec_bits a = v.first >> 16, b = v.second & vec_bits(0xffff0000u);
  auto* out = reinterpret_cast<std::uint32_t*>(p);
  if constexpr (streaming)
    (a | b).store(out, xsimd::stream_mode{});
  else
    (a | b).store_unaligned(out);
}
template <bool streaming>
SIGMAX_FN void store(bfloat16* p, pair v) {  // whose NaN come from an operation on a bf16
  store<streaming>(p, rounded_to_bf16(v));
}

/// Half a pair.
SIGMAX_FN vec load_half(const float* p) { return vec::load_unaligned(p); }
template <bool streaming>
SIGMAX_FN void store_half(float* p, vec v) {
  if constexpr (streaming)
    v.store(p, xsimd::stream_mode{});
  else
    v.store_unaligned(p);
}

#if defined(__AVX512F__)
SIGMAX_FN vec load_half(const float16* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
template <bool streaming>
SIGMAX_FN void store_half(float16* p, vec v) {
  __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  if constexpr (streaming)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), h);
  else
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), h);
}
#elif defined(__F16C__)
SIGMAX_FN vec load_half(const float16* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
template <bool streaming>
SIGMAX_FN void store_half(float16* p, vec v) {
  __m128i h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
  if constexpr (streaming)
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), h);
  else
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), h);
}
#else
SIGMAX_FN vec load_half(const float16* p) {
  alignas(64) float f[lanes];
  for (int i = 0; i < lanes; ++i) f[i] = to_float(p[i]);
  return vec::load_aligned(f);
}
template <bool streaming>
SIGMAX_FN void store_half(float16* p, vec v) {
  alignas(64) float f[lanes];
  v.store_aligned(f);
  for (int i = 0; i < lanes; ++i) from_float(f[i], p[i]);
}
#endif
SIGMAX_FN pair load(const float16* p) { return {load_half(p), load_half(p + lanes)}; }
template <bool streaming>
SIGMAX_FN void store(float16* p, pair v) {
  store_half<streaming>(p, v.first);
  store_half<streaming>(p + lanes, v.second);
}

/// Elements 0, 2, 4 ... of both batches, and 1, 3, 5 ...
#if defined(__ARM_FEATURE_SVE)
SIGMAX_FN pair unzip(pair v) {
  return {vec(svuzp1(v.first.data, v.second.data)), vec(svuzp2(v.first.data, v.second.data))};
}
#elif defined(__riscv)
SIGMAX_FN pair unzip(pair v) {
  alignas(64) float both[pair_size], sorted[pair_size];
  store<false>(both, v);
  for (int i = 0; i < lanes; ++i) sorted[i] = both[2 * i], sorted[lanes + i] = both[2 * i + 1];
  return load(sorted);
}
#else
template <int... i>
SIGMAX_FN pair unzip(pair v, std::integer_sequence<int, i...>) {
  return {vec(__builtin_shufflevector(v.first.data, v.second.data, 2 * i...)),
          vec(__builtin_shufflevector(v.first.data, v.second.data, 2 * i + 1 ...))};
}
SIGMAX_FN pair unzip(pair v) { return unzip(v, std::make_integer_sequence<int, lanes>{}); }
#endif

#if defined(__AVX512BW__)
struct alignas(64) even_places {
  std::uint16_t place[pair_size];
  constexpr even_places() : place{} {
    for (int i = 0; i < pair_size; ++i) place[i] = static_cast<std::uint16_t>(2 * i);
  }
};
inline constexpr even_places every_other{};
#endif

/// bf16 whose pairs are in order, for what is f32 before or after. None that is stored is a NaN.
struct ordered_bfloat16 : bfloat16 {};
template <class T>
using ordered = std::conditional_t<std::is_same_v<T, bfloat16>, ordered_bfloat16, T>;
#if defined(__AVX512F__)
SIGMAX_FN vec load_half(const ordered_bfloat16* p) {
  const __m512i word = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return from_bits(vec_bits(word) << 16);
}
template <bool streaming>
SIGMAX_FN void store_half(ordered_bfloat16* p, vec v) {
  const __m256i h = _mm512_cvtepi32_epi16(rounded_to_bf16(v) >> 16);
  if constexpr (streaming)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), h);
  else
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), h);
}
#elif defined(__AVX2__)
SIGMAX_FN vec load_half(const ordered_bfloat16* p) {
  const __m256i word = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return from_bits(vec_bits(word) << 16);
}
template <bool streaming>
SIGMAX_FN void store_half(ordered_bfloat16* p, vec v) {
  const __m256i h = rounded_to_bf16(v) >> 16;
  const __m128i both = _mm_packus_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
  if constexpr (streaming)
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), both);
  else
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), both);
}
#else
SIGMAX_FN vec load_half(const ordered_bfloat16* p) {
  alignas(64) float f[lanes];
  for (int i = 0; i < lanes; ++i) f[i] = to_float(p[i]);
  return vec::load_aligned(f);
}
template <bool streaming>
SIGMAX_FN void store_half(ordered_bfloat16* p, vec v) {
  alignas(64) std::uint32_t u[lanes];
  rounded_to_bf16(v).store_aligned(u);
  for (int i = 0; i < lanes; ++i) p[i].bits = static_cast<std::uint16_t>(u[i] >> 16);
}
#endif
SIGMAX_FN pair load(const ordered_bfloat16* p) { return {load_half(p), load_half(p + lanes)}; }
#if defined(__AVX512BW__) || defined(__AVX2__)
template <bool streaming>
SIGMAX_FN void store(ordered_bfloat16* p, pair v) {
  const vec_bits a = rounded_to_bf16(v.first), b = rounded_to_bf16(v.second);
#if defined(__AVX512BW__)
  const __m512i odd = _mm512_add_epi16(_mm512_load_si512(every_other.place), _mm512_set1_epi16(1)),
                both = _mm512_permutex2var_epi16(a, odd, b);
  if constexpr (streaming)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), both);
  else
    _mm512_storeu_si512(p, both);
#else
  const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(a >> 16, b >> 16), 0xd8);
  if constexpr (streaming)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), both);
  else
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), both);
#endif
}
#else
template <bool streaming>
SIGMAX_FN void store(ordered_bfloat16* p, pair v) {
  store<streaming>(static_cast<bfloat16*>(p), unzip(v));
}
#endif

/// Two tensors whose elements alternate in memory: a0 b0 a1 b1 ... A pair of each, in the order that `load` gives.
template <class V>
struct alternating {
  V a, b;
};
SIGMAX_FN alternating<pair> load_alternating(const float* p) {
  const pair low = unzip(load(p)), high = unzip(load(p + pair_size));
  return {{low.first, high.first}, {low.second, high.second}};
}
SIGMAX_FN alternating<pair> load_alternating(const bfloat16* p) {
  // A word holds an a and a b; even words, then odd ones.
  const auto* words = reinterpret_cast<const float*>(p);
  const pair w = unzip(load(words));
  const vec_bits even = bits_of(w.first), odd = bits_of(w.second), upper(0xffff0000u);
  return {{from_bits(even << 16), from_bits(odd << 16)}, {from_bits(even & upper), from_bits(odd & upper)}};
}
SIGMAX_FN alternating<pair> load_alternating(const float16* p) {
#if defined(__AVX512BW__)
  const __m512i low = _mm512_loadu_si512(p), high = _mm512_loadu_si512(p + pair_size);
  const __m512i even = _mm512_load_si512(every_other.place);
  const auto widen = [](__m512i h) __attribute__((always_inline)) {
    return pair{_mm512_cvtph_ps(_mm512_castsi512_si256(h)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(h, 1))};
  };
  return {widen(_mm512_permutex2var_epi16(low, even, high)),
          widen(_mm512_permutex2var_epi16(low, _mm512_add_epi16(even, _mm512_set1_epi16(1)), high))};
#elif defined(__AVX2__) && defined(__F16C__)
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + pair_size));
  const __m256i lower = _mm256_set1_epi32(0xffff);
  const auto widen = [](__m256i x, __m256i y) __attribute__((always_inline)) {
    const __m256i h = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, y), 0xd8);
    return pair{_mm256_cvtph_ps(_mm256_castsi256_si128(h)), _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
  };
  return {widen(_mm256_and_si256(low, lower), _mm256_and_si256(high, lower)),
          widen(_mm256_srli_epi32(low, 16), _mm256_srli_epi32(high, 16))};
#else
  alignas(64) float16 t[2][pair_size];
  for (std::int64_t i = 0; i < pair_size; ++i) t[0][i] = p[2 * i], t[1][i] = p[2 * i + 1];
  return {load(t[0]), load(t[1])};
#endif
}

template <class V, class T>
SIGMAX_FN alternating<V> load_alternating(const T* p) {
  if constexpr (V::size > pair_size) {
    const alternating<pair> low = load_alternating(p), high = load_alternating(p + V::size);
    return {{low.a, high.a}, {low.b, high.b}};
  } else {
    return load_alternating(p);
  }
}

/// to[i] = from[i] for i < n < 2 count, without a call: one in a loop that never makes it costs that loop registers.
template <int count = pair_size / 2, class T>
SIGMAX_FN void copy_first(T* to, const T* from, std::int64_t n) {
  if ((n & count) != 0) {
    std::memcpy(to, from, count * sizeof(T));
    to += count, from += count;
  }
  if constexpr (count > 1) copy_first<count / 2>(to, from, n);
}
/// The first n < pair_size elements; the rest of the pair is zero. Never touches memory beyond them.
template <class T>
SIGMAX_FN pair load_partial(const T* p, std::int64_t n) {
  alignas(64) T t[pair_size] = {};
  copy_first(t, p, n);
  return load(t);
}
template <class T, class Pair = pair>
SIGMAX_FN void store_partial(T* p, Pair v, std::int64_t n) {
  alignas(64) T t[pair_size];
  store<false>(t, v);
  copy_first(p, t, n);
}

// On x86 a partial f32 vector needs no detour through the stack. AVX2's masked loads may touch what they leave out:
// AMD's manual calls their faults implementation dependent, and qemu 7.2 raises them. Its masked stores take Zen some
// 40 operations.
#if defined(__AVX512F__)
SIGMAX_FN vec_mask first_lanes(std::int64_t n) { return vec_mask::from_mask(n >= lanes ? 0xffffu : (1u << n) - 1u); }
SIGMAX_FN vec load_first(const float* p, std::int64_t n) {
  return vec::load(p, first_lanes(n), xsimd::unaligned_mode{});
}
SIGMAX_FN void store_partial(float* p, pair v, std::int64_t n) {
  v.first.store(p, first_lanes(n), xsimd::unaligned_mode{});
  if (n > lanes) v.second.store(p + lanes, first_lanes(n - lanes), xsimd::unaligned_mode{});
}
#elif defined(__SSE2__)
/// n < 4
SIGMAX_FN __m128 load_few(const float* p, std::int64_t n) {
  __m128 v = _mm_setzero_ps();
  if ((n & 2) != 0) v = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  if ((n & 1) == 0) return v;
  const __m128 last = _mm_load_ss(p + (n & 2));
  return (n & 2) != 0 ? _mm_movelh_ps(v, last) : last;
}
SIGMAX_FN vec load_first(const float* p, std::int64_t n) {
  if (n >= lanes) return vec::load_unaligned(p);
#if defined(__AVX2__)
  if ((n & 4) == 0) return _mm256_zextps128_ps256(load_few(p, n));
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), load_few(p + 4, n & 3), 1);
#else
  return load_few(p, n);
#endif
}
#endif
#if defined(__SSE2__)
SIGMAX_FN pair load_partial(const float* p, std::int64_t n) {
  if (n <= lanes) return {load_first(p, n), vec(0.0f)};
  return {vec::load_unaligned(p), load_first(p + lanes, n - lanes)};
}
#endif

/// The first n elements, of more pairs than one all.
template <class V, class T>
SIGMAX_FN V load_turn(const T* p, std::int64_t n) {
  if constexpr (V::size > pair_size)
    return {load(p), load(p + pair_size)};
  else
    return n == pair_size ? load(p) : load_partial(p, n);
}
template <bool streaming, class T, class V>
SIGMAX_FN void store(T* p, two<two<V>> v) {
  store<streaming>(p, v.first);
  store<streaming>(p + pair_size, v.second);
}

/// How many elements come before the first one at which a whole pair can be stored past the caches.
template <class T>
SIGMAX_FN std::int64_t elements_to_alignment(const T* p, std::int64_t n) {
  auto address = reinterpret_cast<std::uintptr_t>(p);
  auto head = static_cast<std::int64_t>((64 - address % 64) % 64 / sizeof(T));
  return head < n ? head : n;
}

/// Non-temporal stores are weakly ordered: this makes them visible before the call returns.
SIGMAX_FN void finish_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace sigmax
