// The oracle of the gates, on that of the activations: long double, from the mathematics and never from the kernels.
#pragma once

#include "reference.hpp"

#include <algorithm>

namespace sigmax_reference {

/// Whether the activation is that of b, and a its factor.
inline bool acts_on_b(sigmax::gate op) { return op == sigmax::gate::glu || op == sigmax::gate::mul_and_silu; }

inline default_parameters defaults(sigmax::gate op) {
  using enum sigmax::gate;
  switch (op) {
    case swiglu:
    case mul_and_silu: return {1};
    case geglu_quick: return {1.702f};
    case swiglu_oai: return {1.702f, 7};
    default: return {};
  }
}

/// A gate is f(x) v(z). What it is at one pair: f and v, and their derivatives.
struct gate_factors {
  long double f, f_slope, v, v_slope;
};
/// x is the activation's argument, z the other tensor's element.
inline gate_factors factors(sigmax::gate op, long double x, long double z, long double p, long double q) {
  using enum sigmax::gate;
  using act = sigmax::activation;
  const auto by = [&](act f) { return gate_factors{activation(f, x, p, q), derivative(f, x, p, q), z, 1}; };
  switch (op) {
    case glu: return by(act::sigmoid);
    case swiglu:
    case mul_and_silu:
    case geglu_quick: return by(act::silu);
    case geglu: return by(act::gelu);
    case geglu_tanh: return by(act::gelu_tanh);
    case reglu: return by(act::relu);
    case fatrelu_and_mul: return {std::isnan(x) || x > p ? x : 0, std::isnan(x) ? x : x > p ? 1.0L : 0.0L, z, 1};
    case swiglu_oai: {
      if (std::isnan(x) || std::isnan(z)) return {x, x, z, z};
      const long double g = std::min(x, q), u = std::clamp(z, -q, q);
      return {times_sigmoid(g, p * g), x < q ? derivative(act::silu, g, p, 0) : 0, u + 1,
              z > -q && z < q ? 1.0L : 0.0L};
    }
  }
  return {};
}
inline gate_factors factors(sigmax::gate op, long double x, long double z) {
  const auto d = defaults(op);
  return factors(op, x, z, d.first, d.second);
}

inline long double value(const gate_factors& at) { return at.f * at.v; }

inline long double gated(sigmax::gate op, long double a, long double b) {
  return value(acts_on_b(op) ? factors(op, b, a) : factors(op, a, b));
}

/// What errors under accuracy::fast are measured by: the result, or what a lost tail may leave of it.
inline long double fast_scale(const gate_factors& at, long double x) {
  return std::fmax(std::fabs(value(at)), std::fmin(1.0L, std::fabs(x)) * std::fabs(at.v) * 0x1p-20L);
}

}  // namespace sigmax_reference
