// What every test of the gates needs: calls on one row, and pairs of inputs.
#pragma once

#include "gate_reference.hpp"
#include "golden.hpp"
#include "harness.hpp"

namespace sigmax_test {

struct pairs {
  std::vector<float> a, b;
};

inline std::vector<float> run(gate op, const std::vector<float>& a, const std::vector<float>& b, const options& how) {
  std::vector<float> y(a.size());
  const status s = activate_gated(op, const_view(a.data(), std::ssize(a)), const_view(b.data(), std::ssize(b)),
                                  view(y.data(), std::ssize(y)), how);
  EXPECT_TRUE(s.ok()) << s.message;
  return y;
}

/// da and db.
inline pairs run_derivative(gate op, const std::vector<float>& a, const std::vector<float>& b, const options& how) {
  const std::vector<float> one(a.size(), 1.0f);
  pairs d{std::vector<float>(a.size()), std::vector<float>(a.size())};
  const std::int64_t n = std::ssize(a);
  const status s = gated_gradient(op, const_view(one.data(), n), const_view(a.data(), n), const_view(b.data(), n),
                                  view(d.a.data(), n), view(d.b.data(), n), how);
  EXPECT_TRUE(s.ok()) << s.message;
  return d;
}

/// For each x that `sample(stride)` has: factors with which f(x) v ends below a power of two, where a relative error
/// weighs most; any bit pattern; and one near 1.
inline pairs sample_pairs(gate op, std::uint64_t stride) {
  std::vector<float> x = sample(stride), arguments, factor;
  std::uint64_t random = 0;
  for (const float argument : x)
    for (int kind = 0; kind < 3; ++kind) {
      const std::uint64_t bits = sigmax_golden::mix(++random);
      const double f = static_cast<double>(std::fabs(sigmax_reference::factors(op, argument, 0).f));
      float v = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      if (kind == 0 && std::isfinite(f) && f > 0) {
        int exponent = 0;
        const double to_one = 1 / std::frexp(f, &exponent) * (1 - static_cast<double>(bits >> 40) * 0x1p-32);
        v = std::copysign(static_cast<float>(std::ldexp(to_one, static_cast<int>(bits % 61) - 30)), v);
        if (op == gate::swiglu_oai) v = static_cast<float>(std::ldexp(to_one, static_cast<int>(bits % 3)) - 1);
      } else if (kind == 1) {
        v = 2 - static_cast<float>(bits >> 40) * 0x1p-22f;
      }
      arguments.push_back(argument);
      factor.push_back(v);
    }
  return sigmax_reference::acts_on_b(op) ? pairs{std::move(factor), std::move(arguments)}
                                         : pairs{std::move(arguments), std::move(factor)};
}

/// The gate's factors at a[i], b[i], and the activation's argument.
inline sigmax_reference::gate_factors exact_at(gate op, float a, float b) {
  return sigmax_reference::acts_on_b(op) ? sigmax_reference::factors(op, b, a) : sigmax_reference::factors(op, a, b);
}

class each_gate : public testing::TestWithParam<gate> {};
inline std::string gate_name(const testing::TestParamInfo<gate>& p) { return std::string(describe(p.param).name); }
#define SIGMAX_FOR_EACH_GATE(suite) \
  INSTANTIATE_TEST_SUITE_P(all, suite, testing::ValuesIn(all_gates().begin(), all_gates().end()), gate_name)

}  // namespace sigmax_test
