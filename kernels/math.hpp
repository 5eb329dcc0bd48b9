// The transcendental vocabulary over any value type V: e^x and log1p, each polynomial once. Coefficients come from
// kernels/fit/*.sollya (run `sollya kernels/fit/NAME.sollya`); the error quoted is that of the exact polynomial
// (tests/polynomials_test.cpp holds it, tests/fit.sh the coefficients).
#pragma once

#include "value.hpp"

namespace sigmax {
namespace {
namespace math {

// ln 2 in two parts. The first has 9 significant bits, so k * ln2_high is exact for |k| < 2^15 even without FMA.
inline constexpr float ln2_high = 0x1.63p-1f;
inline constexpr float ln2_low = -0x1.bd0106p-13f;
inline constexpr float ln2 = 0x1.62e43p-1f;
inline constexpr float log2_e = 0x1.715476p+0f;
inline constexpr float to_integer = 0x1.8p23f;  // adding it rounds to an integer, ties to even (see power_of_two)
inline constexpr float up = 0x1p64f, down = 0x1p-64f;

/// Beyond this e^-a is below half of the smallest subnormal even when multiplied by any a in play.
inline constexpr float decayed = 110.0f;
/// The same of a e^-a divided by smallest_factor (parameter.hpp): of x e^-a, where a is a parameter times |x|.
inline constexpr float decayed_enlarged = 123.0f;

/// e^r - 1 for |r| <= 0.34667, which is ln(2)/2 and what the reduction may add, as r + r^2 P(r) of degree 6;
/// fit/exp.sollya; relative error below 0.235 * 2^-24.
template <class V>
SIGMAX_FN V expm1_reduced(V r) {
  V p = fma(V(0x1.6b7364p-10f), r, V(0x1.12279ap-7f));
  p = fma(p, r, V(0x1.555716p-5f));
  p = fma(p, r, V(0x1.5554bp-3f));
  p = fma(p, r, V(0x1.fffffep-2f));
  return fma(p, r * r, r);
}

/// e^r for |r| <= 0.34667, degree 6; fit/exp.sollya; relative error below 0.056 * 2^-24.
template <class V>
SIGMAX_FN V exp_reduced(V r) {
  V p = fma(V(0x1.694ccep-10f), r, V(0x1.123986p-7f));
  p = fma(p, r, V(0x1.555a26p-5f));
  p = fma(p, r, V(0x1.555492p-3f));
  p = fma(p, r, V(0x1.fffffap-2f));
  p = fma(p, r, V(1.0f));
  return fma(p, r, V(1.0f));
}

/// e^x as scale * (1 + m), scale a power of two and |m| < 0.42: keeping m apart saves the rounding of 1 + m and lets
/// a caller add its own relative corrections to it.
template <class V>
struct exponential {
  V scale;
  V m;
};

/// e^-a * 2^64 for a in [0, 131]; e^-a itself would be subnormal beyond 87.
inline constexpr float decay_bias = to_integer + 64 + 127;
template <class V>
SIGMAX_FN exponential<V> decay(V a) {
  V t = fma(a, V(-log2_e), V(decay_bias));
  V k = t - V(decay_bias);
  V r = fma(k, V(-ln2_high), negate(a));
  return {power_of_two(t), expm1_reduced(fma(k, V(-ln2_low), r))};
}
/// e^-(a + low) * 2^64, |low| < 2^-18
template <class V>
SIGMAX_FN exponential<V> decay(V a, V low) {
  V t = fma(a, V(-log2_e), V(decay_bias));
  V k = t - V(decay_bias);
  V r = fma(k, V(-ln2_high), negate(a));
  r = r + fma(k, V(-ln2_low), negate(low));
  return {power_of_two(t), expm1_reduced(r)};
}
/// e^-(a b) * 2^64; the product is not rounded, for k * ln2_high is exact.
template <class V>
SIGMAX_FN exponential<V> decay_product(V a, V b) {
  V t = fma(a, b * V(-log2_e), V(decay_bias));
  V k = t - V(decay_bias);
  V r = fma_exact(negate(a), b, k * V(-ln2_high));
  return {power_of_two(t), expm1_reduced(fma(k, V(-ln2_low), r))};
}

/// e^z = scale * e^r
template <class V>
struct reduced {
  V scale, r;
};

/// What an element of a softmax row needs to know of the row's maximum. A numerator is e^x 2^-n, where 2^n is the power
/// of two nearest to e^max: x is reduced by itself, and a difference x - max, whose rounding would be multiplied by x,
/// is never formed. All of a row have n in common, and the error that n ln 2 has.
template <class V>
struct row_maximum {
  V offset;  // 0, or a max so large that x - max is exact (Sterbenz) wherever it matters. When non-zero, the members
             // below describe a maximum of 0.
  V bias, lowest;
};
/// From 210 up that is so. Up to here k ln2_low, rounded without FMA, is good to 2^-26.
inline constexpr float large_maximum = 0x1p10f;
template <class V>
SIGMAX_FN row_maximum<V> reduce_maximum(V max) {
  constexpr float bias = to_integer + 25 + 127;
  auto ordinary = abs(max) < V(large_maximum);
  V n = fma(select(ordinary, max, V(0.0f)), V(log2_e), V(to_integer)) - V(to_integer);
  return {select(ordinary, V(0.0f), max), V(bias) - n, (n - V(152.0f)) * V(ln2)};
}

/// 2^25 e^x 2^-n for x <= max, at most 2^25.5, without `offset` if that is known to be 0. So scaled all that does not
/// round to 0 is normal, and 2^-152, where x is clamped, has the exponent field and the value of 0: not even a mask's
/// -inf ends in a product that underflows, which costs Zen 4 some thirty clocks. In two steps, for loops that overlap
/// them.
template <bool offset, class V>
SIGMAX_FN reduced<V> reduce_below(V x, const row_maximum<V>& row) {
  V c = at_least(offset ? x - row.offset : x, row.lowest);
  V t = fma(c, V(log2_e), row.bias);
  V k = t - row.bias;
  return {power_of_two(t), fma(k, V(-ln2_low), fma(k, V(-ln2_high), c))};
}
template <class V>
SIGMAX_FN V exp_below(reduced<V> e) {
  return fma(e.scale, expm1_reduced(e.r), e.scale);
}
template <bool offset, class V>
SIGMAX_FN V exp_below(V x, const row_maximum<V>& row) {
  return exp_below(reduce_below<offset>(x, row));
}
/// 2^n / e^max - 1, within 2^-25.
template <class V>
SIGMAX_FN V rest_of_maximum(V max, const row_maximum<V>& row) {
  V n = row.bias - V(to_integer + 25 + 127);  // -n
  return expm1_reduced(fma(n, V(-ln2_low), fma(n, V(-ln2_high), row.offset - max)));
}
/// A sum of numerators, without their 2^25, becomes one of e^(x - max); `numerator` is the maximum's own, `rest` as
/// above. Next to a dominating maximum the others are all that its logarithm has: they are what is left without that
/// numerator, which is as wrong in the sum as it is alone.
SIGMAX_FN double relative_to_max(double sum, float numerator, float rest) {
  const double others = sum - static_cast<double>(numerator);
  return 1.0 + (others + others * static_cast<double>(rest));
}

/// (x - max) - (high + low), where that sum is the logarithm of the row's total: one rounding, also next to a
/// dominating maximum, where the result is about 0.
template <class V>
struct row_logarithm {
  V most, rest, last;  // max + high + low, rounded, and what each left over
};
template <class V>
SIGMAX_FN row_logarithm<V> reduce_logarithm(V max, V high, V low) {
  V most = max + high;
  V b = most - max;
  V left = (max - (most - b)) + (high - b);
  V rest = left + low;
  V d = rest - left;
  return {most, rest, (left - (rest - d)) + (low - d)};
}
template <class V>
SIGMAX_FN V log_below(V x, const row_logarithm<V>& row) {
  V y = plus(x, negate(row.most));
  V b = plus(y, negate(x));
  V left = plus(x, negate(y - b)) - (row.most + b);
  left = plus(left, negate(row.rest)) - row.last;
  return plus(y, select(y > V(-0x1p60f), left, V(0.0f)));  // at -inf it would be NaN
}

/// e^x for every x: overflow to inf, gradual underflow, NaN kept. Error below 0.9 ULP.
template <class V>
SIGMAX_FN V exp(V x) {
  V c = at_least(at_most(x, V(89.0f)), V(-104.0f));
  // A power of two can be neither 2^128 nor 2^-150: work 64 binades nearer to 1 and multiply back at the end, which
  // also rounds a subnormal result once only. By the sign's bit: comparing and selecting take the multiplier's time.
  constexpr float bias = to_integer + 127;
  V nearer = with_sign(V(64.0f), c);
  V t = fma(c, V(log2_e), V(bias) - nearer);
  V k = t - (V(bias) - nearer);
  V r = fma(k, V(-ln2_high), c);
  r = fma(k, V(-ln2_low), r);
  return (exp_reduced(r) * power_of_two(t)) * power_of_two(V(bias) + nearer);
}

/// e^r for |r| <= 0.34667, degree 5; fit/exp.sollya; relative error below 1.546 * 2^-24.
template <class V>
SIGMAX_FN V exp_reduced_fast(V r) {
  V p = fma(V(0x1.0fa376p-7f), r, V(0x1.573ac8p-5f));
  p = fma(p, r, V(0x1.555a7ap-3f));
  p = fma(p, r, V(0x1.fffdc4p-2f));
  p = fma(p, r, V(0x1.fffff6p-1f));
  return fma(p, r, V(1.0f));
}

/// For the fast forms, |z| <= 89. From z = -87.69 down the scale is 0, from 88.38 up it is inf.
template <class V>
SIGMAX_FN reduced<V> reduce(V z) {
  constexpr float bias = to_integer + 127;
  V t = fma(z, V(log2_e), V(bias));
  return {power_of_two(t), fma(t - V(bias), V(-ln2), z)};
}
/// The same with ln 2 in two parts; scale times 2^-less.
template <int less = 0, class V>
SIGMAX_FN reduced<V> reduce_in_parts(V z) {
  constexpr float bias = to_integer + (127 - less);
  V t = fma(z, V(log2_e), V(bias));
  V k = t - V(bias);
  return {power_of_two(t), fma(k, V(-ln2_high), z) + k * V(-ln2_low)};
}
/// The same for the product z = b x, whose rounding would be multiplied by z: k * ln2_high is exact, so that product
/// and difference are rounded once.
template <class V>
SIGMAX_FN reduced<V> reduce_product(V b, V x) {
  constexpr float bias = to_integer + 127;
  V t = fma(x, b * V(log2_e), V(bias));
  V k = t - V(bias);
  return {power_of_two(t), fma(k, V(-ln2_low), fma(b, x, k * V(-ln2_high)))};
}
/// e^z + c
template <class V>
SIGMAX_FN V exp_plus(reduced<V> e, V c) {
  return fma(e.scale, exp_reduced_fast(e.r), c);
}

/// e^x - 1 for x <= 0, relative error kept at 0; below -18 it is -1 to the last bit. The sign of -0 is lost. One part
/// of ln 2 does: what it lacks, 2^-28.97 each k, counts less than 2^k, which it is multiplied by.
template <class V>
SIGMAX_FN V expm1_negative(V x) {
  reduced<V> e = reduce(at_least(x, V(-18.0f)));
  return fma(e.scale, expm1_reduced(e.r), e.scale - V(1.0f));
}

/// log(1 + e) for e in [0, 1]: e + e^2 P(e), degree 10; fit/log1p.sollya; relative error below 0.089 * 2^-24.
template <class V>
SIGMAX_FN V log1p_unit(V e) {
  V p = fma(V(-0x1.b22adep-9f), e, V(0x1.4a9226p-6f));
  p = fma(p, e, V(-0x1.d7efa8p-5f));
  p = fma(p, e, V(0x1.b53c48p-4f));
  p = fma(p, e, V(-0x1.3a6736p-3f));
  p = fma(p, e, V(0x1.935568p-3f));
  p = fma(p, e, V(-0x1.ff2556p-3f));
  p = fma(p, e, V(0x1.554ddap-2f));
  p = fma(p, e, V(-0x1.ffffd2p-2f));
  return fma(e * e, p, e);
}

/// 1 / (1 + e) = y (1 + residual): the quotient, and what its rounding and that of 1 + e left out. 1 - y is exact.
template <class V>
struct logistic_tail {
  exponential<V> e;
  V y;
  V residual;
};
template <class V>
SIGMAX_FN logistic_tail<V> logistic(const exponential<V>& e) {
  V value = fma(e.scale, e.m, e.scale) * V(down);
  V y = reciprocal(value + V(1.0f));
  return {e, y, fma_exact(negate(value), y, V(1.0f) - y)};
}

template <class V>
SIGMAX_FN V exp_twice_plus_1(V c) {
  constexpr float bias = to_integer + 127;
  V t = fma(c, V(2 * log2_e), V(bias));
  V k = t - V(bias);
  V r = fma(k, V(-0.5f * ln2_high), c);
  r = fma(k, V(-0.5f * ln2_low), r);
  return fma(exp_reduced(r + r), power_of_two(t), V(1.0f));
}

/// cap tanh(a / cap) for a >= 0, c = a / cap, or 10 where that is larger. For c in [0, 0.625) an odd polynomial in c of
/// degree 11 (fit/tanh.sollya, relative error below 0.295 * 2^-24) that is applied to a itself, above it `large`, which
/// is cap - 2 cap / (e^2c + 1).
template <class V>
SIGMAX_FN V scaled_tanh(V a, V c, V large) {
  V s = c * c;
  V p = fma(V(-0x1.8ff18p-8f), s, V(0x1.5813cp-6f));
  p = fma(p, s, V(-0x1.b92674p-5f));
  p = fma(p, s, V(0x1.110e16p-3f));
  p = fma(p, s, V(-0x1.555552p-2f));
  return select(c < V(0.625f), fma(a * s, p, a), large);
}
template <class V>
SIGMAX_FN V tanh_positive(V a) {
  V c = at_most(a, V(10.0f));
  V y = reciprocal(exp_twice_plus_1(c));
  return scaled_tanh(a, c, V(1.0f) - (y + y));
}

/// tanh(u / 2) for u >= 0 as n / (2 - n) with n = 1 - e^-u.
template <class V>
SIGMAX_FN V half_tanh_fast(V u) {
  reduced<V> e = reduce(negate(at_most(u, V(20.0f))));
  V n = fma(negate(e.scale), expm1_reduced(e.r), V(1.0f) - e.scale);
  return divide(n, V(2.0f) - n);
}

/// 1 / cosh(a + low)^2 = 4 e / (1 + e)^2 with e = e^-2(a + low), for a >= 0.
template <class V>
SIGMAX_FN V sech_squared(V a, V low) {
  V c = at_most(a + a, V(decayed));
  logistic_tail<V> l = logistic(decay(c, select(c < V(decayed), low + low, V(0.0f))));
  V q = (l.e.scale * V(4.0f)) * (l.y * l.y);
  return fma(q, l.e.m + (l.residual + l.residual), q) * V(down);
}

/// A factor that lifts y, and what y is made of, out of the range where residuals underflow.
template <class V>
SIGMAX_FN V lift(V y) {
  return select(abs(y) < V(down), V(up), V(1.0f));
}

/// A positive multiple of a x - y, where y is close to that product.
template <class V>
SIGMAX_FN V product_residual(V a, V x, V y) {
  V f = lift(y);
  return fma_exact(a, x * f, negate(y * f));
}

/// The same for a x + b - y; exact but for the last bits of what is left.
template <class V>
SIGMAX_FN V line_residual(V a, V x, V b, V y) {
  V f = lift(y);
  x = x * f, b = b * f, y = y * f;
  V p = a * x;
  V p_low = fma_exact(a, x, negate(p));
  V s = p + b;
  V t = s - p;
  V s_low = (p - (s - t)) + (b - t);
  return (s - y) + (s_low + p_low);
}

/// For y, a rounding of y + residual: the odd one of the two floats around that sum. Rounded once more, to a 16-bit
/// type, it gives what one rounding of the sum would (Boldo and Melquiond, IEEE Trans. Computers 57, 2008).
template <class V>
SIGMAX_FN V round_to_odd(V y, V residual) {
  auto bits = bits_of(y);
  auto one = decltype(bits)(1u);
  V odd = select((residual > V(0.0f)) == (y > V(0.0f)), from_bits(bits | one), from_bits((bits - one) | one));
  return select(abs(residual) > V(0.0f), select(abs(y) > V(0.0f), odd, y), y);  // a NaN residual changes nothing
}

}  // namespace math
}  // namespace
}  // namespace sigmax
