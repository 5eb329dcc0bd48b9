// y[i] = f(x[i]) over contiguous memory, two batches a turn, the end through the same f.
#pragma once

#include <bit>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "load_store.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/activations/parameter.hpp"
#include "../kernels/math.hpp"

namespace sigmax {
namespace {

/// How far ahead of the loads a streaming loop asks for its input, in bytes. See cpu/README.md.
inline constexpr std::size_t prefetch_distance = 4096;

template <class T>
SIGMAX_FN void prefetch(const T* p, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 64 / static_cast<std::int64_t>(sizeof(T)))
    __builtin_prefetch(reinterpret_cast<const std::byte*>(p + i) + prefetch_distance);
}

template <bool streamed, class V, class T, class To, class F>
SIGMAX_FN std::int64_t map_turns(const T* x, To* y, std::int64_t i, std::int64_t end, F f) {
  for (; i + V::size <= end; i += V::size) {
    if constexpr (streamed) prefetch(x + i, V::size);
    store<streamed>(y + i, f(i, load_turn<V>(x + i, V::size), V::size));
  }
  return i;
}
/// y[i] = f(x[i]), as f(i, V from there on, how many of it count), which are all but at the end, where V is a pair.
/// `streaming`, where x is not y, from where y is aligned on: a line that was also stored to through the caches would
/// come from memory first. finish_streaming() is the caller's: a fence for each of many short rows would take most of
/// the time.
template <class V = pair, class T, class To, class F>
SIGMAX_FN void map(const T* x, To* y, std::int64_t n, bool streaming, F f) {
  std::int64_t end = streaming && static_cast<const void*>(x) != y ? elements_to_alignment(y, n) : n;
  for (std::int64_t i = map_turns<false, V>(x, y, 0, end, f);; i = map_turns<true, V>(x, y, end, n, f), end = n) {
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

/// |y|, moved up where f16 is subnormal, so that a middle between two f16 always ends in the same bits.
template <class V>
SIGMAX_FN V above_subnormal_f16(V y) {
  constexpr float smallest = 0x1p-14f;  // normal f16; below it steps are equal, as they are from there to its double
  V a = abs(y);
  return select(a < V(smallest), a + V(smallest), a);
}

/// Where y is the middle between two numbers of either 16-bit type.
SIGMAX_FN vec_mask is_middle(vec y) {
  const auto ends_in = [](vec v, std::uint32_t middle) __attribute__((always_inline)) {
    return xsimd::batch_bool_cast<float>((bits_of(v) & vec_bits(2 * middle - 1)) == vec_bits(middle));
  };
  return ends_in(above_subnormal_f16(y), 0x1000u) | ends_in(y, 0x8000u);
}

template <class M>
SIGMAX_FN M any_of(M m) {
  return m;
}
template <class M>
SIGMAX_FN auto any_of(two<M> m) {
  return any_of(m.first) | any_of(m.second);
}
/// Whether one of y may round to another number of T if it is up to `slack` ULP off.
template <class T, std::uint32_t slack, class V>
SIGMAX_FN vec_mask unsure(V y) {
  using U = decltype(bits_of(y));
  if constexpr (std::is_same_v<T, bfloat16>) {
    // The first sum is stored.
    const U differ = (bits_of(y) + U(0x7fffu - slack)) ^ (bits_of(y) + U(0x8000u + slack));
    return xsimd::batch_bool_cast<float>((any_of(differ) & vec_bits(0xffff0000u)) != vec_bits(0u));
  } else {
    constexpr std::uint32_t wide = std::bit_ceil(slack), kept = slack > 0 ? 0x1fffu & ~(2 * wide - 1) : 0x1fffu;
    U u = bits_of(above_subnormal_f16(y));
    if constexpr (slack > 0) u = u + U(wide);
    return xsimd::batch_bool_cast<float>(any_of((u & U(kept)) == U(0x1000u)));
  }
}
SIGMAX_FN vec smallest_of(vec x) { return x; }
template <class V>
SIGMAX_FN vec smallest_of(two<V> x) {
  return smaller(smallest_of(x.first), smallest_of(x.second));
}
/// What is stored of a y that is a number of T: a bf16 as the upper halves of words.
template <class T, class V>
SIGMAX_FN auto exact(V y) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return bits_of(y);
  else
    return y;
}
/// The same of one that is sure. For bf16 the test has its sum already.
template <class T, std::uint32_t slack, class V>
SIGMAX_FN auto sure(V y) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    const auto u = bits_of(y);
    return u + decltype(u)(0x7fffu - slack);
  } else {
    return y;
  }
}

/// The fast form, or what an op has in its place that keeps the tail.
template <class Op, class... Twos>
SIGMAX_FN auto approximate(const Op& op, Twos... x) {
  if constexpr (requires { op.fast_with_tail(x...); })
    return op.fast_with_tail(x...);
  else
    return op.fast(x...);
}
/// What an activation takes; a gate tells which of its two arguments that is.
template <class Op, class V>
SIGMAX_FN V activated(const Op&, V x) {
  return x;
}
template <class Op, class V>
SIGMAX_FN V activated(const Op& op, V a, V b) {
  return op.activated(a, b);
}
template <class Op, class... Pairs>
__attribute__((noinline)) pair high_called(const Op op, Pairs... x) {
  return op(x...);
}

/// Whether a 16-bit result is computed again where it is near a middle, from the fast form.
template <class Op, class T, bool once_more, accuracy tier>
inline constexpr bool is_tested =
    tier == accuracy::high&& once_more && !std::is_same_v<T, float> && has_fma && fast_serves<Op, T>;

/// y, from the fast form or with a residual, if it is near enough to what it should be; else that, pair by pair.
template <class T, std::uint32_t slack, class Op, class V, class... Twos>
SIGMAX_FN auto settled(const Op& op, two<V> y, Twos... x) {
  vec_mask again = unsure<T, slack>(y);
  if constexpr (requires { op.fast_from(); })
    again = again | !(smallest_of(activated(op, x...)) >= vec(op.fast_from()));  // also where a NaN may hide others
  auto stored = sure<T, slack>(y);
  if (!xsimd::any(again)) return stored;
  if constexpr (!std::is_same_v<two<V>, pair>) {
    return decltype(stored){settled<T, slack>(op, y.first, x.first...), settled<T, slack>(op, y.second, x.second...)};
  } else {
    if constexpr (has_residual<Op, vec>)
      y = math::round_to_odd(y, op.residual(x..., y));
    else
      y = high_called(op, x...);
    if constexpr (std::is_same_v<T, bfloat16>)
      return rounded_to_bf16(y);
    else
      return y;
  }
}

/// op(x), or op(a, b) of a gate, for a result of type T, or of any 16-bit type if T is float and `once_more`. A 16-bit
/// result is the same whichever form it comes from, unless it is near a middle (Ziv's rounding test, ACM TOMS 17,
/// 1991); an op that can tell its exact value is rounded to odd there.
template <class T, bool once_more, accuracy tier, class Op, class... Twos>
SIGMAX_FN auto evaluate(const Op& op, Twos... x) {
  if constexpr (tier == accuracy::fast) {
    return op.fast(x...);
  } else if constexpr (is_tested<Op, T, once_more, tier>) {
    return settled<T, static_cast<std::uint32_t>(Op::bound + Op::bound_fast + 1)>(op, approximate(op, x...), x...);
  } else if constexpr (keeps_dtype<Op>) {
    return exact<T>(op(x...));
  } else if constexpr (!once_more || !has_residual<Op, vec>) {
    return op(x...);
  } else if constexpr (!std::is_same_v<T, float>) {
    constexpr int digits = std::is_same_v<T, bfloat16> ? 8 : 11;
    if constexpr (has_fma && requires { op.template rounded_once<digits>(x...); })
      if (op.rounds_once()) return exact<T>(op.template rounded_once<digits>(x...));
    return settled<T, 0>(op, op(x...), x...);
  } else {
    pair y = op(x...);
    if (xsimd::any(is_middle(y.first) | is_middle(y.second))) y = math::round_to_odd(y, op.residual(x..., y));
    return y;
  }
}

/// What a loop of op works on in a turn. A formula is a long chain: with two vectors the schedulers of a CPU fill up
/// with what cannot start yet, and pipes for 256 bits go hungry. Those for 512 bits do not, gelu's accurate form keeps
/// too much for 16 registers, and so do residuals and f16's test (cpu/README.md).
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
void forward(const void* x, void* y, std::int64_t n, const parameters& p, bool streaming) noexcept {
  const Op op = make<Op>(p);
  map<turn_of<Op, T, once_more, tier>>(
      static_cast<const T*>(x), static_cast<T*>(y), n,
      streaming, [op](std::int64_t, auto v, std::int64_t) __attribute__((always_inline)) {
        return evaluate<T, once_more, tier>(op, v);
      });
  if (streaming) finish_streaming();
}

template <class Op>
void gradient(const float* dy, const float* x, float* dx, std::int64_t n, const parameters& p,
              bool streaming) noexcept {
  const Op op = make<Op>(p);
  map<turn_of<Op, float, false, accuracy::high>>(
      x, dx, n, streaming, [ op, dy ](std::int64_t i, auto v, std::int64_t count) __attribute__((always_inline)) {
        return load_turn<decltype(v)>(dy + i, count) * op.derivative(v);
      });
  if (streaming) finish_streaming();
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
