// What every test needs: the ISA rows to run on, and inputs.
#pragma once

#include <gtest/gtest.h>
#include <sigmax/sigmax.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace sigmax_test {

using namespace sigmax;

inline std::vector<isa_info> usable_isas() {
  std::vector<isa_info> rows;
  for (const isa_info& row : cpu_isas())
    if (row.usable) rows.push_back(row);
  return rows;
}

inline options on(const isa_info& row, accuracy tier = accuracy::high) {
  options how;
  how.isa = row.name;
  how.accuracy = tier;
  return how;
}
inline options with(accuracy tier) {
  options how;
  how.accuracy = tier;
  return how;
}
inline constexpr accuracy tiers[] = {accuracy::high, accuracy::fast};

/// y = op(x) on one row.
inline std::vector<float> run(activation op, const std::vector<float>& x, const options& how) {
  std::vector<float> y(x.size());
  const status s = activate(op, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), how);
  EXPECT_TRUE(s.ok()) << s.message;
  return y;
}

inline std::vector<float> run_derivative(activation op, const std::vector<float>& x, const options& how) {
  const std::vector<float> one(x.size(), 1.0f);
  std::vector<float> dx(x.size());
  const status s = activation_gradient(op, const_view(one.data(), std::ssize(one)), const_view(x.data(), std::ssize(x)),
                                       view(dx.data(), std::ssize(dx)), how);
  EXPECT_TRUE(s.ok()) << s.message;
  return dx;
}

/// Equal in every bit, all NaN being one value: its sign and payload are the machine's.
inline bool same_bits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

/// Every stride-th bit pattern of all 2^32, and dense runs where functions bend, saturate or underflow.
inline std::vector<float> sample(std::uint64_t stride) {
  std::vector<float> x;
  for (std::uint64_t u = 0; u < (std::uint64_t{1} << 32); u += stride)
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(u)));
  const auto sweep = [&](float from, float to, int n) {
    for (int i = 0; i <= n; ++i) x.push_back(from + (to - from) * static_cast<float>(i) / static_cast<float>(n));
  };
  sweep(-110, -80, 3000);
  sweep(-20, 20, 20000);
  sweep(80, 110, 3000);
  sweep(-1e-4f, 1e-4f, 2000);
  for (float c : {0.0f, 0.5f, 0.625f, 1.0f, 3.0f, 6.0f, 10.0f, 10.8f, 14.4f, 18.0f, 44.36142f, 87.33655f, 88.02969f,
                  88.72284f, 103.2789f, 103.97208f, 104.0f, 110.0f})
    for (float s : {c, -c}) {
      float up = s, down = s;
      for (int i = 0; i < 20; ++i) {
        x.push_back(up);
        x.push_back(down);
        up = std::nextafter(up, INFINITY);
        down = std::nextafter(down, -INFINITY);
      }
    }
  for (int e = -149; e < 128; ++e) {
    x.push_back(std::ldexp(1.0f, e));
    x.push_back(-std::ldexp(1.0f, e));
  }
  return x;
}

/// Normally distributed.
inline std::vector<float> logits(std::size_t n, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

class each_activation : public testing::TestWithParam<activation> {};
inline std::string name_of(const testing::TestParamInfo<activation>& p) { return std::string(describe(p.param).name); }
#define SIGMAX_FOR_EACH_ACTIVATION(suite) \
  INSTANTIATE_TEST_SUITE_P(all, suite, testing::ValuesIn(all_activations().begin(), all_activations().end()), name_of)

}  // namespace sigmax_test
