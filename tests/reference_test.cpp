// The oracle itself: its derivatives against its own finite differences, and values known in closed form.
#include "reference.hpp"

#include "harness.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;
using oracle = each_activation;

TEST_P(oracle, derivative_is_the_slope) {
  const activation op = GetParam();
  for (int i = -1200; i <= 1200; ++i) {
    const long double x = i / 100.0L + 0.00371L, h = 0x1p-20L;  // off every kink by more than h
    const long double slope = (reference::activation(op, x + h) - reference::activation(op, x - h)) / (2 * h);
    EXPECT_NEAR(static_cast<double>(reference::derivative(op, x)), static_cast<double>(slope),
                1e-9 * std::fmax(1.0, static_cast<double>(slope)))
        << static_cast<double>(x);
  }
}

TEST_P(oracle, in_double_is_as_good_for_f32) {
  const activation op = GetParam();
  for (float x : sample(65521)) {
    const long double unit = 0x1p-18L, value = reference::activation(op, x), slope = reference::derivative(op, x);
    const auto near = [&](double got, long double exact) {
      if (std::isnan(exact)) return std::isnan(got);
      if (std::fabs(exact) >= 0x1p128L) return std::fabs(got) >= 0x1p128;
      return std::fabs(got - exact) <= unit * std::fmax(std::fabs(exact), 0x1p-126L) * 0x1p-23L;
    };
    EXPECT_TRUE(near(reference::activation<double>(op, x), value)) << x;
    const bool crossing = reference::derivative_crosses_zero(op) && std::fabs(slope) < 0x1p-10L;
    EXPECT_TRUE(crossing || near(reference::derivative<double>(op, x), slope)) << x;
  }
}

SIGMAX_FOR_EACH_ACTIVATION(oracle);

TEST(oracle_values, closed_forms) {
  using enum activation;
  const auto f = [](activation op, long double x) { return static_cast<double>(reference::activation(op, x)); };
  const long double ln2 = 0.693147180559945309417232121458L, ln3 = 1.09861228866810969139524523692L;
  EXPECT_DOUBLE_EQ(f(sigmoid, ln3), 0.75);
  EXPECT_DOUBLE_EQ(f(silu, -ln3), static_cast<double>(-ln3 / 4));
  EXPECT_DOUBLE_EQ(f(activation::tanh, ln2), 0.6);
  EXPECT_DOUBLE_EQ(f(softplus, 0), static_cast<double>(ln2));
  EXPECT_DOUBLE_EQ(f(log_sigmoid, 0), static_cast<double>(-ln2));
  EXPECT_DOUBLE_EQ(f(mish, ln2), static_cast<double>(ln2 * 0.8L));  // ((1 + 2)^2 - 1) / ((1 + 2)^2 + 1)
  EXPECT_DOUBLE_EQ(f(elu, -ln2), -0.5);
  EXPECT_DOUBLE_EQ(f(tanhshrink, ln2), static_cast<double>(ln2 - 0.6L));
  EXPECT_DOUBLE_EQ(f(softcap, 50 * ln2), 30);
  EXPECT_DOUBLE_EQ(f(squareplus, 1.5L), 2);
  EXPECT_DOUBLE_EQ(f(squareplus, -1.5L), 0.5);
  EXPECT_DOUBLE_EQ(f(gelu, 1), 0.84134474606854293);  // Phi(1)
  EXPECT_DOUBLE_EQ(f(gelu, -1), -0.15865525393145705);
  EXPECT_DOUBLE_EQ(f(softsign, -3), -0.75);
}

TEST(oracle_values, tanhshrink_joins_its_series) {
  const long double below = reference::tanhshrink(0.3L - 0x1p-40L), above = reference::tanhshrink(0.3L);
  EXPECT_NEAR(static_cast<double>((above - below) / above),
              static_cast<double>(0x1p-40L * std::tanh(0.3L) * std::tanh(0.3L) / above), 1e-16);
}

TEST(oracle_values, ulp_error_counts_units) {
  EXPECT_EQ(reference::ulp_error(1.0f, 1.0L), 0);
  EXPECT_EQ(reference::ulp_error(std::nextafter(1.0f, 2.0f), 1.0L), 1);
  EXPECT_EQ(reference::ulp_error(1.0f, 1 - 0x1p-24L), 1);  // the unit below 1 is half of that above
  EXPECT_EQ(reference::ulp_error(0.0f, 0x1p-149L), 1);
  EXPECT_TRUE(std::isinf(reference::ulp_error(NAN, 1.0L)));
  EXPECT_TRUE(std::isinf(reference::ulp_error(INFINITY, 1.0L)));
  EXPECT_EQ(reference::ulp_error(INFINITY, 1e40L), 0);
  EXPECT_GT(reference::ulp_error(0x1.fffffep127f, std::numeric_limits<long double>::infinity()), 1e9);
}

}  // namespace
}  // namespace sigmax_test
