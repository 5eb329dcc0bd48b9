// Forms of activations for 16-bit results on a GPU, by the hardware's estimates of 2^t and 1 / d. An estimate's bits
// are the machine's, so a form returns two numbers that its op's long form lies between, in any order: where both round
// to one 16-bit number, that is the result, else the long form is computed (elementwise.cuh). These hold for any
// parameters and inputs, those of gates too; sure_forms.hpp has shorter ones for less, slope_forms.hpp those of
// derivatives. An op without any takes its long form. Errors below are in units of 2^-24, relative: half an ULP at
// most, an ULP at least two of them.
#pragma once

#include <cmath>

#include "../kernels/activations.hpp"
#include "../kernels/gates.hpp"

/// On the CPU estimates are right to the last bit, or off by this, in parts of what they may be off:
/// tests/short_forms_test.cpp.
#if !defined(SIGMAX_ESTIMATE_ERROR)
#define SIGMAX_ESTIMATE_ERROR(estimate, of) 0.0
#endif

namespace sigmax {
namespace {
namespace estimate {

/// 2^t within 4, the 2^-22 of the PTX ISA ("ex2"; the CUDA C++ Programming Guide has exp2f, which it is, within 2 ULP).
/// 0 below 2^-126, inf from 2^128 on.
SIGMAX_FN float exp2(float t) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(t));
  return y;
#else
  const double exact = std::exp2(static_cast<double>(t));
  const auto y = static_cast<float>(exact * (1 + 0x1p-22 * SIGMAX_ESTIMATE_ERROR(exp2, t)));
  return y < 0x1p-126f ? 0.0f : y;
#endif
}

/// 1 / d within 2, the ULP of the PTX ISA ("rcp"), for d > 0. 0 where that is subnormal.
SIGMAX_FN float reciprocal(float d) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(d));
  return y;
#else
  const auto y =
      static_cast<float>(1.0 / static_cast<double>(d) * (1 + 0x1p-23 * SIGMAX_ESTIMATE_ERROR(reciprocal, d)));
  return y < 0x1p-126f ? 0.0f : y;
#endif
}

/// 1 / sqrt(s) within 4, for normal s > 0. PTX has 2^-22.9 ("rsqrt"), the programming guide 2 ULP of rsqrtf, which it
/// is.
SIGMAX_FN float reciprocal_root(float s) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(s));
  return y;
#else
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(s)) * (1 + 0x1p-22 * SIGMAX_ESTIMATE_ERROR(exp2, s)));
#endif
}

}  // namespace estimate

/// a b within [0, 1], 0 for NaN: a flag of the multiplication where a maximum would be an instruction at half the rate.
SIGMAX_FN float multiply_saturated(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __saturatef(a * b);
#else
  const float p = a * b;
  return p > 0 ? p < 1 ? p : 1.0f : 0.0f;
#endif
}

/// a x + b within [0, 1], the same.
SIGMAX_FN float add_saturated(float x, float a, float b) {
#if defined(__CUDA_ARCH__)
  return __saturatef(fma(a, x, b));
#else
  return multiply_saturated(fma(a, x, b), 1.0f);
#endif
}

/// |x|, which the compiler makes a flag of the instruction that takes it; `abs` on bits is one of its own.
SIGMAX_FN float magnitude(float x) { return __builtin_fabsf(x); }

SIGMAX_FN float positive_part(float x) { return at_least(x, -0.0f); }

/// x < bound ? yes : no, both computed: nvcc makes branches of long sides, which a warp then takes one after the other.
SIGMAX_FN float if_below(float x, float bound, float yes, float no) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("{.reg .pred p; setp.lt.f32 p, %1, %2; selp.f32 %0, %3, %4, p;}"
      : "=f"(y)
      : "f"(x), "f"(bound), "f"(yes), "f"(no));
  return y;
#else
  return x < bound ? yes : no;
#endif
}

/// p[0] x^(n-1) + ... + p[n-1]; the coefficients are printed by fit/short_forms.py, with errors.
template <class... Rest>
SIGMAX_FN float polynomial(float x, float p, Rest... rest) {
  ((p = fma(p, x, rest)), ...);
  return p;
}

template <int units>
inline constexpr float one_plus = 1 + units * 0x1p-24f;  // above 1 of even units

struct between {
  float from, to;
};
SIGMAX_FN between operator*(between y, float b) { return {y.from * b, y.to * b}; }
/// So many units either side of y.
template <int units>
SIGMAX_FN between around(float y) {
  return {y * one_plus<-units>, y * one_plus<units>};
}

/// A result below 2^-126 may be lost in an estimate: what the upper end then still has.
inline constexpr float lost = 0x1p-125f;

/// x (1 + 3 ULP): a factor of an exponent that is too large by 3 to 6 units, so that what is rounded once more is too
/// large by 1 at least.
SIGMAX_FN float enlarged(float x) { return from_bits(bits_of(x) + 3u); }
/// Of an exponent that is 9 units too large, the relative error of 2^t for each unit of t: 9 ln 2.
inline constexpr float exponent_slack = 7 * 0x1p-24f;

/// 1 / (1 + 2^t) for a t that is too large in magnitude by at most 9 units. Then 2^t is above its value for t > 0, so
/// the lower end is right, and the upper end is further away by what t may be off. For t < 0 it is below by
/// 9 |t| 2^t ln 2 units, at most 3.4, which counts for less than 2.3 in the sum. `below` has that or (for t > 0) the
/// estimate's 4, a rounding of the sum 1, the reciprocal 2, the long form's 2 ULP (4), and 3 for what a product may
/// add; the upper end all that on both sides.
SIGMAX_FN between logistic(float t) {
  constexpr float below = one_plus<14>, above = one_plus<30>;
  const float r = estimate::reciprocal(fma(estimate::exp2(t), below, below));
  return {r, fma(r, multiply_saturated(t, exponent_slack) + above, lost)};
}
/// The same of z = x beta, negated.
SIGMAX_FN between logistic(float x, float beta) { return logistic(x * enlarged(-math::log2_e * beta)); }

// What x is multiplied by.
SIGMAX_FN between factor(const silu_op& op, float x) { return logistic(x, op.beta); }
SIGMAX_FN between factor(const quick_gelu_op& op, float x) { return logistic(x, op.alpha); }
SIGMAX_FN between factor(const gelu_tanh_op&, float x) {
  const float c1 = enlarged(-math::log2_e * static_cast<float>(gelu_tanh_op::c1)),
              c3 = enlarged(-math::log2_e * gelu_tanh_op::c3_high);
  return logistic(x * fma(x * x, c3, c1));
}
template <class Op>
concept has_factor = requires(const Op& op, float x) {
  factor(op, x);
};

SIGMAX_FN between short_form(const sigmoid_op&, float x) { return logistic(x, 1.0f); }
/// Where x = -inf one end is 0 inf = NaN and the other is not: left open, as all is whose tail is lost.
template <has_factor Op>
SIGMAX_FN between short_form(const Op& op, float x) {
  return factor(op, x) * x;
}

/// h = (|x| + sqrt(x^2 + b)) / 2, for x < 0 b / (4 h). The root's estimate 4, the reciprocal's 2, roundings 4, the long
/// form 4.
SIGMAX_FN between short_form(const squareplus_op& op, float x) {
  const float a = magnitude(x), c = __builtin_fminf(a, 0x1p60f), s = fma(c, c, op.b);
  const float r = __builtin_fmaxf(s * estimate::reciprocal_root(s), a);
  const float h = fma(0.5f, r, 0.5f * a);  // NaN by a
  const float y = if_below(x, 0.0f, 0.25f * op.b * estimate::reciprocal(h), h);
  return {y * one_plus<-16>, fma(y, one_plus<16>, 0.25f * op.b * lost)};
}

/// max(x, 0) + log(1 + e) / beta with e = e^-|beta x|, which is too small by what is said at `logistic`: for x > 0 that
/// makes 2 units of the sum at most. The estimate 4, log(1 + e) / e 3.9 and 2 for roundings, four more roundings, the
/// long form 4.
SIGMAX_FN between short_form(const softplus_op& op, float x) {
  const float t = x * enlarged(-math::log2_e * op.beta), e = estimate::exp2(-magnitude(t));
  const float p = polynomial(e, -0x1.17cfc6p-7f, 0x1.692e66p-5f, -0x1.b91048p-4f, 0x1.6b6c1cp-3f, -0x1.f5aac0p-3f,
                             0x1.54bdacp-2f, -0x1.fff932p-2f, 0x1.fffffap-1f);
  const float y = fma(e * p, 1.0f / op.beta, __builtin_fmaxf(x, 0.0f));  // NaN by e
  return {y * one_plus<-20>, fma(y, multiply_saturated(t, exponent_slack) + one_plus<20>, lost / op.beta)};
}

/// cap tanh(x / cap), an odd polynomial up to 0.6 cap, within 1.6, above cap (1 - 2 / (1 + e^2|x / cap|)). There what
/// the exponential, its argument and the reciprocal are off by, up to 10 units, counts for 0.9 of it and less further
/// up; a rounding and the long form make 6 more.
SIGMAX_FN between short_form(const softcap_op& op, float x) {
  const float cap = op.cap, one_over_cap = 1.0f / cap;
  const float e = estimate::exp2(magnitude(x) * (2 * math::log2_e * one_over_cap));
  const float large = fma(-2 * cap, estimate::reciprocal(e + 1.0f), cap);
  const float u = x * one_over_cap;
  const float p = polynomial(u * u, 0x1.fb194ap-7f, -0x1.aad0bap-5f, 0x1.1097a4p-3f, -0x1.5552a6p-2f, 0x1.fffffep-1f);
  return around<16>(if_below(magnitude(x), 0.6f * cap, x * p, __builtin_copysignf(large, x)));
}

/// log2(Phi(-a)) for a in [0, 5.8].
SIGMAX_FN float log2_of_tail(float a) {
  return polynomial(a, -0x1.eac96ap-27f, 0x1.f7d176p-22f, -0x1.b982d4p-18f, 0x1.9e912cp-15f, -0x1.7a4e7ap-13f,
                    -0x1.d1a4fcp-13f, 0x1.dabd1cp-8f, -0x1.af6f50p-5f, -0x1.d627e0p-2f, -0x1.26af8ep+0f,
                    -0x1.fffff6p-1f);
}
/// max(x, 0) - a Phi(-a), a = |x|, with Phi(-a) = 2^t, a up to 5.8. Beyond, results of f16 are x or
/// -0; below -5.8 one end is all of what is subtracted there, the other -0, which leaves bf16 open. For each unit of
/// |t|, which is 1 at least, its roundings make 1.5; beside them the polynomial 5, the estimate 4, the sum 1, the long
/// form 4.
SIGMAX_FN between short_form(const gelu_op&, float x) {
  constexpr float last = 5.8f, steep = 0x1p20f;
  const float a = __builtin_fminf(magnitude(x), last), t = log2_of_tail(a);
  const float y = fma(-a, estimate::exp2(t), positive_part(x));
  const float slack = fma(t, -1.5f * 0x1p-24f, 14 * 0x1p-24f);
  const float kept = add_saturated(x, steep, last * steep);
  return {fma(y, -slack, y), y * fma(kept, slack, kept)};
}

template <class Op, class... Inputs>
concept has_short_form = requires(const Op& op, Inputs... x) {
  short_form(op, x...);
};

// The product's rounding moves both ends and the long form's result alike.
template <class Op>
SIGMAX_FN between gate_factor(const Op& op, float x) {
  return short_form(op, x);
}
/// With x finite: at -inf one end would be NaN, and times 0 so would be the other.
template <has_factor Op>
SIGMAX_FN between gate_factor(const Op& op, float x) {
  return factor(op, x) * __builtin_fmaxf(x, -largest);
}
template <class Op>
requires has_short_form<Op, float> SIGMAX_FN between short_form(const act_and_mul<Op>& gate, float a, float b) {
  return gate_factor(static_cast<const Op&>(gate), a) * b;
}
template <class Op>
requires has_short_form<Op, float> SIGMAX_FN between short_form(const mul_and_act<Op>& gate, float a, float b) {
  return gate_factor(static_cast<const Op&>(gate), b) * a;
}
SIGMAX_FN between short_form(const swiglu_oai_gate& gate, float a, float b) {
  return gate_factor(silu_op{gate.alpha}, gate.gate_of(a)) * (gate.value_of(b) + 1.0f);
}

}  // namespace
}  // namespace sigmax
