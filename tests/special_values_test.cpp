// NaN, infinities, zeros, the smallest and largest numbers: what each activation must return, as kernels/README.md
// documents it, on every row and in every dtype.
#include <fstream>
#include <sstream>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

constexpr float inf = INFINITY;

/// The cells of each row of the table in kernels/README.md whose header starts with `header`, the header's row first.
std::vector<std::vector<std::string>> table(const std::string& header) {
  std::ifstream file(SIGMAX_KERNELS_README);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    if (rows.empty() ? !line.starts_with(header) : !line.starts_with("|")) {
      if (rows.empty()) continue;
      break;
    }
    std::vector<std::string> cells;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) {
      std::erase(cell, '`');
      cells.push_back(cell.substr(1, cell.size() - 2));
    }
    if (!cells[0].starts_with('-')) rows.push_back(cells);
  }
  return rows;
}

/// One float a cell, NaN, inf, -inf and -0 included.
float number(const std::string& cell) {
  char* end = nullptr;
  const float value = std::strtof(cell.c_str(), &end);
  EXPECT_TRUE(!cell.empty() && *end == 0) << "not a number: " << cell;
  return value;
}

/// f(x) = y by the document: so says the library on every row, and the oracle within the bound.
void expect_documented(const std::string& name, float x, float y) {
  const std::optional<activation> op = find_activation(name);
  ASSERT_TRUE(op.has_value()) << name;
  for (const isa_info& row : usable_isas())  // 41 copies: whole vectors, partial ones and every lane see it
    for (float got : run(*op, std::vector<float>(41, x), on(row)))
      EXPECT_TRUE(same_bits(got, y)) << name << " on " << row.name << " of " << x << " is " << got << ", not " << y;
  const long double exact = sigmax_reference::activation(*op, x);
  EXPECT_LE(sigmax_reference::ulp_error(y, exact),
            std::fabs(exact) < 0x1p-126L ? 2 : static_cast<double>(describe(*op).bound_f32))
      << name << " of " << x << " is " << y << ", exactly " << exact;
  if (!std::isnan(y)) {
    EXPECT_EQ(std::signbit(y), std::signbit(exact)) << name << " of " << x << " is " << y;
  }
}

TEST(special_values, are_as_documented) {
  const auto rows = table("| activation | -inf |");
  ASSERT_EQ(rows.size(), all_activations().size() + 1) << "one row an activation";
  for (std::size_t i = 1; i < rows.size(); ++i) {
    EXPECT_EQ(find_activation(rows[i][0]), all_activations()[i - 1]) << "rows stand in the order of the enumeration";
    ASSERT_EQ(rows[i].size(), rows[0].size()) << rows[i][0];
    for (std::size_t k = 1; k < rows[i].size(); ++k)
      expect_documented(rows[i][0], number(rows[0][k]), number(rows[i][k]));
  }
}

TEST(special_values, edges_are_as_documented) {
  const auto rows = table("| activation | x |");
  ASSERT_GT(rows.size(), 1u);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), 6u) << rows[i][0];
    const float x = number(rows[i][1]), next = number(rows[i][3]);
    EXPECT_EQ(next, std::nextafter(x, next)) << rows[i][0] << ": " << x << " and " << next << " are not neighbours";
    expect_documented(rows[i][0], x, number(rows[i][2]));
    expect_documented(rows[i][0], next, number(rows[i][4]));
  }
}

// However small the factor is that x is multiplied by: where it ends, a tail is below all numbers.
TEST(special_values, tails_end_at_zero_for_any_parameter) {
  for (const isa_info& row : usable_isas())
    for (activation op : {activation::silu, activation::quick_gelu, activation::softplus})
      for (float factor : {0x1p-20f, 1e-5f, 0.01f, 0.7f, 1.0f, 1000.0f})
        for (float end : {108.0f, 111.0f, 117.0f, 121.0f, 124.0f, 1e6f, inf}) {
          const float x = -end / factor;
          options how = on(row);
          how.parameters.first = factor;
          const float y = run(op, std::vector<float>(3, x), how)[2];
          const long double exact = std::isinf(x) ? -0.0L : sigmax_reference::activation(op, x, factor, 0.0f);
          // softplus divides by its factor what has been rounded to a subnormal number.
          const long double unit = 0x1p-148L * (op == activation::softplus ? std::fmax(1.0L, 1 / factor) : 1.0L);
          EXPECT_LE(std::fabs(y - exact), unit) << describe(op).name << " on " << row.name << " of " << x;
          EXPECT_EQ(std::signbit(y), op != activation::softplus) << describe(op).name << " on " << row.name;
          if (end > 123) {
            EXPECT_EQ(y, 0.0f) << describe(op).name << " on " << row.name << " of " << x;
          }
        }
}

TEST(special_values, a_slope_near_the_largest_number_has_a_derivative) {
  for (const isa_info& row : usable_isas())
    for (activation op : {activation::hard_swish, activation::hard_sigmoid}) {
      options how = on(row);
      how.parameters.first = 3e38f;
      const std::vector<float> got = run_derivative(op, {0.0f, 1.0f, -1.0f, inf, -inf, 2e38f}, how);
      EXPECT_EQ(got[0], op == activation::hard_swish ? 0.5f : 3e38f) << row.name;
      for (int i : {1, 3, 5}) EXPECT_EQ(got[static_cast<std::size_t>(i)], op == activation::hard_swish ? 1.0f : 0.0f);
      for (int i : {2, 4}) EXPECT_EQ(got[static_cast<std::size_t>(i)], 0.0f) << row.name;
    }
}

// A line that rounds to 1 is not there yet, where beta - 1 is no float.
TEST(special_values, a_line_has_its_slope_up_to_1) {
  struct piece {
    float alpha, beta, x;
    bool below_1;
  };
  const piece pieces[] = {{1, 0.1f, 0.899999976f, true},
                          {1, 0.1f, 0.900000036f, false},
                          {0.0144112259f, -88687376.0f, 6.154048e9f, true},
                          {0.000777854f, -20649194.0f, 2.65463644e10f, false},
                          {1.00000012f, 134217728.0f, -134217712.0f, true},
                          {1, 0.1f, 0.5f, true},
                          {1, 0.1f, 1.5f, false}};
  for (const isa_info& row : usable_isas())
    for (const piece& p : pieces) {
      // Exact: 24 bits times 24 bits, and what they are added to is as large.
      const long double line = static_cast<long double>(p.alpha) * p.x + p.beta;
      ASSERT_EQ(line < 1, p.below_1);
      options how = on(row);
      how.parameters.first = p.alpha, how.parameters.second = p.beta;
      EXPECT_EQ(run_derivative(activation::hard_sigmoid, {p.x}, how)[0], p.below_1 ? p.alpha : 0.0f)
          << row.name << ' ' << p.x;
      const float swish = run_derivative(activation::hard_swish, {p.x}, how)[0];
      if (p.below_1)
        EXPECT_NEAR(swish / static_cast<float>(2 * static_cast<long double>(p.alpha) * p.x + p.beta), 1, 1e-6)
            << row.name << ' ' << p.x;
      else
        EXPECT_EQ(swish, 1.0f) << row.name << ' ' << p.x;
    }
}

TEST(special_values, gelu_is_flat_where_it_is_0) {
  for (const isa_info& row : usable_isas())
    for (activation op : {activation::gelu, activation::gelu_tanh})
      for (const float y : run_derivative(op, {-inf, -1e30f, -20.0f, -14.7f}, on(row)))
        EXPECT_EQ(y, 0.0f) << describe(op).name << ' ' << row.name;
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
    for (activation op : all_activations()) {
      const std::vector<float16> x(41, float16{0x7e01});
      std::vector<float16> y(41);
      ASSERT_TRUE(activate(op, const_view(x.data(), 41), view(y.data(), 41), on(row)).ok());
      for (float16 v : y) EXPECT_GT(v.bits & 0x7fff, 0x7c00) << describe(op).name << " on " << row.name;
      const std::vector<bfloat16> b(41, bfloat16{0x7f80});
      std::vector<bfloat16> c(41);
      ASSERT_TRUE(activate(op, const_view(b.data(), 41), view(c.data(), 41), on(row)).ok());
      for (bfloat16 v : c)
        EXPECT_EQ(v.bits, sigmax_reference::bfloat16_format::encode(sigmax_reference::activation(op, inf)))
            << describe(op).name << " on " << row.name;
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
