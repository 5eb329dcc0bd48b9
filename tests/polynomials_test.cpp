// Each polynomial as the headers have it, evaluated without rounding: its error is at most what its comment states.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

#include "../kernels/activations.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

/// The words of kernels/value.hpp over long double, whose own rounding, 2^-64, is nothing beside the errors measured.
struct exact {
  long double v;
  explicit constexpr exact(long double x) : v(x) {}

  friend exact operator+(exact a, exact b) { return exact(a.v + b.v); }
  friend exact operator-(exact a, exact b) { return exact(a.v - b.v); }
  friend exact operator*(exact a, exact b) { return exact(a.v * b.v); }
  friend bool operator<(exact a, exact b) { return a.v < b.v; }

  friend exact fma(exact a, exact b, exact c) { return exact(a.v * b.v + c.v); }
  friend exact fma_exact(exact a, exact b, exact c) { return fma(a, b, c); }
  friend exact negate(exact a) { return exact(-a.v); }
  friend exact divide(exact a, exact b) { return exact(a.v / b.v); }
  friend exact reciprocal(exact d) { return exact(1 / d.v); }
  friend exact abs(exact a) { return exact(std::fabs(a.v)); }
  friend exact with_sign(exact a, exact sign) { return exact(std::copysign(a.v, sign.v)); }
  friend exact at_least(exact a, exact b) { return exact(std::max(a.v, b.v)); }
  friend exact at_most(exact a, exact b) { return exact(std::min(a.v, b.v)); }
  friend exact select(bool condition, exact yes, exact no) { return condition ? yes : no; }
  /// The reduction rounds to an integer by f32's precision, which this type does not have: only the branches without
  /// it mean anything here.
  friend exact power_of_two(exact) { return exact(1); }
};

/// The largest |value / truth - 1| over [from, to] is at most `stated`, both in units of 2^-24, and not far below.
template <class Value, class Truth>
void expect_error(const char* name, long double from, long double to, long double stated, Value value, Truth truth) {
  constexpr int steps = 100'000;
  long double worst = 0, at = 0;
  for (int i = 0; i <= steps; ++i) {
    const long double x = from + (to - from) * i / steps;
    if (x == 0) continue;
    const long double error = std::fabs(value(exact(x)).v / truth(x) - 1) * 0x1p24L;
    if (!(error <= worst)) worst = error, at = x;
  }
  std::printf("  %-16s on [%.6Lg, %.6Lg]: %.4Lf * 2^-24 at %.6Lg\n", name, from, to, worst, at);
  EXPECT_LE(worst, stated) << name << " at " << at;
  EXPECT_GE(worst, stated - 0.003L) << name << ": the comment can state less";
}

// Interval and error as in the comment above each.
TEST(polynomials, are_as_accurate_as_stated) {
  using namespace sigmax;
  expect_error(
      "exp_reduced", -0.34667L, 0.34667L, 0.056L, [](exact r) { return math::exp_reduced(r); },
      [](long double r) { return std::exp(r); });
  expect_error(
      "expm1_reduced", -0.34667L, 0.34667L, 0.235L, [](exact r) { return math::expm1_reduced(r); },
      [](long double r) { return std::expm1(r); });
  expect_error(
      "exp_reduced_fast", -0.34667L, 0.34667L, 1.546L, [](exact r) { return math::exp_reduced_fast(r); },
      [](long double r) { return std::exp(r); });
  expect_error(
      "log1p_unit", 0, 1, 0.089L, [](exact e) { return math::log1p_unit(e); },
      [](long double e) { return std::log1p(e); });
  expect_error(
      "scaled_tanh", 0, 0.625L - 0x1p-30L, 0.295L, [](exact a) { return math::tanh_positive(a); },
      [](long double a) { return std::tanh(a); });
}

/// e^(a^2/2) Phi(-a)
long double scaled_tail(long double a) { return std::exp(a * a / 2) * std::erfc(a / std::sqrt(2.0L)) / 2; }

TEST(polynomials, of_gelu_and_tanhshrink_too) {
  using namespace sigmax;
  expect_error(
      "gelu_op", 0, 14.5L, 0.16L,
      [](exact a) {
        const auto t = gelu_op{}.decompose(a);
        return t.p + t.p_low;
      },
      [](long double a) { return (a + gelu_op::shift) * scaled_tail(a); });
  expect_error(
      "gelu_op::fast", 0, 4.9L, 0.667L,
      [](exact a) { return gelu_op::fast_polynomial(divide(a, a + exact(4)) - exact(19.0L / 64)); },
      [](long double a) { return (a + 4) * scaled_tail(a); });
  expect_error(
      "gelu_op::fast_with_tail", 0, 13.3L, 0.907L,
      [](exact a) { return gelu_op::polynomial_with_tail(divide(a, a + exact(4)) - exact(22.0L / 64)); },
      [](long double a) { return (a + 4) * scaled_tail(a); });
  expect_error(
      "tanhshrink_op", 0, 1 - 0x1p-30L, 1.051L, [](exact a) { return tanhshrink_op{}(a); },
      [](long double a) { return sigmax_reference::tanhshrink(a); });
}

}  // namespace
}  // namespace sigmax_test
