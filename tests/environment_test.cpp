// The floating-point environment is neither changed nor relied on.
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <cfenv>

#include "harness.hpp"

namespace sigmax_test {
namespace {

#if defined(__SSE2__)

TEST(environment, control_bits_survive_every_call) {
  std::vector<float> x = sample(1 << 20), y(x.size());
  const auto n = std::ssize(x);
  for (unsigned control : {0x1f80u, 0x9fc0u /* FTZ and DAZ */, 0x5f80u /* round up */}) {
    for (const isa_info& row : usable_isas())
      for (activation op : all_activations()) {
        _mm_setcsr(control);
        const bool ok = activate(op, const_view(x.data(), n), view(y.data(), n), on(row)).ok() &&
                        softmax(const_view(x.data(), n), view(y.data(), n), 0, on(row)).ok();
        const unsigned after = _mm_getcsr();
        _mm_setcsr(0x1f80u);
        ASSERT_TRUE(ok);
        ASSERT_EQ(after & ~0x3fu, control & ~0x3fu)
            << describe(op).name << " on " << row.name;  // all but the sticky flags
      }
  }
}

// Under FTZ and DAZ subnormal inputs and results may become zero; nothing else may change.
TEST(environment, flushing_modes_lose_subnormals_only) {
  std::vector<float> x;
  for (float v : sample(1 << 14))
    if (std::fabs(v) >= 0x1p-100f || v == 0) x.push_back(v);
  for (const isa_info& row : usable_isas())
    for (activation op : all_activations()) {
      const std::vector<float> expected = run(op, x, on(row));
      _mm_setcsr(0x9fc0u);
      const std::vector<float> y = run(op, x, on(row));
      _mm_setcsr(0x1f80u);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::fabs(expected[i]) < 0x1p-100f) {
          EXPECT_LE(std::fabs(y[i] - expected[i]), 0x1p-99f)
              << describe(op).name << " on " << row.name << " at " << x[i];
        } else if (!same_bits(y[i], expected[i])) {
          EXPECT_NEAR(y[i], expected[i], 4e-7f * std::fabs(expected[i]))
              << describe(op).name << " on " << row.name << " at " << x[i];
        }
      }
    }
}

// Conversions are integer work or exempt from the modes: f16 subnormals survive DAZ.
TEST(environment, f16_subnormals_survive_flushing_modes) {
  for (const isa_info& row : usable_isas()) {
    std::vector<float16> x(1023);
    for (std::size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<std::uint16_t>(i + 1);
    std::vector<float> y(x.size());
    _mm_setcsr(0x9fc0u);
    const bool ok =
        activate(activation::relu, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row)).ok();
    _mm_setcsr(0x1f80u);
    ASSERT_TRUE(ok);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], std::ldexp(static_cast<float>(i + 1), -24)) << row.name;
  }
}

#else

TEST(environment, rounding_mode_survives) {
  float x[5] = {-2, -1, 0, 1, 2}, y[5];
  ASSERT_TRUE(activate(activation::gelu, const_view(x, 5), view(y, 5)).ok());
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

#endif

}  // namespace
}  // namespace sigmax_test
