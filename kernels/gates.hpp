// Every gate: one struct each, `name_gate`, which is its only definition, over the activations in activations/. As
// there, parameters are the only data members, in the public order; `bound` and `bound_fast` are the largest errors in
// ULP at default parameters (sigmax.hpp, gate_info, says of what). The product rounds what the activation has rounded;
// README.md, "Gates", has what was measured and why the bound is 3.
#pragma once

#include "activations.hpp"

namespace sigmax {
namespace {

/// The derivatives by a and by b.
template <class V>
struct partials {
  V a, b;
};

/// f(a) b
template <class Op>
struct act_and_mul : Op {
  template <class V>
  SIGMAX_FN V operator()(V a, V b) const {
    return Op::operator()(a) * b;
  }
  template <class V>
  SIGMAX_FN V fast(V a, V b) const {
    return Op::fast(a) * b;
  }
  template <class V>
  SIGMAX_FN partials<V> derivative(V a, V b) const {
    return {Op::derivative(a) * b, Op::operator()(a)};
  }
  /// What f takes.
  template <class V>
  SIGMAX_FN V activated(V a, V) const {
    return a;
  }
};

/// a f(b)
template <class Op>
struct mul_and_act : act_and_mul<Op> {
  using product = act_and_mul<Op>;
  template <class V>
  SIGMAX_FN V operator()(V a, V b) const {
    return product::operator()(b, a);
  }
  template <class V>
  SIGMAX_FN V fast(V a, V b) const {
    return product::fast(b, a);
  }
  template <class V>
  SIGMAX_FN partials<V> derivative(V a, V b) const {
    partials<V> d = product::derivative(b, a);
    return {d.b, d.a};
  }
  template <class V>
  SIGMAX_FN V activated(V, V b) const {
    return b;
  }
};

struct glu_gate : mul_and_act<sigmoid_op> {
  static constexpr char formula[] = "a / (1 + exp(-b))";
  static constexpr char source[] = "Dauphin et al., arXiv:1612.08083";
  static constexpr float bound = 3, bound_fast = 4.5f;
};

struct swiglu_gate : act_and_mul<silu_op> {
  static constexpr char formula[] = "a / (1 + exp(-beta a)) b";
  static constexpr char source[] = "Shazeer, arXiv:2002.05202 (SwiGLU; silu_and_mul)";
  static constexpr float bound = 3, bound_fast = 4.5f;
};

struct mul_and_silu_gate : mul_and_act<silu_op> {
  static constexpr char formula[] = "a b / (1 + exp(-beta b))";
  static constexpr char source[] = "swiglu with the gate second";
  static constexpr float bound = 3, bound_fast = 4.5f;
};

struct geglu_gate : act_and_mul<gelu_op> {
  static constexpr char formula[] = "a (1 + erf(a / sqrt(2))) / 2 b";
  static constexpr char source[] = "Shazeer, arXiv:2002.05202 (GEGLU)";
  static constexpr float bound = 3, bound_fast = 5;
  template <class V>
  SIGMAX_FN static V fast_with_tail(V a, V b) {
    return gelu_op::fast_with_tail(a) * b;
  }
};

struct geglu_tanh_gate : act_and_mul<gelu_tanh_op> {
  static constexpr char formula[] = "a (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))) / 2 b";
  static constexpr char source[] = "GEGLU on the tanh form of gelu: Gemma, arXiv:2403.08295";
  static constexpr float bound = 3, bound_fast = 4.5f;
};

struct geglu_quick_gate : act_and_mul<quick_gelu_op> {
  static constexpr char formula[] = "a / (1 + exp(-alpha a)) b";
  static constexpr char source[] = "GEGLU on the logistic form of gelu, arXiv:1606.08415";
  static constexpr float bound = 3, bound_fast = 4.5f;
};

struct reglu_gate : act_and_mul<relu_op> {
  static constexpr char formula[] = "max(a, 0) b";
  static constexpr char source[] = "Shazeer, arXiv:2002.05202 (ReGLU)";
  static constexpr float bound = 0.5f;
};

struct swiglu_oai_gate {
  static constexpr char formula[] =
      "g / (1 + exp(-alpha g)) (u + 1), g = min(a, limit), u = min(max(b, -limit), limit)";
  static constexpr char source[] = "gpt-oss, arXiv:2508.10925";
  static constexpr parameter_info params[] = {{"alpha", 1.702f, smallest_factor, largest_factor},
                                              {"limit", 7, 0, any_high}};
  static constexpr float bound = 3, bound_fast = 5.5f;
  float alpha = params[0].default_value, limit = params[1].default_value;
  template <class V>
  SIGMAX_FN V gate_of(V a) const {
    return at_most(a, V(limit));
  }
  template <class V>
  SIGMAX_FN V value_of(V b) const {
    return at_most(at_least(b, V(-limit)), V(limit));
  }
  template <class V>
  SIGMAX_FN V operator()(V a, V b) const {
    V s = silu_op{alpha}(gate_of(a)), u = value_of(b);
    V product = (u + V(1.0f)) * s;  // rounds twice, but has the sign of a zero right
    return select(product == V(0.0f), product, fma_exact(u, s, s));
  }
  template <class V>
  SIGMAX_FN V fast(V a, V b) const {
    return (value_of(b) + V(1.0f)) * silu_op{alpha}.fast(gate_of(a));
  }
  template <class V>
  SIGMAX_FN V activated(V a, V) const {
    return a;
  }
  float fast_from() const { return silu_op{alpha}.fast_from(); }
  template <class V>
  SIGMAX_FN partials<V> derivative(V a, V b) const {  // the clamps' own derivatives are 0 or 1, and NaN where x is
    V g = gate_of(a), d = silu_op{alpha}.derivative(g);
    return {(value_of(b) + V(1.0f)) * d * clip_op{-infinity, limit}.derivative(a),
            silu_op{alpha}(g)*clip_op{-limit, limit}.derivative(b)};
  }
};

struct fatrelu_and_mul_gate {
  static constexpr char formula[] = "(a > threshold ? a : 0) b";
  static constexpr char source[] = "Kurtz et al., ICML 2020 (FATReLU); Song et al., arXiv:2402.13516";
  static constexpr parameter_info params[] = {{"threshold", 0, any_low, any_high}};
  static constexpr float bound = 0.5f;
  float threshold = params[0].default_value;
  template <class V>
  SIGMAX_FN V operator()(V a, V b) const {
    return act_and_mul<thresholded_relu_op>{{threshold}}(a, b);
  }
  template <class V>
  SIGMAX_FN partials<V> derivative(V a, V b) const {
    return act_and_mul<thresholded_relu_op>{{threshold}}.derivative(a, b);
  }
};

template <>
inline constexpr bool fast_serves<geglu_gate, float16> = false;

}  // namespace
}  // namespace sigmax
