// Forms of derivatives for gradients of 16 bits on a GPU, by the estimates of short_forms.hpp: two numbers that the
// long form's derivative lies between, with any parameters. Products with dy and a gate's other factor round both and
// the long form's result alike. Where terms cancel out, `slack` is a part of what they come to in magnitude, not of the
// result. An op or a gate without any takes its long form.
#pragma once

#include "short_forms.hpp"

namespace sigmax {
namespace {

/// 4 q / (1 + q)^2 with q = e^-2|x / cap|, by a t that is too large in magnitude: so q is too small, as at `logistic`,
/// by 9 |t| ln 2 units. `below` has, twice, half of the estimate's 4, a rounding of the sum 1, the reciprocal 2, a
/// product 1, and 2 of the long form's 4; the upper end all that on both sides.
SIGMAX_FN between slope_form(const softcap_op& op, float x) {
  constexpr float below = one_plus<8> / 2, above = one_plus<34>;
  const float t = magnitude(x) * enlarged(-2 * math::log2_e / op.cap), q = estimate::exp2(t);
  const float r = estimate::reciprocal(fma(q, below, below)), y = q * r * r;
  return {y, fma(y, fma(t, -exponent_slack, above), 4 * lost)};
}

/// h = b / (2 root (root + |x|)), for x >= 0 1 - h, by the reciprocal root, whose 4 count for half, since the sum falls
/// as it rises. Beyond them roundings make 7, the long form's 6, and a difference 1 on either side.
SIGMAX_FN between slope_form(const squareplus_op& op, float x) {
  const float a = magnitude(x), s = fma(a, a, op.b), r = estimate::reciprocal_root(s);
  const float h = 0.5f * op.b * (r * estimate::reciprocal(__builtin_fmaxf(s * r, a) + a));  // NaN by a
  const float y = if_below(x, 0.0f, h, 1.0f - h);
  const float least = fma(op.b, lost, 0x1p-140f);  // the latter of roundings where h is subnormal
  return {fma(y, one_plus<-16>, -least), fma(y, one_plus<16>, least)};
}

/// What a gate's gradient wants: an activation and its derivative.
struct tangent {
  between value, slope;
};

/// x s and s (1 + g (1 - s)), s = 1 / (1 + 2^t), for t in [-126, 110] and a little more, where nothing is lost in an
/// estimate: beyond, results are between these and -0. Of the slope errors count least about its zero, where those of
/// its terms cancel out, too: `least` units at t = `at`, and `more` for each that t is away from it.
SIGMAX_FN tangent logistic_tangent(float x, float t, float g, float at, float least, float more) {
  constexpr float unit = 0x1p-24f, last = 110, steep = 0x1p20f;
  const float e = estimate::exp2(t), s = estimate::reciprocal(e + 1.0f), h = g * (e * s);
  const float y = fma(h, s, s), terms = fma(magnitude(h), s, s), kept = add_saturated(t, -steep, last * steep);
  const float slack = fma(magnitude(t - at), more * unit, least * unit);
  const float value_slack = fma(magnitude(t), 2.4f * unit, 12 * unit);
  return {between{fma(s, value_slack, s), fma(s, -value_slack, s) * kept} * x,
          {fma(terms, -slack, y), fma(terms, slack, y) * kept}};
}
/// The slack is what errors come to at worst, by fit/short_forms.py.
SIGMAX_FN tangent tangent_form(const silu_op& op, float x) {
  const float c = at_least(x, -largest), t = at_most(at_least(c * (-math::log2_e * op.beta), -126.0f), 110.5f);
  return logistic_tangent(c, t, -math::ln2 * t, 1.8f, 7, 3.5f);
}
SIGMAX_FN tangent tangent_form(const quick_gelu_op& op, float x) { return tangent_form(silu_op{op.alpha}, x); }
/// Without parameters: slack for all 16-bit inputs, with estimates off by 1.25 times their bound.
SIGMAX_FN tangent tangent_form(const gelu_tanh_op&, float x) {
  constexpr float c1 = static_cast<float>(gelu_tanh_op::c1), c3 = gelu_tanh_op::c3_high;
  const float c = at_least(x, -9.5f), a = at_most(c, 9.5f), s = a * a;
  const float t = a * fma(s, -math::log2_e * c3, -math::log2_e * c1);
  return logistic_tangent(c, t, a * fma(s, 3 * c3, c1), 1.7f, 3.5f, 3.5f);
}

/// max(x, 0) - a Phi(-a), a = |x| up to 5.8, and h = Phi(-a) - a phi(a), for x > 0 1 - h; phi(a) is a power of two,
/// too. Beyond 5.8 a Phi(-a) and h are between theirs there and 0. `base` is 1 for x > 0, 0 below, and of subnormal x
/// anything, since h is 1 / 2. Slack as for gelu_tanh.
SIGMAX_FN tangent tangent_form(const gelu_op&, float x) {
  constexpr float unit = 0x1p-24f, last = 5.8f, steep = 0x1p20f, log2_of_phi = -0x1.53643ap+0f;  // phi(0)
  const float a = at_most(magnitude(x), last), t = log2_of_tail(a), tail = estimate::exp2(t);
  const float phi = estimate::exp2(fma(a * a, -0.5f * math::log2_e, log2_of_phi)), product = a * tail;
  const float h = fma(-a, phi, tail), terms = fma(a, phi, tail), kept = add_saturated(a, -steep, last * steep);
  const float slack = fma(magnitude(a - 1.0f), 5 * unit, 7 * unit), value_slack = fma(t, -1.25f * unit, 11 * unit);
  const float base = multiply_saturated(x, 0x1p127f), side = fma(base, -2.0f, 1.0f), top = positive_part(x);
  return {{top - fma(product, value_slack, product), top - fma(product, -value_slack, product) * kept},
          {fma(side, fma(terms, -slack, h), base), fma(side, fma(terms, slack, h) * kept, base)}};
}

template <class Op>
concept has_tangent_form = requires(const Op& op, float x) {
  tangent_form(op, x);
};
/// Of gelu no kernel but those of gates wants it: alone it takes about as many instructions as the long form.
template <has_factor Op>
SIGMAX_FN between slope_form(const Op& op, float x) {
  return tangent_form(op, x).slope;
}
template <class Op>
concept has_slope_form = requires(const Op& op, float x) {
  slope_form(op, x);
};

/// Ends of a gate's gradient.
template <has_tangent_form Op>
SIGMAX_FN partials<between> gradient_form(const act_and_mul<Op>& gate, float dy, float a, float b) {
  const tangent at = tangent_form(static_cast<const Op&>(gate), a);
  return {at.slope * b * dy, at.value * dy};
}
template <has_tangent_form Op>
SIGMAX_FN partials<between> gradient_form(const mul_and_act<Op>& gate, float dy, float a, float b) {
  const partials<between> d = gradient_form(static_cast<const act_and_mul<Op>&>(gate), dy, b, a);
  return {d.b, d.a};
}
/// Products with the clamps' derivatives, 0 or 1, round nothing.
SIGMAX_FN partials<between> gradient_form(const swiglu_oai_gate& gate, float dy, float a, float b) {
  const tangent at = tangent_form(silu_op{gate.alpha}, gate.gate_of(a));
  const float up = (gate.value_of(b) + 1.0f) * clip_op{-infinity, gate.limit}.derivative(a);
  return {at.slope * up * dy, at.value * (clip_op{-gate.limit, gate.limit}.derivative(b) * dy)};
}
template <class Gate>
concept has_gradient_form = requires(const Gate& gate, float x) {
  gradient_form(gate, x, x, x);
};

}  // namespace
}  // namespace sigmax
