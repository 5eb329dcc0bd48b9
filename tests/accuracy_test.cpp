// Every activation and derivative, on every ISA row, against the oracle over bit patterns of the whole f32 range.
#include <cstdio>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;
using accuracy = each_activation;  // in this file: the suite

struct worst_case {
  double normal = 0, subnormal = 0;
  float normal_at = 0, subnormal_at = 0;
};

worst_case compare(const std::vector<float>& x, const std::vector<float>& got, const std::vector<long double>& exact,
                   double absolute = 0, bool only_near_zero = false) {
  worst_case worst;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = reference::ulp_error(got[i], exact[i]);
    if (std::fabs(exact[i]) < 0x1p-126L) {
      if (error > worst.subnormal) worst.subnormal = error, worst.subnormal_at = x[i];
    } else if (error > worst.normal) {
      const bool forgiven = std::fabs(got[i] - exact[i]) <= absolute && (!only_near_zero || (x[i] > -3 && x[i] < 0));
      if (!forgiven) worst.normal = error, worst.normal_at = x[i];
    }
  }
  return worst;
}

void report(activation op, const char* what, const isa_info& row, const worst_case& w) {
  std::printf("  %-16s %-10s %-7s max %.4g ULP at %.9g, subnormal results %.3g at %.9g\n", describe(op).name.data(),
              what, row.name, w.normal, static_cast<double>(w.normal_at), w.subnormal,
              static_cast<double>(w.subnormal_at));
}

const std::vector<float>& inputs() {
  static const std::vector<float> x = sample(8191);
  return x;
}

// Rows without FMA round some products twice: the bound is that many times larger there.
constexpr double without_fma = 2;

TEST_P(accuracy, forward) {
  const activation op = GetParam();
  std::vector<long double> exact;
  for (float x : inputs()) exact.push_back(reference::activation(op, x));
  for (const isa_info& row : usable_isas()) {
    const worst_case w = compare(inputs(), run(op, inputs(), on(row)), exact);
    report(op, "forward", row, w);
    EXPECT_LE(w.normal, static_cast<double>(describe(op).bound_f32) * (row.fma ? 1 : without_fma))
        << row.name << " at " << w.normal_at;
    EXPECT_LE(w.subnormal, row.fma ? 2 : 4) << row.name << " at " << w.subnormal_at;
  }
}

TEST_P(accuracy, fast) {
  const activation op = GetParam();
  const auto bound = describe(op).bound_fast;
  for (const isa_info& row : usable_isas()) {
    const std::vector<float> got = run(op, inputs(), on(row, sigmax::accuracy::fast));
    if (!bound) {
      const std::vector<float> only = run(op, inputs(), on(row));
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(same_bits(got[i], only[i])) << row.name << inputs()[i];
      continue;
    }
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const float x = inputs()[i];
      const double error = reference::fast_error(got[i], reference::activation(op, x), x);
      if (!(error <= worst)) worst = error, at = x;
    }
    std::printf("  %-16s %-10s %-7s max %.4g ULP at %.9g\n", describe(op).name.data(), "fast", row.name, worst,
                static_cast<double>(at));
    EXPECT_LE(worst, static_cast<double>(*bound) * (row.fma ? 1 : 4)) << row.name << " at " << at;
  }
}

/// The limits are those of the accurate form: NaN, infinities and the signs of zeros.
TEST_P(accuracy, fast_keeps_the_special_values) {
  const activation op = GetParam();
  const std::vector<float> x{
      -INFINITY, -std::numeric_limits<float>::max(), -0.0f, 0.0f, std::numeric_limits<float>::max(), INFINITY, NAN};
  for (const isa_info& row : usable_isas()) {
    const std::vector<float> high = run(op, x, on(row)), fast = run(op, x, on(row, sigmax::accuracy::fast));
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_TRUE(same_bits(fast[i], high[i])) << row.name << " at " << x[i] << ": " << fast[i] << ", not " << high[i];
  }
}

TEST_P(accuracy, derivative) {
  const activation op = GetParam();
  std::vector<long double> exact;
  for (float x : inputs()) exact.push_back(reference::derivative(op, x));
  for (const isa_info& row : usable_isas()) {
    // Near a zero crossing the error is absolute: 2^-22 is two units in the last place of 1.
    const double absolute = reference::derivative_crosses_zero(op) ? 0x1p-22 : 0;
    const worst_case w = compare(inputs(), run_derivative(op, inputs(), on(row)), exact, absolute, true);
    report(op, "derivative", row, w);
    EXPECT_LE(w.normal, 8 * (row.fma ? 1 : without_fma)) << row.name << " at " << w.normal_at;
    EXPECT_LE(w.subnormal, row.fma ? 8 : 16) << row.name << " at " << w.subnormal_at;
  }
}

TEST_P(accuracy, other_parameters) {
  const activation op = GetParam();
  std::vector<parameters> sets;
  using enum activation;
  switch (op) {
    case linear: sets = {{-2.5f, 3}, {0.5f, -1e-3f}, {3}}; break;
    case clip: sets = {{0, 1}, {-3, INFINITY}, {-INFINITY, 0.25f}}; break;
    case leaky_relu: sets = {{0.01f}, {0.3f}, {2}, {-0.5f}}; break;
    case thresholded_relu: sets = {{0.25f}, {-1}}; break;
    case elu: sets = {{0.5f}, {2.5f}}; break;
    case celu: sets = {{0.5f}, {3}, {0x1p20f}}; break;  // the last: x / alpha may be subnormal
    case quick_gelu:
    case silu: sets = {{0.25f}, {1.3f}, {7}}; break;
    case hard_sigmoid:
    case hard_swish: sets = {{0.2f, 0.5f}, {0.25f, 0.375f}}; break;
    case softcap: sets = {{1}, {30}, {0.7f}}; break;
    case softplus: sets = {{0.5f}, {3}}; break;
    case shrink: sets = {{0.5f, 0.5f}, {1.5f, -0.25f}}; break;
    case squareplus: sets = {{1}, {0.01f}}; break;
    default: ASSERT_TRUE(describe(op).parameters.empty()) << "wants a line above"; GTEST_SKIP() << "has no parameters";
  }
  for (const parameters& set : sets) {
    const auto d = reference::defaults(op);
    const float p = set.first, q = std::isnan(set.second) ? d.second : set.second;
    std::vector<long double> exact, slope;
    for (float x : inputs())
      exact.push_back(reference::activation(op, x, p, q)), slope.push_back(reference::derivative(op, x, p, q));
    for (const isa_info& row : usable_isas()) {
      options how = on(row);
      how.parameters = set;
      // Another factor costs a rounding before the function and one after it.
      worst_case w = compare(inputs(), run(op, inputs(), how), exact, 0x1p-24 * std::fabs(static_cast<double>(q)));
      EXPECT_LE(w.normal, (static_cast<double>(describe(op).bound_f32) + 2) * (row.fma ? 1 : without_fma))
          << row.name << " parameters " << p << ", " << q << " at " << w.normal_at;
      const double crossing = 0x1p-22 * std::fmax(1.0, std::fabs(static_cast<double>(p)));
      w = compare(inputs(), run_derivative(op, inputs(), how), slope,
                  reference::derivative_crosses_zero(op) ? crossing : 0);
      // celu rounds x / p first: by up to 2^-18 where that is beyond 64, so by as much of the result.
      EXPECT_LE(w.normal, op == celu ? 66 : 8) << row.name << " parameters " << p << ", " << q << " at " << w.normal_at;
    }
  }
}

TEST_P(accuracy, documented_defaults_are_the_librarys) {
  const auto d = reference::defaults(GetParam());
  const float expected[] = {d.first, d.second};
  const auto given = describe(GetParam()).parameters;
  for (std::size_t i = 0; i < given.size(); ++i) EXPECT_EQ(given[i].default_value, expected[i]) << given[i].name;
}

SIGMAX_FOR_EACH_ACTIVATION(accuracy);

}  // namespace
}  // namespace sigmax_test
