// Activations built on 1 / (1 + e^-z). All work on e^-|z| <= 1, so nothing overflows, and carry the rounding errors of
// the denominator and of e itself into the last operation.
#pragma once

#include "../math.hpp"
#include "parameter.hpp"

namespace sigmax {
namespace {

/// x / (1 + e^-z) as max(x, 0) - a e / (1 + e) with e = e^-|z|, for a = |x|, clamped where that product is 0, from
/// l = logistic(|z|): on neither side of 0 is more lost than a rounding of the product, and no side asks for another
/// form. e is still scaled up by 2^64 when it meets a: e alone may be subnormal where a e is not.
template <class V>
SIGMAX_FN V times_sigmoid(V x, V a, const math::logistic_tail<V>& l) {
  V t = l.e.m + l.residual;
  V s = fma(l.y, t, l.y);
  V s_low = fma(l.y, t, l.y - s);
  V w = a * l.e.scale;
  return with_sign(fma_exact(fma(w, s, w * s_low), V(-math::down), at_least(x, V(0.0f))), x);
}

/// s (1 + x z' (1 - s)) with s = 1 / (1 + e^-z); g = |x z'|. For x < 0 that is e y (1 - g y) with 1 / (1 + e) = y, for
/// x >= 0 one minus that.
template <class V>
SIGMAX_FN V derivative_of_times_sigmoid(V x, V g, const math::logistic_tail<V>& l) {
  V y = fma(l.y, l.residual, l.y);
  V d = (fma(l.e.scale, l.e.m, l.e.scale) * y) * fma(negate(g), y, V(1.0f)) * V(math::down);
  return select(x < V(0.0f), d, V(1.0f) - d);
}

struct sigmoid_op {
  static constexpr char formula[] = "1 / (1 + exp(-x))";
  static constexpr char source[] = "the logistic function, Verhulst, 1845";
  static constexpr no_parameters params{};
  static constexpr float bound = 2, bound_fast = 3.5f;
  static float fast_from() { return -64; }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    auto l = math::logistic(math::decay(at_most(abs(x), V(math::decayed))));
    auto negative = x < V(0.0f);
    V q = l.y * select(negative, l.e.scale, V(math::up));
    return fma(q, select(negative, l.e.m + l.residual, l.residual), q) * V(math::down);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V c = at_most(at_least(x, V(-88.7f)), V(87.0f));  // from -88.38 down 1 / inf
    return divide(V(1.0f), math::exp_plus(math::reduce(negate(c)), V(1.0f)));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {  // s (1 - s) = e / (1 + e)^2, e = e^-|x|
    auto l = math::logistic(math::decay(at_most(abs(x), V(math::decayed))));
    V q = l.e.scale * (l.y * l.y);
    return fma(q, l.e.m + (l.residual + l.residual), q) * V(math::down);
  }
};

struct silu_op {
  static constexpr char formula[] = "x / (1 + exp(-beta x))";
  static constexpr char source[] =
      "Ramachandran, Zoph and Le, arXiv:1710.05941 (swish); Elfwing et al., arXiv:1702.03118 (SiLU)";
  static constexpr parameter_info params[] = {{"beta", 1, smallest_factor, largest_factor}};
  static constexpr float bound = 2, bound_fast = 3.5f;
  float beta = params[0].default_value;
  float fast_from() const { return -77.0f / beta; }
  template <class V>
  SIGMAX_FN math::logistic_tail<V> tail(V c) const {  // c = |x| clamped
    return math::logistic(math::decay_product(c, V(beta)));
  }
  template <class V>
  SIGMAX_FN V clamped(V x) const {
    return at_most(abs(x), V(math::decayed_enlarged / beta));
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V c = clamped(x);
    return times_sigmoid(x, c, tail(c));
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V c = at_least(x, V(-88.7f / beta));  // down there c / inf = -0
    return divide(c, math::exp_plus(math::reduce_product(V(-beta), at_most(c, V(87.0f / beta))), V(1.0f)));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    V c = clamped(x);
    return derivative_of_times_sigmoid(x, V(beta) * c, tail(c));
  }
};

struct quick_gelu_op {
  static constexpr char formula[] = "x / (1 + exp(-alpha x))";
  static constexpr char source[] = "Hendrycks and Gimpel, arXiv:1606.08415";
  static constexpr parameter_info params[] = {{"alpha", 1.702f, smallest_factor, largest_factor}};
  static constexpr float bound = 2, bound_fast = 3.5f;
  float alpha = params[0].default_value;
  float fast_from() const { return silu_op{alpha}.fast_from(); }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return silu_op{alpha}(x);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    return silu_op{alpha}.fast(x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return silu_op{alpha}.derivative(x);
  }
};

struct gelu_tanh_op {
  static constexpr char formula[] = "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2";
  static constexpr char source[] = "Hendrycks and Gimpel, arXiv:1606.08415";
  static constexpr no_parameters params{};
  static constexpr float bound = 2, bound_fast = 3.5f;
  // Evaluated as x sigmoid(z), z = x (c1 + c3 x^2) with c1 = 2 sqrt(2 / pi), c3 = 0.044715 c1. The exponential turns
  // the absolute error of z into a relative one, and z reaches 111: constants and z are kept in two parts each.
  static constexpr double c1 = 1.5957691216057307117597842397375, c3 = 0.07135481627260024877633876;
  static constexpr float c1_high = 0x1.98845p0f;  // a multiple of 2^-20, so that (c1 + c3 x^2) - c1 is exact up to 16
  static constexpr float c1_low = static_cast<float>(c1 - static_cast<double>(c1_high));
  static constexpr float c3_high = static_cast<float>(c3),
                         c3_low = static_cast<float>(c3 - static_cast<double>(c3_high));
  static float fast_from() { return -10; }
  static constexpr float clamp = 10.95f;  // e^-z a and the derivative are below 2^-150 from there on
  /// c1 + c3 a^2
  template <class V>
  SIGMAX_FN static V slope(V a, V& low) {
    V s = a * a;
    V s_low = fma_exact(a, a, negate(s));
    V w = fma(s, V(c3_high), V(c1_high));
    low = fma(s, V(c3_low), fma(s_low, V(c3_high), fma_exact(s, V(c3_high), V(c1_high) - w))) + V(c1_low);
    return w;
  }
  template <class V>
  SIGMAX_FN math::logistic_tail<V> tail(V a) const {
    V w_low(0.0f), w = slope(a, w_low);
    V z = a * w;
    return math::logistic(math::decay(z, fma(a, w_low, fma_exact(a, w, negate(z)))));
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = at_most(abs(x), V(clamp));
    return times_sigmoid(x, a, tail(a));
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {  // z in two parts here too, or its rounding alone would cost 5 ULP
    V c = at_least(x, V(-10.05f)), b = at_most(c, V(10.0f));  // z is 88.5 down there, c / inf = -0
    V w_low(0.0f), w = slope(b, w_low);
    auto e = math::reduce_product(negate(b), w);
    e.r = fma(negate(b), w_low, e.r);
    return divide(c, math::exp_plus(e, V(1.0f)));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {  // x z' = x (c1 + 3 c3 x^2)
    V a = at_most(abs(x), V(clamp));
    return derivative_of_times_sigmoid(x, a * fma(a * a, V(3 * c3_high), V(static_cast<float>(c1))), tail(a));
  }
};

struct tanh_op {
  static constexpr char formula[] = "tanh(x)";
  static constexpr char source[] = "definition";
  static constexpr no_parameters params{};
  static constexpr float bound = 2, bound_fast = 3;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return with_sign(math::tanh_positive(abs(x)), x);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V a = abs(x);
    return with_sign(math::half_tanh_fast(a + a), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return math::sech_squared(abs(x), V(0.0f));
  }
};

struct softcap_op {
  static constexpr char formula[] = "cap tanh(x / cap)";
  static constexpr char source[] = "Gemma 2, arXiv:2408.00118";
  static constexpr parameter_info params[] = {{"cap", 50, smallest_factor, largest_factor}};
  static constexpr float bound = 2, bound_fast = 4;
  float cap = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = abs(x), c = at_most(divide(a, V(cap)), V(10.0f));
    V large = V(cap) - divide(V(cap) + V(cap), math::exp_twice_plus_1(c));
    return with_sign(math::scaled_tanh(a, c, large), x);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V a = abs(x);
    V y = V(cap) * math::half_tanh_fast(a * V(2.0f / cap));
    return select(a < V(cap * 0x1p-13f), x, with_sign(y, x));  // x / cap may be subnormal; x is as near
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    V a = at_most(abs(x), V(64 * cap));  // 1 / cosh(64)^2 is 0
    V u = divide(a, V(cap));
    return math::sech_squared(u, fma_exact(negate(u), V(cap), a) * V(1 / cap));
  }
};

struct tanhshrink_op {
  static constexpr char formula[] = "x - tanh(x)";
  static constexpr char source[] = "definition";
  static constexpr no_parameters params{};
  static constexpr float bound = 2, bound_fast = 4;
  /// (x - tanh x) / x^3 = third + s rest(s), s = x^2; fit/tanhshrink.sollya, degree 6 in s on [0, 1], relative error
  /// below 1.051 * 2^-24.
  static constexpr float third = 0x1.555554p-2f;
  template <class V>
  SIGMAX_FN static V rest(V s) {
    V p = fma(V(0x1.b97f56p-12f), s, V(-0x1.4932d4p-9f));
    p = fma(p, s, V(0x1.0d5d02p-7f));
    p = fma(p, s, V(-0x1.62e492p-6f));
    p = fma(p, s, V(0x1.b9d5f2p-5f));
    return fma(p, s, V(-0x1.111002p-3f));
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = abs(x);
    // Below 1 the polynomial; the roundings of the cube and of the last step are carried along. Above it
    // (a - 1) + 2 / (e^2a + 1).
    V c = at_most(a, V(1.0f));
    V s = c * c;
    V cube = c * s;
    V cube_low = fma(c, fma_exact(c, c, negate(s)), fma_exact(c, s, negate(cube)));
    V p = rest(s);
    V q = fma(p, s, V(third));
    V q_low = fma_exact(p, s, V(third) - q);
    V small = fma(cube, q, fma(cube_low, q, cube * q_low));
    V r = reciprocal(math::exp_twice_plus_1(at_most(a, V(40.0f))));
    V y = select(a < V(1.0f), small, (a - V(1.0f)) + (r + r));
    return with_sign(y, x);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V a = abs(x);
    V c = at_most(a, V(1.0f));
    V s = c * c;
    V r = reciprocal(math::exp_plus(math::reduce(at_most(a + a, V(40.0f))), V(1.0f)));
    V large = (a - V(1.0f)) + (r + r);
    return with_sign(select(a < V(1.0f), (c * s) * fma(rest(s), s, V(third)), large), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    V t = math::tanh_positive(abs(x));
    return t * t;
  }
};

template <>
inline constexpr bool fast_serves<tanh_op, float16> = false;
template <>
inline constexpr bool fast_serves<softcap_op, float16> = false;

}  // namespace
}  // namespace sigmax
