// The oracle: every activation, its derivative and softmax, written from the mathematics and never from the kernels.
// `real` is long double, unless a sweep over all 2^32 inputs asks for double. On x86 long double has 64 bits of
// precision and 15 of exponent, so an error of a few of its units is below 2^-38 of an f32 ULP; in double it is below
// 2^-18 (reference_test.cpp holds that), far under anything that a bound in tenths of an ULP could hide. Where a
// textbook formula cancels, the form used here does not, and says so.
#pragma once

#include <sigmax/sigmax.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace sigmax_reference {

/// Keeps a parameter out of template argument deduction: calls name `real` or take long double.
template <class real>
using given = std::type_identity_t<real>;

template <class real>
inline constexpr real pi = real(3.14159265358979323846264338327950288L);
template <class real>
inline constexpr real selu_alpha = real(1.6732632423543772848170429916717L);
template <class real>
inline constexpr real selu_scale = real(1.0507009873554804934193349852946L);
/// of the cubic in the tanh form of gelu
template <class real>
inline constexpr real gelu_cubic = real(0.044715L);

template <class real>
inline real sigmoid(real z) {
  return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
}
template <class real>
inline real softplus(real z) {
  return z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
}

/// x sigmoid(z), with the limit 0 where x is infinite and z = -inf.
template <class real>
inline real times_sigmoid(real x, real z) {
  const real s = sigmoid(z);
  return s == 0 ? std::copysign(real{0}, x) : x * s;
}

/// Phi(x), the normal distribution function; erfc keeps its relative accuracy in the tail.
template <class real>
inline real normal_cdf(real x) {
  return std::erfc(-x / std::sqrt(real{2})) / 2;
}

/// 2 sqrt(2 / pi) (x + 0.044715 x^3): the argument of the logistic function that equals the tanh form of gelu.
template <class real>
inline real gelu_argument(real x) {
  return 2 * std::sqrt(2 / pi<real>) * (x + gelu_cubic<real> * x * x * x);
}

/// tanh(log(1 + e^x)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1) = (e^2 + 2e) / (e^2 + 2e + 2)
template <class real>
inline real tanh_softplus(real x) {
  if (x > 40) return 1 - 2 * std::exp(-2 * x);
  const real e = std::exp(x), n = e * (e + 2);
  return n / (n + 2);
}

/// x - tanh(x); below 0.3 by the Taylor series of tanh, whose next term is below 2^-64 of the first there.
template <class real>
inline real tanhshrink(real x) {
  if (std::fabs(x) >= real(0.3L)) return x - std::tanh(x);
  // tanh's coefficients 2^2n (2^2n - 1) B_2n / (2n)!, from x^3 on, negated.
  static constexpr long double c[] = {1 / 3.0L,
                                      -2 / 15.0L,
                                      17 / 315.0L,
                                      -62 / 2835.0L,
                                      1382 / 155925.0L,
                                      -21844 / 6081075.0L,
                                      929569 / 638512875.0L,
                                      -6404582 / 10854718875.0L,
                                      443861162 / 1856156927625.0L,
                                      -18888466084 / 194896477400625.0L,
                                      113927491862 / 2900518163668125.0L,
                                      -58870668456604 / 3698160658676859375.0L,
                                      8374643517010684 / 1298054391195577640625.0L};
  real sum = 0;
  for (int i = static_cast<int>(sizeof c / sizeof c[0]) - 1; i >= 0; --i) sum = sum * x * x + static_cast<real>(c[i]);
  return x * x * x * sum;
}

/// The value of an activation. p and q are its parameters in the public order, already resolved.
template <class real = long double>
inline real activation(sigmax::activation op, given<real> x, given<real> p, given<real> q) {
  using enum sigmax::activation;
  if (std::isnan(x)) return x;
  switch (op) {
    case linear: return p == 1 && q == 0 ? x : p * x + q;
    case relu: return x > 0 ? x : 0;
    case relu6: return x > 0 ? std::fmin(x, real{6}) : 0;
    case clip: return std::fmin(std::fmax(x, p), q);
    case leaky_relu: return x > 0 ? x : p * x;
    case thresholded_relu: return x > p ? x : 0;
    case squared_relu: return x > 0 ? x * x : 0;
    case elu: return x > 0 ? x : p * std::expm1(x);
    case celu: return x > 0 ? x : p * std::expm1(x / p);
    case selu: return x > 0 ? selu_scale<real> * x : selu_scale<real> * selu_alpha<real> * std::expm1(x);
    case gelu: return normal_cdf(x) == 0 ? std::copysign(real{0}, x) : x * normal_cdf(x);
    case gelu_tanh: return times_sigmoid(x, gelu_argument(x));
    case quick_gelu:
    case silu: return times_sigmoid(x, p * x);
    case hard_sigmoid: return std::fmin(std::fmax(p * x + q, real{0}), real{1});
    case hard_swish: {
      const real s = std::fmin(std::fmax(p * x + q, real{0}), real{1});
      return s == 0 ? std::copysign(real{0}, x) : x * s;
    }
    case sigmoid: return sigmax_reference::sigmoid(x);
    case log_sigmoid: return -sigmax_reference::softplus(-x);
    case sigmax::activation::tanh: return std::tanh(x);
    case softcap: return p * std::tanh(x / p);
    case tanhshrink: return std::isinf(x) ? x : sigmax_reference::tanhshrink(x);
    case softplus: return sigmax_reference::softplus(p * x) / p;
    case softsign: return std::isinf(x) ? std::copysign(real{1}, x) : x / (1 + std::fabs(x));
    case shrink: return x < -p ? x + q : x > p ? x - q : std::copysign(real{0}, x);
    case mish: return tanh_softplus(x) == 0 ? std::copysign(real{0}, x) : x * tanh_softplus(x);
    case squareplus:  // for x < 0 multiplied by the conjugate, which does not cancel
      if (std::isinf(x)) return x > 0 ? x : 0;
      return x > 0 ? (x + std::sqrt(x * x + p)) / 2 : p / 2 / (std::sqrt(x * x + p) - x);
    case sigmax::activation::exp: return std::exp(x);
  }
  return std::numeric_limits<real>::quiet_NaN();
}

/// The derivative; at a kink that of the flat side.
template <class real = long double>
inline real derivative(sigmax::activation op, given<real> x, given<real> p, given<real> q) {
  using enum sigmax::activation;
  if (std::isnan(x)) return x;
  switch (op) {
    case linear: return p;
    case relu: return x > 0 ? 1 : 0;
    case relu6: return x > 0 && x < 6 ? 1 : 0;
    case clip: return x > p && x < q ? 1 : 0;
    case leaky_relu: return x > 0 ? 1 : p;
    case thresholded_relu: return x > p ? 1 : 0;
    case squared_relu: return x > 0 ? 2 * x : 0;
    case elu: return x > 0 ? 1 : p * std::exp(x);
    case celu: return x > 0 ? 1 : std::exp(x / p);
    case selu: return x > 0 ? selu_scale<real> : selu_scale<real> * selu_alpha<real> * std::exp(x);
    case gelu:
      return std::isinf(x) ? (x > 0 ? 1 : 0) : normal_cdf(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * pi<real>);
    case gelu_tanh: {
      if (std::isinf(x)) return x > 0 ? 1 : 0;
      const real z = gelu_argument(x), slope = 2 * std::sqrt(2 / pi<real>) * (1 + 3 * gelu_cubic<real> * x * x);
      return sigmax_reference::sigmoid(z) * (1 + x * slope * sigmax_reference::sigmoid(-z));
    }
    case quick_gelu:
    case silu:
      if (std::isinf(x)) return x > 0 ? 1 : 0;
      return sigmax_reference::sigmoid(p * x) * (1 + p * x * sigmax_reference::sigmoid(-p * x));
    case hard_sigmoid: return p * x + q > 0 && p * x + q < 1 ? p : 0;
    case hard_swish: return p * x + q <= 0 ? 0 : p * x + q >= 1 ? 1 : 2 * p * x + q;
    case sigmoid: return sigmax_reference::sigmoid(x) * sigmax_reference::sigmoid(-x);
    case log_sigmoid: return sigmax_reference::sigmoid(-x);
    case sigmax::activation::tanh: return 4 * sigmax_reference::sigmoid(2 * x) * sigmax_reference::sigmoid(-2 * x);
    case softcap: return 4 * sigmax_reference::sigmoid(2 * x / p) * sigmax_reference::sigmoid(-2 * x / p);
    case tanhshrink: return std::tanh(x) * std::tanh(x);
    case softplus: return sigmax_reference::sigmoid(p * x);
    case softsign: return 1 / ((1 + std::fabs(x)) * (1 + std::fabs(x)));
    case shrink: return std::fabs(x) > p ? 1 : 0;
    case mish: {
      if (std::isinf(x)) return x > 0 ? 1 : 0;
      // tanh(s) + x sigmoid(x) (1 - tanh(s)^2); 1 - tanh(s) = 2 / (e^2 + 2e + 2) does not cancel.
      const real t = tanh_softplus(x);
      const real e = std::exp(x), rest = x > 40 ? 2 * std::exp(-2 * x) : 2 / (e * (e + 2) + 2);
      return t + x * sigmax_reference::sigmoid(x) * rest * (1 + t);
    }
    case squareplus: {
      if (std::isinf(x)) return x > 0 ? 1 : 0;
      const real r = std::sqrt(x * x + p);
      return x > 0 ? (1 + x / r) / 2 : p / (2 * r * (r - x));
    }
    case sigmax::activation::exp: return std::exp(x);
  }
  return std::numeric_limits<real>::quiet_NaN();
}

/// The documented defaults, as literals: tests compare them with what the library says.
struct default_parameters {
  float first = 0, second = 0;
};
inline default_parameters defaults(sigmax::activation op) {
  using enum sigmax::activation;
  switch (op) {
    case linear: return {1, 0};
    case clip: return {-1, 1};
    case leaky_relu: return {0.1f};
    case thresholded_relu:
    case elu:
    case celu:
    case silu:
    case softplus: return {1};
    case quick_gelu: return {1.702f};
    case hard_sigmoid:
    case hard_swish: return {1.0f / 6, 0.5f};
    case softcap: return {50};
    case shrink: return {0.5f, 0};
    case squareplus: return {4};
    default: return {};
  }
}
template <class real = long double>
inline real activation(sigmax::activation op, given<real> x) {
  const auto d = defaults(op);
  return activation<real>(op, x, real(d.first), real(d.second));
}
template <class real = long double>
inline real derivative(sigmax::activation op, given<real> x) {
  const auto d = defaults(op);
  return derivative<real>(op, x, real(d.first), real(d.second));
}

/// Derivatives that cross zero do so within (-3, 0). No relative bound can hold there.
inline bool derivative_crosses_zero(sigmax::activation op) {
  using enum sigmax::activation;
  return op == gelu || op == gelu_tanh || op == quick_gelu || op == silu || op == hard_swish || op == mish;
}

/// The unit in the last place of an f32 of this size, a normal number.
inline long double unit_of(long double size) { return std::scalbn(1.0L, std::ilogb(size) - 23); }
inline double unit_of(double size) {  // the same by bits: a sweep asks for it 2^32 times
  return std::bit_cast<double>((std::bit_cast<std::uint64_t>(size) >> 52 << 52) - (std::uint64_t{23} << 52));
}

/// |got - exact| in units in the last place of an f32 of the size of `exact`; subnormal results in 2^-149. A NaN or an
/// infinity that should not be there is infinitely wrong; a result that overflows where the exact one does is right.
template <class real = long double>
inline double ulp_error(float got, given<real> exact) {
  constexpr double wrong = std::numeric_limits<double>::infinity();
  constexpr real overflow = 0x1.ffffffp127L;  // from here on, rounding gives infinity
  const real size = std::fabs(exact);
  if (std::isnan(exact)) return std::isnan(got) ? 0 : wrong;
  if (std::isnan(got)) return wrong;
  if (std::isinf(got)) return size >= 0x1.fffffep127L && std::signbit(got) == std::signbit(exact) ? 0 : wrong;
  if (size >= overflow) return std::isinf(exact) ? wrong : static_cast<double>(std::fabs(got - exact) / 0x1p104L);
  return static_cast<double>(std::fabs(static_cast<real>(got) - exact) / unit_of(std::fmax(size, real(0x1p-126L))));
}

/// What errors under accuracy::fast are measured by: the result, or 2^-20 min(1, |x|) where that is larger.
template <class real = long double>
inline real fast_scale(given<real> exact, given<real> x) {
  return std::fmax(std::fabs(exact), std::fmin(real(1), std::fabs(x)) * real(0x1p-20L));
}
template <class real = long double>
inline double fast_error(float got, given<real> exact, given<real> x) {
  if (!std::isfinite(got) || !std::isfinite(exact)) return ulp_error<real>(got, exact);
  const real scale = std::fmin(fast_scale<real>(exact, x), real(0x1.fffffep127L));
  return static_cast<double>(std::fabs(static_cast<real>(got) - exact) / unit_of(std::fmax(scale, real(0x1p-126L))));
}

/// A 16-bit binary format with `fraction` stored significand bits and exponent bias `bias`.
template <int fraction, int bias>
struct half_format {
  using real = long double;
  static real decode(std::uint16_t bits) {
    const int exponent = (bits & 0x7fff) >> fraction, top = 0x7fff >> fraction;
    const real m = bits & ((1 << fraction) - 1);
    const real sign = bits & 0x8000 ? -1 : 1;
    if (exponent == top)
      return m != 0 ? std::numeric_limits<real>::quiet_NaN() : sign * std::numeric_limits<real>::infinity();
    if (exponent == 0) return sign * std::ldexp(m, 1 - bias - fraction);
    return sign * std::ldexp(m + (1 << fraction), exponent - bias - fraction);
  }
  /// To nearest, ties to even. Every NaN becomes the positive quiet one.
  static std::uint16_t encode(real x) {
    constexpr int top = 0x7fff >> fraction;
    if (std::isnan(x)) return static_cast<std::uint16_t>((top << fraction) | (1 << (fraction - 1)));
    const int sign = std::signbit(x) ? 0x8000 : 0;
    const real a = std::fabs(x);
    int exponent = 1 - bias;
    if (a >= std::ldexp(real{1}, 1 - bias)) {
      if (std::isinf(a)) return static_cast<std::uint16_t>(sign | (top << fraction));
      std::frexp(a, &exponent);
      --exponent;
    }
    // In units of the last place; long double's own rounding to an integer is to even.
    const long units = std::lrint(std::ldexp(a, fraction - exponent));
    const long bits = (static_cast<long>(exponent + bias - 1) << fraction) + units;
    return static_cast<std::uint16_t>(sign | (bits >= (static_cast<long>(top) << fraction) ? top << fraction : bits));
  }
};
using float16_format = half_format<10, 15>;
using bfloat16_format = half_format<7, 127>;

struct softmax_row {
  std::vector<long double> probability, logarithm;
};
inline softmax_row softmax(const std::vector<float>& x) {
  using real = long double;
  real max = -std::numeric_limits<real>::infinity();
  for (float v : x) max = std::isnan(v) ? max : std::fmax(max, static_cast<real>(v));
  real sum = 0, lost = 0;  // Kahan
  for (float v : x) {
    const real term = std::exp(static_cast<real>(v) - max) - lost, next = sum + term;
    lost = (next - sum) - term;
    sum = next;
  }
  softmax_row row;
  for (float v : x) {
    row.probability.push_back(std::exp(static_cast<real>(v) - max) / sum);
    row.logarithm.push_back((static_cast<real>(v) - max) - std::log(sum));
  }
  return row;
}

}  // namespace sigmax_reference
