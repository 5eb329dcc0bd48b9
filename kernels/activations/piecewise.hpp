// Activations made of straight or parabolic pieces. Comparisons are written so that a NaN falls through to x itself.
#pragma once

#include "../math.hpp"
#include "parameter.hpp"

namespace sigmax {
namespace {

/// The derivative d of a piecewise function, made NaN where x is.
template <class V>
SIGMAX_FN V nan_like(V x, V d) {
  return select(x == x, d, x);
}

struct linear_op {
  static constexpr char formula[] = "alpha x + beta";
  static constexpr char source[] = "definition";
  static constexpr parameter_info params[] = {{"alpha", 1, any_low, any_high}, {"beta", 0, any_low, any_high}};
  static constexpr float bound = 0.5f;
  float alpha = params[0].default_value, beta = params[1].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return fma_exact(V(alpha), x, V(beta == 0 ? -0.0f : beta));  // adding -0 keeps the sign of a zero
  }
  template <class V>
  SIGMAX_FN V residual(V x, V y) const {
    return math::line_residual(V(alpha), x, V(beta), y);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, V(alpha));
  }
};

struct relu_op {
  static constexpr char formula[] = "max(x, 0)";
  static constexpr char source[] = "Nair and Hinton, ICML 2010";
  static constexpr no_parameters params{};
  static constexpr float bound = 0;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return at_least(x, V(0.0f)) + V(0.0f);  // + 0 turns -0, which a maximum may return, into +0
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, select(x > V(0.0f), V(1.0f), V(0.0f)));
  }
};

struct clip_op {
  static constexpr char formula[] = "min(max(x, lo), hi)";
  static constexpr char source[] = "ONNX Clip; hardtanh: Collobert, 2004";
  static constexpr parameter_info params[] = {{"lo", -1, -infinity, infinity}, {"hi", 1, -infinity, infinity}};
  static constexpr float bound = 0;
  float lo = params[0].default_value, hi = params[1].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    // A bound of zero ties with -0, and machines differ in which zero they return: + 0 makes it +0, - 0 changes
    // nothing.
    return at_most(at_least(x, V(lo)), V(hi)) + V(lo == 0 || hi == 0 ? 0.0f : -0.0f);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, select(x > V(lo), select(x < V(hi), V(1.0f), V(0.0f)), V(0.0f)));
  }
};

struct relu6_op {
  static constexpr char formula[] = "min(max(x, 0), 6)";
  static constexpr char source[] = "Krizhevsky, Convolutional deep belief networks on CIFAR-10, 2010";
  static constexpr no_parameters params{};
  static constexpr float bound = 0;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return clip_op{0.0f, 6.0f}(x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return clip_op{0.0f, 6.0f}.derivative(x);
  }
};

struct leaky_relu_op {
  static constexpr char formula[] = "x > 0 ? x : slope x";
  static constexpr char source[] = "Maas, Hannun and Ng, ICML 2013";
  static constexpr parameter_info params[] = {{"slope", 0.1f, any_low, any_high}};
  static constexpr float bound = 0.5f;
  float slope = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return select(x > V(0.0f), x, V(slope) * x);
  }
  template <class V>
  SIGMAX_FN V residual(V x, V y) const {
    return select(x > V(0.0f), V(0.0f), math::product_residual(V(slope), x, y));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, select(x > V(0.0f), V(1.0f), V(slope)));
  }
};

struct thresholded_relu_op {
  static constexpr char formula[] = "x > alpha ? x : 0";
  static constexpr char source[] = "Konda, Memisevic and Krueger, arXiv:1402.3337";
  static constexpr parameter_info params[] = {{"alpha", 1, any_low, any_high}};
  static constexpr float bound = 0;
  float alpha = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return select(x <= V(alpha), V(0.0f), x);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, select(x > V(alpha), V(1.0f), V(0.0f)));
  }
};

struct squared_relu_op {
  static constexpr char formula[] = "max(x, 0)^2";
  static constexpr char source[] = "So et al., arXiv:2109.08668";
  static constexpr no_parameters params{};
  static constexpr float bound = 0.5f;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V r = at_least(x, V(0.0f));
    return r * r;
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    V r = relu_op{}(x);
    return r + r;
  }
};

struct shrink_op {
  static constexpr char formula[] = "x < -lambda ? x + bias : x > lambda ? x - bias : 0";
  static constexpr char source[] = "ONNX Shrink; bias 0 is hard shrinkage, bias = lambda soft shrinkage";
  static constexpr parameter_info params[] = {{"lambda", 0.5f, 0, any_high}, {"bias", 0, any_low, any_high}};
  static constexpr float bound = 0.5f;
  float lambda = params[0].default_value, bias = params[1].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    V inside = x * V(0.0f);  // a zero with the sign of x, or NaN
    return select(x < V(-lambda), x + V(bias), select(x > V(lambda), x - V(bias), inside));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, select(abs(x) > V(lambda), V(1.0f), V(0.0f)));
  }
};

struct hard_sigmoid_op {
  static constexpr char formula[] = "min(max(alpha x + beta, 0), 1)";
  static constexpr char source[] =
      "Courbariaux, Bengio and David, arXiv:1511.00363; slope 1/6 as in Howard et al., arXiv:1905.02244";
  static constexpr parameter_info params[] = {{"alpha", 1.0f / 6, smallest_factor, any_high},
                                              {"beta", 0.5f, any_low, any_high}};
  static constexpr float bound = 0.5f;
  float alpha = params[0].default_value, beta = params[1].default_value;
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return clip_op{0.0f, 1.0f}(fma_exact(V(alpha), x, V(beta)));
  }
  /// With 1/6 every third result lies next to the middle of two 16-bit numbers, where its residual has to decide. But
  /// where beta is 1/2 an fma can round to `digits` digits itself: its addend beta + c is exact, and its result has the
  /// units that the line's value has in that type, for f16 no less than 2^-24.
  bool rounds_once() const { return beta == 0.5f; }
  template <int digits, class V>
  SIGMAX_FN V rounded_once(V x) const {
    auto bits = bits_of(fma_exact(V(alpha), x, V(beta)));
    using U = decltype(bits);
    V power = at_most(from_bits(bits & U(0x7f800000u)), V(1.0f));
    V c = from_bits(bits_of(power) + U((static_cast<unsigned>(24 - digits) << 23) + 0x00400000u));  // 1.5 2^(24-digits)
    if constexpr (digits == 11) c = at_least(c, V(0.75f));
    return at_most(at_least(fma_exact(V(alpha), x, V(beta) + c) - c, V(0.0f)), V(1.0f));
  }
  template <class V>
  SIGMAX_FN V residual(V x, V y) const {
    V inside = select(y < V(1.0f), math::line_residual(V(alpha), x, V(beta), y), V(0.0f));
    return select(y > V(0.0f), inside, V(0.0f));
  }
  /// below, inside or above where the exact line is <= 0, between, or >= 1: a sum has the sign of the exact one, and
  /// where it rounds to 1 what is above that does, of which beta - 1 is two parts.
  template <class V>
  SIGMAX_FN V by_piece(V x, V below, V inside, V above) const {
    const float high = beta - 1.0f, part = high - beta, low = (beta - (high - part)) - (1.0f + part);
    V line = fma_exact(V(alpha), x, V(beta)), over = fma_exact(V(alpha), x, V(high)) + V(low);
    V piece = select(line < V(1.0f), inside, select(line > V(1.0f), above, select(over < V(0.0f), inside, above)));
    return select(line > V(0.0f), piece, below);
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    return nan_like(x, by_piece(x, V(0.0f), V(alpha), V(0.0f)));
  }
};

struct hard_swish_op {
  static constexpr char formula[] = "x min(max(alpha x + beta, 0), 1)";
  static constexpr char source[] = "Howard et al., arXiv:1905.02244";
  static constexpr parameter_info params[] = {{"alpha", 1.0f / 6, smallest_factor, any_high},
                                              {"beta", 0.5f, any_low, any_high}};
  static constexpr float bound = 1.5f;
  float alpha = params[0].default_value, beta = params[1].default_value;
  template <class V>
  SIGMAX_FN V clamped(V x) const {
    return at_least(x, V(-largest));  // -inf 0 would be NaN; the limit is -0
  }
  template <class V>
  SIGMAX_FN V operator()(V x) const {
    return clamped(x) * hard_sigmoid_op{alpha, beta}(x);
  }
  template <class V>
  SIGMAX_FN V residual(V x, V y) const {
    hard_sigmoid_op gate{alpha, beta};
    V h = gate(x);
    return fma(clamped(x), gate.residual(x, h), fma_exact(clamped(x), h, negate(y)));
  }
  template <class V>
  SIGMAX_FN V derivative(V x) const {
    V inside = fma_exact(V(alpha), x + x, V(beta));  // 2 alpha may be infinite
    return nan_like(x, hard_sigmoid_op{alpha, beta}.by_piece(x, V(0.0f), inside, V(1.0f)));
  }
};

template <>
inline constexpr bool keeps_dtype<relu_op> = true;
template <>
inline constexpr bool keeps_dtype<relu6_op> = true;
template <>
inline constexpr bool keeps_dtype<thresholded_relu_op> = true;

}  // namespace
}  // namespace sigmax
