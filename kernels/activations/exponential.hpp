// Activations built on e^x, e^x - 1 and log(1 + e^x), and the algebraic ones that replace them.
#pragma once

#include "../math.hpp"
#include "parameter.hpp"

namespace sigmax {
namespace {

struct exp_op {
  static constexpr char formula[] = "exp(x)";
  static constexpr char source[] = "definition";
  static constexpr no_parameters params{};
  static constexpr float bound = 1, bound_fast = 3;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return math::exp(x);
  }
  static float fast_from() { return -86; }
  template <class V>
  SIGMAX_FN V fast(V x) const {  // half the scale, which so reaches as far as e^x; from -86.99 down it is 0
    auto e = math::reduce_in_parts<1>(at_most(at_least(x, V(-87.5f)), V(89.0f)));
    V p = math::exp_reduced_fast(e.r);
    return e.scale * (p + p);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return math::exp(x);
  }
};

struct elu_op {
  static constexpr char formula[] = "x > 0 ? x : alpha (exp(x) - 1)";
  static constexpr char source[] = "Clevert, Unterthiner and Hochreiter, arXiv:1511.07289";
  static constexpr parameter_info params[] = {{"alpha", 1, any_low, any_high}};
  static constexpr float bound = 1;
  float alpha = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return select(x < V(0.0f), V(alpha) * math::expm1_negative(at_most(x, V(0.0f))), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return select(x > V(0.0f), V(1.0f), V(alpha) * math::exp(x));
  }
};

struct celu_op {
  static constexpr char formula[] = "max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)";
  static constexpr char source[] = "Barron, arXiv:1704.07483";
  static constexpr parameter_info params[] = {{"alpha", 1, smallest_factor, largest_factor}};
  static constexpr float bound = 1;
  float alpha = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    // Nearer to 0 it is x to half an ULP, and x / alpha may be subnormal.
    return select(x < V(alpha * -0x1p-25f), V(alpha) * math::expm1_negative(at_most(x, V(0.0f)) * V(1.0f / alpha)), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return select(x > V(0.0f), V(1.0f), math::exp(divide(x, V(alpha))));
  }
};

struct selu_op {
  static constexpr char formula[] =
      "scale (x > 0 ? x : alpha (exp(x) - 1)), alpha = 1.6732632423543772, scale = 1.0507009873554805";
  static constexpr char source[] = "Klambauer et al., arXiv:1706.02515";
  static constexpr no_parameters params{};
  static constexpr float bound = 2;
  // Both factors in two parts: one rounding instead of three.
  static constexpr double scale = 1.0507009873554804934193349852946,
                          scaled_alpha = scale * 1.6732632423543772848170429916717;
  static constexpr float scale_high = 0x1.0cfabcp0f;  // rounded down: a low part above 0 keeps the sign of -0
  static constexpr float scale_low = static_cast<float>(scale - static_cast<double>(scale_high));
  static constexpr float alpha_high = static_cast<float>(scaled_alpha),
                         alpha_low = static_cast<float>(scaled_alpha - static_cast<double>(alpha_high));
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    auto negative = x < V(0.0f);
    V v = select(negative, math::expm1_negative(at_most(x, V(0.0f))), x);
    V low = at_most(v, V(largest)) * select(negative, V(alpha_low), V(scale_low));  // inf - inf otherwise
    return fma(v, select(negative, V(alpha_high), V(scale_high)), low);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return select(x > V(0.0f), V(static_cast<float>(scale)), V(alpha_high) * math::exp(x));
  }
};

struct softplus_op {
  static constexpr char formula[] = "log(1 + exp(beta x)) / beta";
  static constexpr char source[] = "Dugas et al., NIPS 2000";
  static constexpr parameter_info params[] = {{"beta", 1, smallest_factor, largest_factor}};
  static constexpr float bound = 2;
  float beta = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {  // max(x, 0) + log1p(e^-|beta x|) / beta
    V c = at_most(abs(x), V(math::decayed / beta));
    auto e = math::decay_product(c, V(beta));
    return fma(math::log1p_unit(fma(e.scale, e.m, e.scale) * V(math::down)), V(1.0f / beta), at_least(x, V(0.0f)));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {  // sigmoid(beta x)
    V c = at_most(abs(x), V(math::decayed / beta));
    auto l = math::logistic(math::decay_product(c, V(beta)));
    auto negative = x < V(0.0f);
    V q = l.y * select(negative, l.e.scale, V(math::up));
    return fma(q, select(negative, l.e.m + l.residual, l.residual), q) * V(math::down);
  }
};

struct log_sigmoid_op {
  static constexpr char formula[] = "-log(1 + exp(-x))";
  static constexpr char source[] = "definition";
  static constexpr no_parameters params{};
  static constexpr float bound = 2;
  template <class V>
  SIGMAX_FN V operator()(V x) const {  // -softplus(-x); -0 where nothing is left
    auto e = math::decay(at_most(abs(x), V(math::decayed)));
    return at_most(x, V(-0.0f)) - math::log1p_unit(fma(e.scale, e.m, e.scale) * V(math::down));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return softplus_op{}.derivative(negate(x));
  }
};

struct mish_op {
  static constexpr char formula[] = "x tanh(log(1 + exp(x)))";
  static constexpr char source[] = "Misra, arXiv:1908.08681";
  static constexpr no_parameters params{};
  static constexpr float bound = 2, bound_fast = 4;
  static float fast_from() { return -87; }
  // max(x, 0) - |x| k / (1 + e n) with n = 1 + e / 2 and, without cancellation,
  //   x < 0: e = e^x, k = e n,      x >= 0: e = 2 e^-x, k = e^2 / 2;
  // for tanh(log(1 + E)) = (E^2 + 2E) / (E^2 + 2E + 2).
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = at_most(abs(x), V(math::decayed));
    auto p = math::decay(a);
    auto negative = x < V(0.0f);
    V scale = select(negative, p.scale, p.scale + p.scale);
    V e = fma(scale, p.m, scale) * V(math::down);
    V n = fma(V(0.5f), e, V(1.0f));
    V n_low = fma(V(0.5f), e, V(1.0f) - n);
    V d = fma(e, n, V(1.0f));
    V d_low = fma_exact(e, n, V(1.0f) - d);
    V y = reciprocal(d);
    V k = select(negative, n, V(0.5f) * e), k_low = select(negative, n_low, V(0.0f));  // both lack a factor e
    V r = k * y;
    V r_low = (fma_exact(negate(r), d, k) + fma(negate(r), d_low, k_low)) * y;
    V s = fma(r, p.m, r);
    V s_low = fma(r, p.m, r - s) + fma(r_low, p.m, r_low);
    V w = a * scale;
    return with_sign(fma_exact(fma(w, s, w * s_low), V(-math::down), at_least(x, V(0.0f))), x);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V c = at_least(x, V(-88.0f));  // e^-88 counts as 0
    auto r = math::reduce_in_parts(at_most(c, V(20.0f)));
    V e = r.scale * math::exp_reduced(r.r);
    V n = fma(e, e, e + e);  // tanh(log(1 + e)) = n / (n + 2)
    return c * divide(n, n + V(2.0f));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    // x < 0: e (4 (1 - a) + e (6 - 4a + e (4 + e))) / (2 + e (2 + e))^2,
    // x >= 0: (1 + e (4 + e (4a + 6 + e 4 (a + 1)))) / (1 + e (2 + 2 e))^2; the source's formula divided by e^4x.
    V a = at_most(abs(x), V(math::decayed));
    auto p = math::decay(a);
    auto negative = x < V(0.0f);
    V up = fma(p.scale, p.m, p.scale);
    V e = up * V(math::down);
    V minus = fma(e, fma(e, e + V(4.0f), fma(V(-4.0f), a, V(6.0f))), fma(V(-4.0f), a, V(4.0f)));
    V plus = fma(e, fma(e, fma(e, fma(V(4.0f), a, V(4.0f)), fma(V(4.0f), a, V(6.0f))), V(4.0f)), V(1.0f));
    V d = select(negative, fma(e, e + V(2.0f), V(2.0f)), fma(e, fma(V(2.0f), e, V(2.0f)), V(1.0f)));
    V y = reciprocal(d);
    return select(negative, (up * minus) * (y * y) * V(math::down), plus * (y * y));
  }
};

struct softsign_op {
  static constexpr char formula[] = "x / (1 + |x|)";
  static constexpr char source[] = "Bergstra et al., 2009; Glorot and Bengio, AISTATS 2010";
  static constexpr no_parameters params{};
  static constexpr float bound = 2;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = at_most(abs(x), V(0x1p60f));  // inf / inf otherwise; the quotient is 1 long before
    return with_sign(divide(a, V(1.0f) + a), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    V y = divide(V(1.0f), V(1.0f) + abs(x));
    return y * y;
  }
};

struct squareplus_op {
  static constexpr char formula[] = "(x + sqrt(x^2 + b)) / 2";
  static constexpr char source[] = "Barron, arXiv:2112.11687";
  static constexpr parameter_info params[] = {{"b", 4, 0x1p-40f, 0x1p40f}};
  static constexpr float bound = 2, bound_fast = 3;
  float b = params[0].default_value;
  /// sqrt(x^2 + b) for a = |x|; beyond 2^60 that is |x| itself and the square would overflow. `low`: twice what its
  /// rounding left out.
  template <class V>
  SIGMAX_FN V root(V a, V& low) const {
    V c = at_most(a, V(0x1p60f));
    V s = fma(c, c, V(b));
    V r = sqrt(s);
    low = fma_exact(negate(r), r, s) * reciprocal(r);
    return select(a > V(0x1p60f), a, r);
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {  // x < 0: b / 2 (sqrt(x^2 + b) - x), which does not cancel
    V a = abs(x), r_low(0.0f);
    V r = root(a, r_low);
    V h = fma(V(0.5f), a, V(0.5f) * r);
    V h_low = fma(V(0.25f), r_low, fma(V(0.5f), a, fma(V(0.5f), r, negate(h))));
    h_low = select(a < V(0x1p60f), h_low, V(0.0f));
    V y = divide(V(0.25f * b), h);
    V y_low = (fma_exact(negate(y), h, V(0.25f * b)) - y * h_low) * (y * V(4.0f / b));
    y = y + select(a < V(0x1p60f), y_low, V(0.0f));
    return select(x < V(0.0f), y, h + h_low);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V a = abs(x), c = at_most(a, V(0x1p60f));
    V h = V(0.5f) * at_least(sqrt(fma(c, c, V(b))), a) + V(0.5f) * a;
    return select(x < V(0.0f), divide(V(0.25f * b), h), h);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {  // (1 + x / root) / 2; x < 0: b / (2 root (root + |x|))
    V a = abs(x), r_low(0.0f);
    V r = root(a, r_low);
    V small = divide(divide(V(0.5f * b), r), r + a);
    return select(x < V(0.0f), small, V(1.0f) - small);
  }
};

template <>
inline constexpr bool fast_serves<exp_op, float16> = false;

}  // namespace
}  // namespace sigmax
