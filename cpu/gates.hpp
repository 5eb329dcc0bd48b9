// y[i] = gate(a[i], b[i]) and its derivatives, a pair of batches a turn; a and b apart, or alternating in memory.
#pragma once

#include "elementwise.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/gates.hpp"
#include "../kernels/kernel_table.hpp"

namespace sigmax {
namespace {

/// turn(i, count, streamed) for pairs, whole ones and others, that cover [0, n). Unlike the loops of `map` this one
/// holds what it calls once: gates cost more than its branches, and a row's code stays small. `streamed` pairs are
/// whole and aligned in y.
template <class T, class Turn>
SIGMAX_FN void each_pair(const T* y, std::int64_t n, bool streaming, Turn turn) {
  const std::int64_t edge = streaming ? elements_to_alignment(y, n) : 0;
  for (std::int64_t i = 0, count = 0; i < n; i += count) {
    const std::int64_t left = (i < edge ? edge : n) - i;
    count = left < pair_size ? left : pair_size;
    turn(i, count, streaming && i >= edge && count == pair_size);
  }
  if (streaming) finish_streaming();
}

template <class T>
SIGMAX_FN pair load_some(const T* p, std::int64_t count) {
  return count == pair_size ? load(p) : load_partial(p, count);
}
template <class T>
SIGMAX_FN void store_some(T* p, pair v, std::int64_t count, bool streamed) {
  if (streamed)
    store<true>(p, v);
  else if (count == pair_size)
    store<false>(p, v);
  else
    store_partial(p, v, count);
}
template <class T>
SIGMAX_FN void prefetch(const T* p, std::size_t pairs) {
  for (std::size_t line = 0; line < pairs * pair_size * sizeof(T); line += 64)
    __builtin_prefetch(reinterpret_cast<const std::byte*>(p) + prefetch_distance + line);
}

template <class Gate, class T, accuracy tier>
void gated(const void* a, const void* b, bool alternate, void* y, std::int64_t n, const parameters& p,
           bool streaming) noexcept {
  const Gate gate = make<Gate>(p);
  const T *first = static_cast<const T*>(a), *second = static_cast<const T*>(b);
  T* out = static_cast<T*>(y);
  each_pair(
      out, n, streaming, [=](std::int64_t i, std::int64_t count, bool streamed) __attribute__((always_inline)) {
        alternating v;
        if (alternate) {
          v = count == pair_size ? load_alternating(first + 2 * i) : load_alternating_partial(first + 2 * i, count);
          if (streamed) prefetch(first + 2 * i, 2);
        } else {
          v = {load_some(first + i, count), load_some(second + i, count)};
          if (streamed) prefetch(first + i, 1), prefetch(second + i, 1);
        }
        store_some(out + i, evaluate<T, !std::is_same_v<T, float>, tier>(gate, v.a, v.b), count, streamed);
      });
}

template <class Gate>
void gated_gradient(const float* dy, const float* a, const float* b, float* da, float* db, std::int64_t n,
                    const parameters& p, bool streaming) noexcept {
  const Gate gate = make<Gate>(p);
  each_pair(
      da, n, streaming, [=](std::int64_t i, std::int64_t count, bool streamed) __attribute__((always_inline)) {
        const pair g = load_some(dy + i, count), x = load_some(a + i, count), z = load_some(b + i, count);
        if (streamed) prefetch(dy + i, 1), prefetch(a + i, 1), prefetch(b + i, 1);
        const partials<vec> d = gate.derivative(x.first, z.first), e = gate.derivative(x.second, z.second);
        store_some(da + i, {g.first * d.a, g.second * e.a}, count, streamed);
        const bool aligned = reinterpret_cast<std::uintptr_t>(db + i) % 64 == 0;
        store_some(db + i, {g.first * d.b, g.second * e.b}, count, streamed && aligned);
      });
}

/// a[i] = x[2 i], b[i] = x[2 i + 1] as f32, and back with rounding to nearest even.
template <class T>
void separate(const void* x, std::int64_t n, float* a, float* b) noexcept {
  const T* p = static_cast<const T*>(x);
  for (std::int64_t i = 0; i < n; ++i) a[i] = to_float(p[2 * i]), b[i] = to_float(p[2 * i + 1]);
}
template <class T>
void alternate(const float* a, const float* b, std::int64_t n, void* x) noexcept {
  T* p = static_cast<T*>(x);
  for (std::int64_t i = 0; i < n; ++i) from_float(a[i], p[2 * i]), from_float(b[i], p[2 * i + 1]);
}

}  // namespace
}  // namespace sigmax
