// One turn of a formula: its accurate or fast form, and results of 16 bits, which come from the shorter form where both
// round to the same number. Of how that is told: cpu/README.md, "16-bit results".
#pragma once

#include <bit>
#include <type_traits>

#include "load_store.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/activations/parameter.hpp"
#include "../kernels/math.hpp"

namespace sigmax {
namespace {

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
/// The smallest of x and `so_far`, which is no NaN; those in x are passed over.
SIGMAX_FN vec smallest_of(vec x, vec so_far) { return smaller(so_far, x); }
template <class V>
SIGMAX_FN vec smallest_of(two<V> x, vec so_far) {
  return smallest_of(x.second, smallest_of(x.first, so_far));
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
    again = again | (smallest_of(activated(op, x...), vec(infinity)) < vec(op.fast_from()));
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

}  // namespace
}  // namespace sigmax
