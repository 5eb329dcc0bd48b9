// Forms of activations for 16-bit results on a GPU, by the hardware's estimates of 2^t and 1 / d. An estimate's bits are
// the machine's, so a form returns two numbers that its op's long form lies between, in any order: where both round to
// one 16-bit number, that is the result, else the long form is computed (elementwise.cuh). An op without such a form
// takes its own ones. Errors below are in units of 2^-24, relative: half an ULP at most, an ULP at least two of them.
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
  const auto y = static_cast<float>(1.0 / static_cast<double>(d) * (1 + 0x1p-23 * SIGMAX_ESTIMATE_ERROR(reciprocal, d)));
  return y < 0x1p-126f ? 0.0f : y;
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

struct between {
  float from, to;
};
SIGMAX_FN between operator*(between y, float b) { return {y.from * b, y.to * b}; }

template <int units>
inline constexpr float one_plus = 1 + units * 0x1p-24f;
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
  const float c1 = enlarged(-math::log2_e * gelu_tanh_op::c1_high), c3 = enlarged(-math::log2_e * gelu_tanh_op::c3_high);
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

template <class Op, class... Inputs>
concept has_short_form = requires(const Op& op, Inputs... x) {
  short_form(op, x...);
};

// The product's rounding moves both ends and the long form's result alike.
SIGMAX_FN between gate_factor(const sigmoid_op& op, float x) { return short_form(op, x); }
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
