// y[i] = gate(a[i], b[i]) and its derivatives, a pair of batches a turn; a and b apart, or alternating in memory.
#pragma once

#include <cstring>

#include "elementwise.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/gates.hpp"
#include "../kernels/kernel_table.hpp"

namespace sigmax {
namespace {

/// loop(from, to, count, streamed) over runs of whole V that cover [0, n): what comes before alignment in y[0] if
/// `streaming`, all that is whole, and in copies on the stack what is less than a V. Element i of an input takes
/// `width` elements of memory. Who asks for streaming orders the stores: packed rows are many calls. Unlike `map` this
/// holds the loop, and with it the gate, once: a row's code stays small.
template <class V, class T, std::size_t inputs, std::size_t outputs, class Loop>
SIGMAX_FN void each_run(const T* const (&x)[inputs], std::int64_t width, T* const (&y)[outputs], std::int64_t n,
                        bool streaming, Loop loop) {
  alignas(64) T spare_x[inputs][2 * V::size], spare_y[outputs][V::size];
  const std::int64_t edge = streaming ? elements_to_alignment(y[0], n) : 0;
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t left = (i < edge ? edge : n) - i, whole = left - left % V::size;
    const T* from[inputs];
    T* to[outputs];
    for (std::size_t k = 0; k < inputs; ++k) from[k] = x[k] + i * width;
    for (std::size_t k = 0; k < outputs; ++k) to[k] = whole > 0 ? y[k] + i : spare_y[k];
    if (whole == 0) {
      std::memset(spare_x, 0, sizeof spare_x);
      for (std::size_t k = 0; k < inputs; ++k) {
        std::memcpy(spare_x[k], from[k], static_cast<std::size_t>(left * width) * sizeof(T));
        from[k] = spare_x[k];
      }
    }
    loop(from, to, whole > 0 ? whole : V::size, streaming && i >= edge && whole > 0);
    if (whole == 0)
      for (std::size_t k = 0; k < outputs; ++k)
        std::memcpy(y[k] + i, spare_y[k], static_cast<std::size_t>(left) * sizeof(T));
    i += whole > 0 ? whole : left;
  }
}

/// In these loops, which branch on layout and stores, neither gelu's accurate form gains by more than a pair
/// (cpu/README.md).
template <class Gate, class T, accuracy tier, bool once_more = !std::is_same_v<T, float>>
using gate_turn_of = std::conditional_t<(std::is_base_of_v<gelu_op, Gate> ||
                                         std::is_base_of_v<gelu_tanh_op, Gate>)&&!is_tested<Gate, T, once_more, tier>,
                                        pair, turn_of<Gate, T, once_more, tier>>;

template <class Gate, class T, accuracy tier>
void gated(const void* a, const void* b, bool alternate, void* y, std::int64_t n, const parameters& p,
           bool from_memory) noexcept {
  using V = gate_turn_of<Gate, T, tier>;
  const Gate gate = make<Gate>(p);
  const std::int64_t width = alternate ? 2 : 1;
  const T* const inputs[] = {static_cast<const T*>(a), static_cast<const T*>(alternate ? a : b)};
  each_run<V>(
      inputs, width, {static_cast<T*>(y)}, n, from_memory && y != a && y != b,
      [=](const T* const(&from)[2], T* const(&to)[1], std::int64_t count, bool streamed)
          __attribute__((always_inline)) {
            for (std::int64_t i = 0; i < count; i += V::size) {
              const alternating<V> v =
                  alternate ? load_alternating<V>(from[0] + 2 * i)
                            : alternating<V>{load_turn<V>(from[0] + i, V::size), load_turn<V>(from[1] + i, V::size)};
              if (from_memory) prefetch(from[0] + width * i, width * V::size);
              if (from_memory && !alternate) prefetch(from[1] + i, V::size);
              store(to[0] + i, evaluate<T, !std::is_same_v<T, float>, tier>(gate, v.a, v.b), streamed);
            }
          });
}

template <class Gate>
void gated_gradient(const float* dy, const float* a, const float* b, float* da, float* db, std::int64_t n,
                    const parameters& p, bool from_memory) noexcept {
  using V = gate_turn_of<Gate, float, accuracy::high>;
  const Gate gate = make<Gate>(p);
  const bool in_place = da == dy || da == a || da == b || db == dy || db == a || db == b;
  each_run<V>(
      {dy, a, b}, 1, {da, db}, n, from_memory && !in_place,
      [=](const float* const(&from)[3], float* const(&to)[2], std::int64_t count, bool streamed)
          __attribute__((always_inline)) {
            const bool aligned = reinterpret_cast<std::uintptr_t>(to[1]) % 64 == 0;
            for (std::int64_t i = 0; i < count; i += V::size) {
              const V g = load_turn<V>(from[0] + i, V::size), x = load_turn<V>(from[1] + i, V::size),
                      z = load_turn<V>(from[2] + i, V::size);
              if (from_memory)
                for (const float* stream : from) prefetch(stream + i, V::size);
              const partials<V> d = gate.derivative(x, z);
              store(to[0] + i, g * d.a, streamed);
              store(to[1] + i, g * d.b, streamed && aligned);
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
