// y[i] = f(x[i]) over contiguous memory, two batches a turn, the end through the same f.
#pragma once

#include <cstddef>
#include <limits>
#include <type_traits>

#include "evaluate.hpp"

namespace sigmax {
namespace {

template <class V, class T>
SIGMAX_FN void store(T* p, V v, bool streamed) {
  if (streamed)
    store<true>(p, v);
  else
    store<false>(p, v);
}

template <bool from_memory, class V, class T, class To, class F>
SIGMAX_FN std::int64_t map_turns(const T* x, To* y, std::int64_t i, std::int64_t end, bool in_place, F f) {
  for (; i + V::size <= end; i += V::size) {
    if constexpr (from_memory) prefetch(x + i, V::size);
    store(y + i, f(i, load_turn<V>(x + i, V::size), V::size), from_memory && !in_place);
  }
  return i;
}
/// y[i] = f(x[i]), as f(i, V from there on, how many of it count), which are all but at the end, where V is a pair.
/// `from_memory`: x is asked for early and y streamed, unless y is x or what else f reads, from where it is aligned on:
/// a line that was also stored to through the caches would come from memory first. finish_streaming() is the caller's:
/// a fence for each of many short rows would take most of the time.
template <class V = pair, class T, class To, class F>
SIGMAX_FN void map(const T* x, To* y, std::int64_t n, bool from_memory, F f, const void* read_too = nullptr) {
  const bool in_place = static_cast<const void*>(x) == y || read_too == y;
  std::int64_t end = !from_memory ? n : in_place ? 0 : elements_to_alignment(y, n);
  for (std::int64_t i = map_turns<false, V>(x, y, 0, end, in_place, f);;
       i = map_turns<true, V>(x, y, end, n, in_place, f), end = n) {
    while (i < end) {
      const std::int64_t count = V::size > pair_size && end - i > pair_size ? pair_size : end - i;
      const auto v = f(i, load_turn<pair>(x + i, count), count);
      if (V::size > pair_size && count == pair_size)
        store<false>(y + i, v);
      else
        store_partial(y + i, v, count);
      i += count;
      if (V::size == pair_size) break;
    }
    if (end == n) break;
  }
}

/// What a loop of op works on in a turn. A formula is a long chain: with two vectors the schedulers of a CPU fill up
/// with what cannot start yet, and pipes for 256 bits go hungry. Those for 512 bits do not, gelu's accurate form keeps
/// too much for 16 registers, and so do residuals beside what f16 and f32 ask for (cpu/README.md).
struct gelu_op;
template <class Op, class T, bool once_more, accuracy tier>
inline constexpr bool is_crowded =
    tier == accuracy::high && !is_tested<Op, T, once_more, tier> &&
    (std::is_base_of_v<gelu_op, Op> ||
     (once_more && has_residual<Op, vec> &&
      (std::is_same_v<T, float> || (std::is_same_v<T, float16> && !requires(const Op& op) { op.rounds_once(); }))));
template <class Op, class T, bool once_more, accuracy tier>
using turn_of = std::conditional_t<lanes == 8 && !is_crowded<Op, T, once_more, tier>, two<pair>, pair>;

template <class Op, class T, bool once_more, accuracy tier>
void forward(const void* x, void* y, std::int64_t n, const parameters& p, bool from_memory) noexcept {
  const Op op = make<Op>(p);
  map<turn_of<Op, T, once_more, tier>>(
      static_cast<const T*>(x), static_cast<T*>(y), n,
      from_memory, [op](std::int64_t, auto v, std::int64_t) __attribute__((always_inline)) {
        return evaluate<T, once_more, tier>(op, v);
      });
  if (from_memory) finish_streaming();
}

template <class Op>
void gradient(const float* dy, const float* x, float* dx, std::int64_t n, const parameters& p,
              bool from_memory) noexcept {
  const Op op = make<Op>(p);
  map<turn_of<Op, float, false, accuracy::high>>(
      x, dx, n, from_memory,
      [=](std::int64_t i, auto v, std::int64_t count) __attribute__((always_inline)) {
        if (from_memory) prefetch(dy + i, decltype(v)::size);
        return load_turn<decltype(v)>(dy + i, count) * op.derivative(v);
      },
      dy);
  if (from_memory) finish_streaming();
}

/// 16 bits to f32, or f16 back, by vectors.
template <class From, class To>
SIGMAX_FN void convert(const From* x, To* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + pair_size <= n; i += pair_size) store<false>(y + i, load(x + i));
  if (i < n) store_partial(y + i, load_partial(x + i, n - i), n - i);
}

template <class T>
void gather(const void* x, std::int64_t stride, std::int64_t n, float* out) noexcept {
  const T* p = static_cast<const T*>(x);
  if constexpr (sizeof(T) == 2)
    if (stride == 1) return convert(static_cast<const ordered<T>*>(x), out, n);
  if (stride == 1)
    for (std::int64_t i = 0; i < n; ++i) out[i] = to_float(p[i]);
  else
    for (std::int64_t i = 0; i < n; ++i) out[i] = to_float(p[i * stride]);
}

/// To contiguous memory, by vectors.
template <class T>
void scatter_row(const float* x, void* out, std::int64_t n, bool streaming) noexcept {
  map(x, static_cast<ordered<T>*>(out), n, streaming, [](std::int64_t, pair v, std::int64_t) {
    if constexpr (!std::is_same_v<T, bfloat16>) return v;
    const vec nan(std::numeric_limits<float>::quiet_NaN());  // whose sum with what rounds is a NaN
    return pair{select(v.first == v.first, v.first, nan), select(v.second == v.second, v.second, nan)};
  });
}

template <class T>
void scatter(const float* x, void* out, std::int64_t stride, std::int64_t n) noexcept {
  T* p = static_cast<T*>(out);
  if constexpr (std::is_same_v<T, float16>)
    if (stride == 1) return convert(x, p, n);
  if constexpr (std::is_same_v<T, bfloat16>)  // of few its ends take longer
    if (stride == 1 && n >= 64) return scatter_row<T>(x, out, n, false);
  if (stride == 1)
    for (std::int64_t i = 0; i < n; ++i) from_float(x[i], p[i]);
  else
    for (std::int64_t i = 0; i < n; ++i) from_float(x[i], p[i * stride]);
}

}  // namespace
}  // namespace sigmax
