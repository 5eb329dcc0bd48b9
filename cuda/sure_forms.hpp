// Forms of activations at their default parameters for 16-bit results on a GPU, by the estimates of short_forms.hpp.
// There are so few 16-bit numbers that all can be tried: short_forms_test takes every input with each estimate off by
// more than it may be, either way, results being monotonic in both.
//
// Sure forms have no ends, since none of their results is so near to the middle between two others that an estimate
// could be on the wrong side: nothing is computed again. Their polynomials are no approximations to so many bits:
// fit/sure_forms.py finds the coefficients that keep all results as far from the middles as can be, and prints how
// far, in units of 2^-24 of the result. Close forms have ends as near as the inputs want them that are next to a
// middle.
#pragma once

#include "short_forms.hpp"

namespace sigmax {
namespace {

/// 2^x 2^(x (log2(e) - 1)): x itself is exact, and neither factor is lost or infinite before the product. Some 20 units
/// more, since e^6.84375 and e^-0.22461 are 1 and 2 units above a middle; the factor is an f32 below log2(e) - 1, for
/// the exponents of e^57 and e^31.125, 27 below and 15 above one.
SIGMAX_FN float sure_form(const exp_op&, float x, bfloat16) {
  return estimate::exp2(x) * estimate::exp2(fma(x, 0x1.c551d8p-2f, 20 * 0x1p-24f * math::log2_e));
}

/// For x > 0 what saturates is 1.
SIGMAX_FN float sure_form(const elu_op&, float x, bfloat16) {
  const float near = x * add_saturated(x, 0x1.fc77fap-2f, 1.0f);
  return if_below(x, -0.04f, estimate::exp2(x * math::log2_e) - 1.0f, near);
}
template <class Type>
SIGMAX_FN float sure_form(const celu_op&, float x, Type type) {
  return sure_form(elu_op{}, x, type);
}
/// The line is the lower one for x > 0, the curve for x < 0.
SIGMAX_FN float sure_form(const selu_op&, float x, bfloat16) {
  constexpr auto scale = static_cast<float>(selu_op::scale), alpha = selu_op::alpha_high;
  const float near = __builtin_fminf(x * scale, x * fma(x, 0x1.bf5cdcp-1f, 0x1.c21266p+0f));
  return if_below(x, -0.03f, fma(estimate::exp2(x * math::log2_e), alpha, -alpha), near);
}

/// max(x, 0) + log(1 + e), e = e^-|x|, by 2^8 e, which the estimate does not lose where bf16 has a result.
SIGMAX_FN float sure_form(const softplus_op&, float x, bfloat16) {
  const float e = estimate::exp2(fma(magnitude(x), -math::log2_e, 8.0f));
  const float p = polynomial(e, -0x1.cd8acap-54f, 0x1.d4d246p-44f, -0x1.cc569ep-35f, 0x1.542814p-26f, -0x1.0048eap-17f,
                             0x1.00006p-8f);
  return fma(e, p, __builtin_fmaxf(x, 0.0f));  // NaN by e
}
SIGMAX_FN float sure_form(const log_sigmoid_op&, float x, bfloat16 type) { return -sure_form(softplus_op{}, -x, type); }

/// cap tanh(x / cap) = cap - 2 cap / (1 + e^(2 x / cap)), near 0 a polynomial.
SIGMAX_FN float sure_tanh(float x, float cap, float last, float third, float first) {
  const float r = estimate::reciprocal(estimate::exp2(x * (2 * math::log2_e / cap)) + 1.0f);
  return if_below(magnitude(x), last, x * fma(x * x, third, first), fma(-2 * cap, r, cap));
}
SIGMAX_FN float sure_form(const tanh_op&, float x, bfloat16) {
  return sure_tanh(x, 1.0f, 0.2f, -0x1.518488p-2f, 0x1.fffb6ap-1f);
}
SIGMAX_FN float sure_form(const softcap_op&, float x, bfloat16) {
  return sure_tanh(x, softcap_op{}.cap, 7.5f, -0x1.15f9bap-13f, 0x1.fffe34p-1f);
}
/// Above |x| - 1 + 2 / (1 + e^2|x|), where a multiple of 2 less 1 is a middle: magnitudes, since the estimate of 1 / 1
/// need not be 1.
SIGMAX_FN float sure_form(const tanhshrink_op&, float x, bfloat16) {
  const float a = magnitude(x), s = x * x;
  const float r = estimate::reciprocal(estimate::exp2(a * (2 * math::log2_e)) + 1.0f);
  const float p = polynomial(s, 0x1.886e6cp-5f, -0x1.103d84p-3f, 0x1.5554e4p-2f);
  return if_below(a, 0.5f, x * (s * p), __builtin_copysignf(fma(2.0f, r, a - 1.0f), x));
}

/// x n / (n + 2) with n = e (e + 2), by 2^16 e and 2^16 n: what the estimate would lose, x brings back.
SIGMAX_FN float sure_form(const mish_op&, float x, bfloat16) {
  const float c = at_least(x, -126.0f);
  const float e = estimate::exp2(fma(__builtin_fminf(c, 29.0f), math::log2_e, 16.0f));
  const float n = e * fma(e, 0x1p-16f, 2.0f);
  return c * (n * estimate::reciprocal(n + 0x1p17f));
}

/// h = (|x| + sqrt(x^2 + 4)) / 2, by a quarter of it, whose reciprocal is no subnormal number; for x < 0 1 / h, 16
/// units less: at -15.875 and -255 it is 1 and 2 units below a middle.
SIGMAX_FN float sure_form(const squareplus_op&, float x, bfloat16) {
  const float a = magnitude(x), c = __builtin_fminf(a, 0x1p60f), s = fma(c, c, 4.0f);
  const float h = fma(0.125f, __builtin_fmaxf(s * estimate::reciprocal_root(s), a), 0.125f * a);  // NaN by a
  return if_below(x, 0.0f, 0.25f * one_plus<-16> * estimate::reciprocal(h), 4.0f * h);
}

SIGMAX_FN float sure_form(const softsign_op&, float x, bfloat16) {
  const float a = at_most(magnitude(x), 0x1p60f);
  return __builtin_copysignf(a * estimate::reciprocal(1.0f + a), x);
}

/// x / 6 + 1 / 2. Results in the middle are those of multiples of 3, which alpha, the f32 next to 1 / 6, above it,
/// moves away from 1 / 2. This does the same by 2 units, which show in f32, and moves no others to another side; at 0,
/// where hard_swish has halves of subnormal numbers in the middle, by none.
SIGMAX_FN float sure_sixth(float x) {
  const float side = add_saturated(x, 0x1p40f, 0.5f);
  return (x + 3.0f) * fma(side, 4 * 0x1p-24f / 6, one_plus<-2> / 6);
}
template <class Type>
SIGMAX_FN float sure_form(const hard_sigmoid_op&, float x, Type) {
  return at_most(at_least(sure_sixth(x), 0.0f), 1.0f);
}
template <class Type>
SIGMAX_FN float sure_form(const hard_swish_op&, float x, Type) {
  const float c = at_least(x, -3.0f);
  return c * multiply_saturated(sure_sixth(c), 1.0f);
}

/// max(x, 0) - a Phi(-a), a = |x|, with Phi(-a) = 2^t, t a polynomial in 2^-12 a: twelve more binades before the
/// estimate of 2^t is lost, all that bf16 has. Near 0 Phi is 1 / 2, whatever the estimate's error: halves of subnormal
/// numbers are middles.
SIGMAX_FN float sure_form(const gelu_op&, float x, bfloat16) {
  const float a = multiply_saturated(magnitude(x), 0x1p-12f);
  const float t = polynomial(a, -0x1.456ceep+78f, 0x1.bad05ep+72f, -0x1.f6f8dap+65f, 0x1.3fd914p+58f, -0x1.011354p+50f,
                             0x1.189b74p+41f, -0x1.b99494p+31f, -0x1.d594f4p+22f, -0x1.26b7cp+12f, 0x1.60000cp+3f);
  return fma(-a, __builtin_fminf(estimate::exp2(t), 2048.0f), positive_part(x));
}
/// 2^12 more before the estimates lose the tail, whose argument ends with a finite factor of 0. Below 2^-100 exact
/// halves.
SIGMAX_FN float sure_form(const gelu_tanh_op&, float x, bfloat16) {
  constexpr float c1 = -math::log2_e * static_cast<float>(gelu_tanh_op::c1), c3 = -math::log2_e * gelu_tanh_op::c3_high;
  const float r = estimate::reciprocal(estimate::exp2(fma(x, fma(x * x, c3, c1), -12.0f)) + 0x1p-12f);
  return __builtin_fmaxf(x, -0x1p100f) * 0x1p-12f * if_below(magnitude(x), 0x1p-100f, 0x1p11f, r);
}

// f16: the same with polynomials of two more coefficients. What the estimates are off by must count little.
SIGMAX_FN float sure_form(const elu_op&, float x, float16) {
  const float p = polynomial(x, 0x1.3cfda2p-9f, 0x1.3a4232p-5f, 0x1.542c94p-3f, 0x1.fff914p-2f);
  const float near = x * add_saturated(x, p, 1.0f);
  return if_below(x, -0.4f, fma(estimate::exp2(x * math::log2_e), 0x1.000012p+0f, -1.0f), near);
}
SIGMAX_FN float sure_form(const selu_op&, float x, float16) {
  constexpr auto scale = static_cast<float>(selu_op::scale);
  const float p = polynomial(x, 0x1.72fc1ep-7f, 0x1.25d6d8p-4f, 0x1.2bd0ep-2f, 0x1.c2121ep-1f, 0x1.c212ccp+0f);
  const float e = estimate::exp2(x * math::log2_e), near = __builtin_fminf(x * scale, x * p);
  return if_below(x, -0.6f, fma(e, 0x1.c21286p+0f, -0x1.c212c2p+0f), near);
}
SIGMAX_FN float sure_form(const tanh_op&, float x, float16) {
  const float r = estimate::reciprocal(estimate::exp2(magnitude(x) * (2 * math::log2_e)) + 1.0f);
  const float p = polynomial(x * x, -0x1.722dfcp-5f, 0x1.0e919ep-3f, -0x1.554676p-2f, 0x1.fffff6p-1f);
  return if_below(magnitude(x), 0.48f, x * p, __builtin_copysignf(fma(-0x1.ffffbep+0f, r, 0x1.fffffap-1f), x));
}
SIGMAX_FN float sure_form(const softcap_op&, float x, float16) {
  const float r = estimate::reciprocal(estimate::exp2(magnitude(x) * (2 * math::log2_e / softcap_op{}.cap)) + 1.0f);
  const float p = polynomial(x * x, -0x1.a2a1dcp-39f, 0x1.6c422ep-26f, -0x1.1797fp-13f, 0x1.fffff6p-1f);
  return if_below(magnitude(x), 24.0f, x * p, __builtin_copysignf(fma(-0x1.8ffff6p+6f, r, 0x1.8ffffap+5f), x));
}
SIGMAX_FN float sure_form(const tanhshrink_op&, float x, float16) {
  const float a = magnitude(x), s = x * x;
  const float r = estimate::reciprocal(estimate::exp2(a * (2 * math::log2_e)) + 1.0f);
  const float p = polynomial(s, 0x1.57aee4p-8f, -0x1.4c3b1ep-6f, 0x1.b794a8p-5f, -0x1.11055p-3f, 0x1.555546p-2f);
  return if_below(a, 0.8f, x * (s * p), __builtin_copysignf(fma(0x1.fffff4p+0f, r, a - 1.0f), x));
}

SIGMAX_FN between close_form(const exp_op&, float x, float16) { return around<6>(estimate::exp2(x * math::log2_e)); }
SIGMAX_FN between close_form(const sigmoid_op&, float x, float16) {
  constexpr float below = one_plus<8>;
  const float r = estimate::reciprocal(fma(estimate::exp2(x * -math::log2_e), below, below));
  return {r, r * one_plus<16>};
}
/// x / (1 + 2^t). Where x = -inf one end is NaN and the other is not: left open.
template <int below, int above>
SIGMAX_FN between close_logistic(float x, float t) {
  const float r = estimate::reciprocal(fma(estimate::exp2(t), one_plus<below>, one_plus<below>));
  return {x * r, x * fma(r, one_plus<above>, lost)};
}
SIGMAX_FN between close_form(const silu_op&, float x, bfloat16) { return close_logistic<4, 10>(x, x * -math::log2_e); }
SIGMAX_FN between close_form(const quick_gelu_op&, float x, bfloat16) {
  return close_logistic<4, 10>(x, x * (-math::log2_e * quick_gelu_op{}.alpha));
}
SIGMAX_FN between close_form(const silu_op&, float x, float16) { return close_logistic<8, 16>(x, x * -math::log2_e); }
SIGMAX_FN between close_form(const quick_gelu_op&, float x, float16) {
  return close_logistic<8, 20>(x, x * (-math::log2_e * quick_gelu_op{}.alpha));
}
SIGMAX_FN between close_form(const gelu_tanh_op&, float x, float16) {
  constexpr float c1 = -math::log2_e * static_cast<float>(gelu_tanh_op::c1), c3 = -math::log2_e * gelu_tanh_op::c3_high;
  return close_logistic<8, 16>(x, x * fma(x * x, c3, c1));
}
SIGMAX_FN between close_form(const mish_op&, float x, float16) {
  constexpr float below = one_plus<14>, above = one_plus<22>;
  const float e = estimate::exp2(__builtin_fminf(x, 20.0f) * math::log2_e), n = e * (e + 2.0f);
  const float q = n * estimate::reciprocal(fma(n, below, 2 * below));
  return {x * q, x * fma(q, above, lost)};
}
SIGMAX_FN between close_form(const softplus_op&, float x, float16) {
  const float e = estimate::exp2(magnitude(x) * -math::log2_e);
  const float p = polynomial(e, -0x1.4c0aecp-7f, 0x1.a0964cp-5f, -0x1.e7f9b6p-4f, 0x1.7f88c6p-3f, -0x1.fec322p-3f,
                             0x1.55c06p-2f, -0x1.000772p-1f, 0x1.000004p+0f);
  return around<6>(fma(e, p, __builtin_fmaxf(x, 0.0f)));  // NaN by e
}
SIGMAX_FN between close_form(const log_sigmoid_op&, float x, float16 type) {
  const between y = close_form(softplus_op{}, -x, type);
  return {-y.from, -y.to};
}
SIGMAX_FN between close_form(const squareplus_op&, float x, float16) {
  const float a = magnitude(x), s = fma(a, a, 4.0f);
  const float h = fma(0.5f, __builtin_fmaxf(s * estimate::reciprocal_root(s), a), 0.5f * a);  // NaN by a
  return around<10>(if_below(x, 0.0f, estimate::reciprocal(h), h));
}
/// As for bf16, up to 5.8: beyond, results are x or -0.
SIGMAX_FN between close_form(const gelu_op&, float x, float16) {
  const float a = __builtin_fminf(magnitude(x), 5.8f);
  const float t = polynomial(a, -0x1.076238p-20f, 0x1.144d3p-16f, -0x1.3f156p-14f, -0x1.9f118ap-12f, 0x1.e2f668p-8f,
                             -0x1.af6844p-5f, -0x1.d6326cp-2f, -0x1.26aeeap+0f, -0x1.fffffep-1f);
  return around<8>(fma(-a, estimate::exp2(t), positive_part(x)));
}

/// Whether an op has the parameters for which the test holds these.
template <class Op>
SIGMAX_FN bool is_default(const Op& op) {
  if constexpr (std::is_empty_v<Op>) {
    return true;
  } else if constexpr (sizeof(Op) == sizeof(float)) {
    const auto [value] = op;
    const auto [usual] = Op{};
    return value == usual;
  } else {
    const auto [first, second] = op;
    const auto [usual_first, usual_second] = Op{};
    return first == usual_first && second == usual_second;
  }
}

/// The same op, of which the compiler knows nothing here: else it would compute what only other parameters or the long
/// form need, divisions among it, before it asks whether they are needed.
template <class Op>
SIGMAX_FN Op afresh(Op op) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_empty_v<Op>) {
  } else if constexpr (sizeof(Op) == sizeof(float)) {
    auto& [value] = op;
    asm volatile("" : "+f"(value));
  } else {
    auto& [first, second] = op;
    asm volatile("" : "+f"(first), "+f"(second));
  }
#endif
  return op;
}

template <class Op, class Type>
concept has_sure_form = requires(const Op& op, float x, Type type) {
  sure_form(op, x, type);
  op(x);  // no gate
};
template <class Op, class Type>
concept has_close_form = requires(const Op& op, float x, Type type) {
  close_form(op, x, type);
  op(x);
};

}  // namespace
}  // namespace sigmax
