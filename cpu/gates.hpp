// y[i] = gate(a[i], b[i]) and its derivatives, a pair of batches a turn; a and b apart, or alternating in memory.
#pragma once

#include <cstring>

#include "elementwise.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/gates.hpp"
#include "../kernels/kernel_table.hpp"

namespace sigmax {
namespace {

/// loop(from, to, count, streamed) over runs of whole pairs that cover [0, n): what comes before alignment in y[0] if
/// `streaming`, all that is whole, and in copies on the stack what is less than a pair. Element i of an input takes
/// `width` elements of memory. Who asks for streaming orders the stores: packed rows are many calls. Unlike `map` this
/// holds the loop, and with it the gate, once: a row's code stays small.
template <class T, std::size_t inputs, std::size_t outputs, class Loop>
SIGMAX_FN void each_run(const T* const (&x)[inputs], std::int64_t width, T* const (&y)[outputs], std::int64_t n,
                        bool streaming, Loop loop) {
  alignas(64) T spare_x[inputs][2 * pair_size], spare_y[outputs][pair_size];
  const std::int64_t edge = streaming ? elements_to_alignment(y[0], n) : 0;
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t left = (i < edge ? edge : n) - i, whole = left - left % pair_size;
    const T* from[inputs];
    T* to[outputs];
    for (std::size_t v = 0; v < inputs; ++v) from[v] = x[v] + i * width;
    for (std::size_t v = 0; v < outputs; ++v) to[v] = whole > 0 ? y[v] + i : spare_y[v];
    if (whole == 0) {
      std::memset(spare_x, 0, sizeof spare_x);
      for (std::size_t v = 0; v < inputs; ++v) {
        std::memcpy(spare_x[v], from[v], static_cast<std::size_t>(left * width) * sizeof(T));
        from[v] = spare_x[v];
      }
    }
    loop(from, to, whole > 0 ? whole : pair_size, streaming && i >= edge && whole > 0);
    if (whole == 0)
      for (std::size_t v = 0; v < outputs; ++v)
        std::memcpy(y[v] + i, spare_y[v], static_cast<std::size_t>(left) * sizeof(T));
    i += whole > 0 ? whole : left;
  }
}

template <class T>
SIGMAX_FN void store(T* p, pair v, bool streamed) {
  if (streamed)
    store<true>(p, v);
  else
    store<false>(p, v);
}

template <class Gate, class T, accuracy tier>
void gated(const void* a, const void* b, bool alternate, void* y, std::int64_t n, const parameters& p,
           bool streaming) noexcept {
  const Gate gate = make<Gate>(p);
  const std::int64_t width = alternate ? 2 : 1;
  const T* const inputs[] = {static_cast<const T*>(a), static_cast<const T*>(alternate ? a : b)};
  each_run(
      inputs, width, {static_cast<T*>(y)}, n, streaming,
      [=](const T* const(&from)[2], T* const(&to)[1], std::int64_t count, bool streamed)
          __attribute__((always_inline)) {
            for (std::int64_t i = 0; i < count; i += pair_size) {
              const alternating v =
                  alternate ? load_alternating(from[0] + 2 * i) : alternating{load(from[0] + i), load(from[1] + i)};
              if (streamed) prefetch(from[0] + width * i, width * pair_size);
              if (streamed && !alternate) prefetch(from[1] + i, pair_size);
              store(to[0] + i, evaluate<T, !std::is_same_v<T, float>, tier>(gate, v.a, v.b), streamed);
            }
          });
}

template <class Gate>
void gated_gradient(const float* dy, const float* a, const float* b, float* da, float* db, std::int64_t n,
                    const parameters& p, bool streaming) noexcept {
  const Gate gate = make<Gate>(p);
  each_run(
      {dy, a, b}, 1, {da, db}, n, streaming,
      [=](const float* const(&from)[3], float* const(&to)[2], std::int64_t count, bool streamed)
          __attribute__((always_inline)) {
            const bool aligned = reinterpret_cast<std::uintptr_t>(to[1]) % 64 == 0;
            for (std::int64_t i = 0; i < count; i += pair_size) {
              const pair g = load(from[0] + i), x = load(from[1] + i), z = load(from[2] + i);
              if (streamed)
                for (const float* stream : from) prefetch(stream + i, pair_size);
              const partials<vec> d = gate.derivative(x.first, z.first), e = gate.derivative(x.second, z.second);
              store(to[0] + i, {g.first * d.a, g.second * e.a}, streamed);
              store(to[1] + i, {g.first * d.b, g.second * e.b}, streamed && aligned);
            }
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
