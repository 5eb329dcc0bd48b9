// NaN, infinities and zeros: what each activation must return, on every row and in every dtype.
#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

struct expectation {
  activation op;
  float minus_inf, minus_zero, plus_zero, plus_inf;
};

constexpr float inf = INFINITY;
constexpr float ln2 = 0.693147180559945309f;

using enum activation;
const expectation expectations[] = {
    {linear, -inf, -0.0f, 0.0f, inf},       {relu, 0.0f, 0.0f, 0.0f, inf},
    {relu6, 0.0f, 0.0f, 0.0f, 6},           {clip, -1, -0.0f, 0.0f, 1},
    {leaky_relu, -inf, -0.0f, 0.0f, inf},   {thresholded_relu, 0.0f, 0.0f, 0.0f, inf},
    {squared_relu, 0.0f, 0.0f, 0.0f, inf},  {elu, -1, -0.0f, 0.0f, inf},
    {celu, -1, -0.0f, 0.0f, inf},           {selu, -1.75809934f, -0.0f, 0.0f, inf},
    {gelu, -0.0f, -0.0f, 0.0f, inf},        {gelu_tanh, -0.0f, -0.0f, 0.0f, inf},
    {quick_gelu, -0.0f, -0.0f, 0.0f, inf},  {silu, -0.0f, -0.0f, 0.0f, inf},
    {hard_sigmoid, 0.0f, 0.5f, 0.5f, 1},    {hard_swish, -0.0f, -0.0f, 0.0f, inf},
    {sigmoid, 0.0f, 0.5f, 0.5f, 1},         {log_sigmoid, -inf, -ln2, -ln2, -0.0f},
    {activation::tanh, -1, -0.0f, 0.0f, 1}, {softcap, -50, -0.0f, 0.0f, 50},
    {tanhshrink, -inf, -0.0f, 0.0f, inf},   {softplus, 0.0f, ln2, ln2, inf},
    {softsign, -1, -0.0f, 0.0f, 1},         {shrink, -inf, -0.0f, 0.0f, inf},
    {mish, -0.0f, -0.0f, 0.0f, inf},        {squareplus, 0.0f, 1, 1, inf},
    {activation::exp, 0.0f, 1, 1, inf},
};

TEST(special_values, every_activation_has_an_expectation) {
  ASSERT_EQ(std::size(expectations), all_activations().size());
  for (std::size_t i = 0; i < std::size(expectations); ++i) EXPECT_EQ(expectations[i].op, all_activations()[i]);
}

// 40 copies of each, so that whole vectors, partial ones and every lane see it.
TEST(special_values, infinities_and_zeros) {
  for (const isa_info& row : usable_isas())
    for (const expectation& e : expectations) {
      const float in[] = {-inf, -0.0f, 0.0f, inf}, want[] = {e.minus_inf, e.minus_zero, e.plus_zero, e.plus_inf};
      for (int k = 0; k < 4; ++k)
        for (float y : run(e.op, std::vector<float>(41, in[k]), on(row)))
          EXPECT_TRUE(same_bits(y, want[k]))
              << describe(e.op).name << " on " << row.name << " of " << in[k] << " is " << y << ", not " << want[k];
    }
}

TEST(special_values, nan_stays_nan_in_value_and_derivative) {
  for (const isa_info& row : usable_isas())
    for (activation op : all_activations())
      for (std::uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffffffffu}) {
        const std::vector<float> x(41, std::bit_cast<float>(bits));
        for (float y : run(op, x, on(row))) EXPECT_TRUE(std::isnan(y)) << describe(op).name << " on " << row.name;
        for (float y : run_derivative(op, x, on(row)))
          EXPECT_TRUE(std::isnan(y)) << describe(op).name << "' on " << row.name;
      }
}

TEST(special_values, nan_and_infinity_in_16_bits) {
  for (const isa_info& row : usable_isas())
    for (const expectation& e : expectations) {
      const std::vector<float16> x(41, float16{0x7e01});
      std::vector<float16> y(41);
      ASSERT_TRUE(activate(e.op, const_view(x.data(), 41), view(y.data(), 41), on(row)).ok());
      for (float16 v : y) EXPECT_GT(v.bits & 0x7fff, 0x7c00) << describe(e.op).name << " on " << row.name;
      const std::vector<bfloat16> b(41, bfloat16{0x7f80});
      std::vector<bfloat16> c(41);
      ASSERT_TRUE(activate(e.op, const_view(b.data(), 41), view(c.data(), 41), on(row)).ok());
      for (bfloat16 v : c)
        EXPECT_EQ(v.bits, sigmax_reference::bfloat16_format::encode(e.plus_inf))
            << describe(e.op).name << " on " << row.name;
    }
}

TEST(special_values, derivatives_at_infinity_and_kinks) {
  for (const isa_info& row : usable_isas())
    for (activation op : all_activations())
      for (float x : {-inf, inf, 0.0f, -0.0f, 6.0f, 1.0f, -1.0f, 0.5f, -0.5f}) {
        const float got = run_derivative(op, std::vector<float>(3, x), on(row))[2];
        const long double want = sigmax_reference::derivative(op, x);
        if (std::isinf(want) && got == want) continue;
        EXPECT_LE(std::fabs(static_cast<long double>(got) - want), 0x1p-21L * std::fmax(1.0L, std::fabs(want)))
            << describe(op).name << " on " << row.name << " at " << x << ": " << got;
      }
}

}  // namespace
}  // namespace sigmax_test
