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
  static constexpr float clamp = 14.6f;  // a Phi(-a) and its derivative are below 2^-150 from there on

  // For a = |x|, a Phi(-a) = e^(-a^2/2) g P(u) with g = a / (a + shift), u = g - 1/2, P(u) = (a + shift) e^(a^2/2)
  // Phi(-a). P falls smoothly from 1.3 to 0.48 over a in [0, 14.5], so its last Horner step dominates: fit/gelu.sollya,
  // degree 9, relative error below 0.16 * 2^-24. What the roundings of a^2, of the quotient, P and g P lose is carried
  // along and joins in the last operation; u is exact from g = 1/4 on.
  static constexpr float shift = 0x1.4ep1f;
  template <class V>
  struct tail {
    V d, d_low;              // a + shift
    V y;                     // 1 / d
    V g, slope;              // P(u) = c0 + slope u, and slope is P'(u) to a third
    V p, p_low;              // P(u)
    math::exponential<V> e;  // e^(-a^2/2)
  };
  template <class V>
  SIGMAX_FN tail<V> decompose(V a) const {
    V d = a + V(shift);
    V y = reciprocal(d);
    V g = a * y;
    V u = g - V(0.5f);
    V slope = fma(V(-0x1.163ecap-4f), u, V(-0x1.a499cep-4f));
    slope = fma(slope, u, V(0x1.2ae76ap-5f));
    slope = fma(slope, u, V(0x1.640bp-3f));
    slope = fma(slope, u, V(0x1.0d287p-6f));
    slope = fma(slope, u, V(-0x1.191ceap-2f));
    slope = fma(slope, u, V(-0x1.56e59cp-7f));
    slope = fma(slope, u, V(0x1.3bf912p-1f));
    slope = fma(slope, u, V(-0x1.cf1842p-1f));
    constexpr float c0 = 0x1.6cbadap-1f;
    V p = fma(slope, u, V(c0));
    V p_low = fma_exact(slope, u, V(c0) - p);
    V half = V(0.5f) * a;
    V s = half * a;
    return {d, a - (d - V(shift)), y, g, slope, p, p_low, math::decay(s, fma_exact(half, a, negate(s)))};
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V a = at_most(abs(x), V(clamp));
    auto t = decompose(a);
    V w = a * t.e.scale;
    V g = w * t.y;  // t.g, but that may be subnormal
    V g_low = fma(negate(t.d_low), g, fma_exact(negate(t.d), g, w)) * t.y;
    V h = g * t.p;
    V h_low = fma(g, t.p_low, fma(g_low, fma(t.slope, t.g, t.p), fma_exact(g, t.p, negate(h))));
    h = h + fma(h, t.e.m, fma(h_low, t.e.m, h_low));
    return with_sign(fma_exact(h, V(-math::down), at_least(x, V(0.0f))), x);
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
  /// The same with u = g - 22/64: degree 8 on [0, 13.3], relative error below 0.907 * 2^-24. With it gelu(x) is within
  /// 3.8 ULP down to -13.
  template <class V>
  SIGMAX_FN static V polynomial_with_tail(V u) {
    V p = fma(V(0x1.b237a2p-4f), u, V(0x1.2045c4p-4f));
    p = fma(p, u, V(-0x1.88b1a8p-2f));
    p = fma(p, u, V(0x1.e220bcp-5f));
    p = fma(p, u, V(0x1.0c2dfap0f));
    p = fma(p, u, V(-0x1.1126fap1f));
    p = fma(p, u, V(0x1.32bd4ap1f));
    p = fma(p, u, V(-0x1.d306fap0f));
    return fma(p, u, V(0x1.fa8b94p-1f));
  }
  template <bool tailed, class V>
  SIGMAX_FN static V uncompensated(V x) {
    V a = at_most(abs(x), V(13.27f));  // e^-88.05 counts as 0
    V g = divide(a, a + V(4.0f));
    auto e = math::reduce_product(V(-0.5f) * a, a);
    V p = tailed ? polynomial_with_tail(g - V(22.0f / 64)) : fast_polynomial(g - V(19.0f / 64));
    V h = g * p;
    h = h + fma(h, math::expm1_reduced(e.r), fma_exact(g, p, negate(h)));
    return with_sign(fma(negate(e.scale), h, at_least(x, V(0.0f))), x);
  }
  template <class V>
  SIGMAX_FN V fast(V x) const {
    return uncompensated<false>(x);
  }
  template <class V>
  SIGMAX_FN static V fast_with_tail(V x) {
    return uncompensated<true>(x);
  }
  static float fast_from() { return -13; }
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

}  // namespace
}  // namespace sigmax
