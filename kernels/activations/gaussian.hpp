// gelu in its exact form, x times the normal distribution function, with a relative error that holds down to underflow.
#pragma once

#include "../math.hpp"
#include "parameter.hpp"

namespace sigmax {
namespace {

struct gelu_op {
  static constexpr char formula[] = "x (1 + erf(x / sqrt(2))) / 2";
  static constexpr char source[] = "Hendrycks and Gimpel, arXiv:1606.08415";
  static constexpr no_parameters params{};
  static constexpr float bound = 2, bound_fast = 4;
  static constexpr float clamp = 14.4f;  // a Phi(-a) < 2^-150 from there on

  // For a = |x|, a Phi(-a) = e^(-a^2/2) g P(u) with g = a / (a + 2.5), u = 2g - 1, P(u) = (a + 2.5) e^(a^2/2) Phi(-a).
  // P falls smoothly from 1.25 to 0.48 over a in [0, 14.5], so its last Horner step dominates: fit/gelu.sollya, degree
  // 9, relative error below 0.275 * 2^-24 with the constant term in two parts. What the roundings of a^2, of the
  // quotient, of u, P and g P lose is carried along and joins in the last operation.
  static constexpr float shift = 2.5f, c1 = -0x1.bc19c2p-2f, c2 = 0x1.0e4f2ep-3f;
  template <class V>
  struct tail {
    math::exponential<V> e;  // e^(-a^2/2)
    V y;                     // 1 / (a + 2.5)
    V g, g_low, p, p_low;
  };
  template <class V>
  SIGMAX_FN tail<V> decompose(V a) const {
    V half = V(0.5f) * a;
    V s = half * a;
    V s_low = fma_exact(half, a, negate(s));
    V d = a + V(shift);
    V d_low = a - (d - V(shift));
    V y = reciprocal(d);
    V g = a * y;
    V g_low = fma(negate(d_low), g, fma_exact(negate(d), g, a)) * y;
    V u = fma(V(2.0f), g, V(-1.0f));
    V u_low = fma(V(2.0f), g_low, fma(V(2.0f), g, negate(u + V(1.0f))));
    V p = fma(V(-0x1.4974b8p-13f), u, V(-0x1.45e8bep-12f));
    p = fma(p, u, V(0x1.669b0cp-11f));
    p = fma(p, u, V(0x1.4ab8d4p-9f));
    p = fma(p, u, V(-0x1.a39da6p-10f));
    p = fma(p, u, V(-0x1.0c77cap-6f));
    p = fma(p, u, V(0x1.2ea3ep-7f));
    p = fma(p, u, V(c2));
    p = fma(p, u, V(c1));
    constexpr float c0_high = 0x1.69cee6p-1f, c0_low = 0x1.b18e38p-26f;
    V q = fma(p, u, V(c0_high));
    V q_low = fma_exact(p, u, V(c0_high) - q) + V(c0_low);
    V slope = fma(V(2 * c2), u, V(c1));  // P'(u) to 15 %: it only scales a correction
    return {math::decay(s, s_low), y, g, g_low, q, fma(slope, u_low, q_low)};
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = at_most(abs(x), V(clamp));
    auto t = decompose(a);
    V h = t.g * t.p;
    V h_low = fma(t.g, t.p_low, fma(t.g_low, t.p, fma_exact(t.g, t.p, negate(h))));
    h = h + fma(h, t.e.m, fma(h_low, t.e.m, h_low));
    V y = at_least(x, V(0.0f)) - (h * t.e.scale) * V(math::down);
    return with_sign(abs(y), x);  // gelu has the sign of x; 0 - 0 has not
  }
  /// (a + 4) e^(a^2/2) Phi(-a) = P(u), u = g - 19/64 with g = a / (a + 4): degree 6 on a in [0, 4.9], where results
  /// count; fit/gelu_fast.sollya, relative error below 0.667 * 2^-24. Beyond it is still within 1e-4.
  template <class V>
  SIGMAX_FN static V fast_polynomial(V u) {
    V p = fma(V(-0x1.899c16p-2f), u, V(0x1.62f394p-3f));
    p = fma(p, u, V(0x1.0528d8p0f));
    p = fma(p, u, V(-0x1.2a0b94p1f));
    p = fma(p, u, V(0x1.5ae8dap1f));
    p = fma(p, u, V(-0x1.082036p1f));
    return fma(p, u, V(0x1.1491eep0f));
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    V a = at_most(abs(x), V(13.27f));  // e^-88.05 counts as 0
    V g = divide(a, a + V(4.0f));
    auto e = math::reduce_product(V(-0.5f) * a, a);
    V p = fast_polynomial(g - V(19.0f / 64));
    V h = g * p;
    h = h + fma(h, math::expm1_reduced(e.r), fma_exact(g, p, negate(h)));
    return with_sign(abs(fma(negate(e.scale), h, at_least(x, V(0.0f)))), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    // Phi(x) + x phi(x); for x < 0 e^(-a^2/2) (P y - a / sqrt(2 pi)), for x >= 0 one minus that.
    V a = at_most(abs(x), V(clamp));
    auto t = decompose(a);
    V c = fma(a, V(-0x1.988454p-2f), t.p * t.y);
    V h = (fma(t.e.scale, t.e.m, t.e.scale) * c) * V(math::down);
    return select(x < V(0.0f), h, V(1.0f) - h);
  }
};

template <>
inline constexpr bool fast_serves<gelu_op, bfloat16> = false;  // the fast form loses its tail at -4.9 already

}  // namespace
}  // namespace sigmax
