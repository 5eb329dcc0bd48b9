// Every gate and both its derivatives, on every ISA row, against the oracle: f32 over pairs from the whole range, 16
// bits over a million pairs; special values as kernels/README.md has them; the README's table.
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>

#include "gate_harness.hpp"
#include "scalar_row.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;
using gates = each_gate;

constexpr std::uint64_t stride = 8191;  // of the pairs whose worst the README states
constexpr double without_fma = 2;

struct worst_pair {
  double error = 0;
  float a = 0, b = 0;

  void meet(double e, float x, float y) {
    if (!(e <= error)) error = e, a = x, b = y;
  }
};
void report(gate op, const char* what, const isa_info& row, const worst_pair& w) {
  std::printf("  %-16s %-6s %-7s max %.4g ULP at %.9g, %.9g\n", describe(op).name.data(), what, row.name, w.error,
              static_cast<double>(w.a), static_cast<double>(w.b));
}

const pairs& inputs(gate op) {
  static std::vector<pairs> all(all_gates().size());
  pairs& p = all[static_cast<std::size_t>(op)];
  if (p.a.empty()) p = sample_pairs(op, stride);
  return p;
}
const std::vector<reference::gate_factors>& exact(gate op) {
  static std::vector<std::vector<reference::gate_factors>> all(all_gates().size());
  auto& f = all[static_cast<std::size_t>(op)];
  if (f.empty())
    for (std::size_t i = 0; i < inputs(op).a.size(); ++i) f.push_back(exact_at(op, inputs(op).a[i], inputs(op).b[i]));
  return f;
}

/// |got - exact| beyond `slack`, in ULP of the exact value or of `scale` where that is larger.
double error_beyond(float got, long double exact, long double scale, long double slack) {
  if (!std::isfinite(exact) || !std::isfinite(got) || !std::isfinite(slack)) {
    if (std::isnan(exact) || std::isinf(slack)) return std::isnan(got) || std::isinf(slack) ? 0 : INFINITY;
    return std::fabs(exact) + slack >= 0x1.fffffep127L && !std::isnan(got) ? 0 : INFINITY;
  }
  const long double size = std::fmin(std::fmax(std::fmax(std::fabs(exact), scale), 0x1p-126L), 0x1.fffffep127L);
  const long double error = std::fabs(static_cast<long double>(got) - exact) - slack;
  return error > 0 ? static_cast<double>(error / reference::unit_of(size)) : 0;
}

worst_pair worst_value(gate op, const std::vector<float>& got, bool fast) {
  worst_pair worst;
  const pairs& in = inputs(op);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto& f = exact(op)[i];
    const float x = reference::acts_on_b(op) ? in.b[i] : in.a[i];
    worst.meet(error_beyond(got[i], value(f), fast ? fast_scale(f, x) : 0, std::fabs(f.v) * 0x1p-148L), in.a[i],
               in.b[i]);
  }
  return worst;
}

void check_value(gate op) {
  for (const isa_info& row : usable_isas()) {
    const worst_pair w = worst_value(op, run(op, inputs(op).a, inputs(op).b, on(row)), false);
    report(op, "value", row, w);
    EXPECT_LE(w.error, static_cast<double>(describe(op).bound_f32) * (row.fma ? 1 : without_fma)) << row.name;
  }
}

void check_fast(gate op) {
  for (const isa_info& row : usable_isas()) {
    const std::vector<float> got = run(op, inputs(op).a, inputs(op).b, on(row, accuracy::fast));
    if (!describe(op).bound_fast) {
      const std::vector<float> only = run(op, inputs(op).a, inputs(op).b, on(row));
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(same_bits(got[i], only[i])) << row.name;
      continue;
    }
    const worst_pair w = worst_value(op, got, true);
    report(op, "fast", row, w);
    EXPECT_LE(w.error, static_cast<double>(*describe(op).bound_fast) * (row.fma ? 1 : 4)) << row.name;
  }
}

/// A derivative that crosses zero is good to 2^-22 there, times the other factor.
void check_derivatives(gate op) {
  for (const isa_info& row : usable_isas()) {
    const pairs& in = inputs(op);
    const pairs d = run_derivative(op, in.a, in.b, on(row));
    const bool swapped = reference::acts_on_b(op);
    worst_pair by_x, by_z;
    for (std::size_t i = 0; i < in.a.size(); ++i) {
      const auto& f = exact(op)[i];
      const float x = swapped ? in.b[i] : in.a[i];
      const long double crossing = std::fabs(x) < 7 ? 0x1p-22L : 0, v = std::fabs(f.v);
      by_x.meet(error_beyond(swapped ? d.b[i] : d.a[i], f.f_slope * f.v, 0, v * (crossing + 0x1p-146L)), in.a[i],
                in.b[i]);
      by_z.meet(error_beyond(swapped ? d.a[i] : d.b[i], f.f * f.v_slope, 0, 0x1p-148L), in.a[i], in.b[i]);
    }
    report(op, "by x", row, by_x);
    report(op, "by z", row, by_z);
    EXPECT_LE(by_x.error, 16 * (row.fma ? 1 : without_fma)) << row.name;
    EXPECT_LE(by_z.error, 2 * (row.fma ? 1 : without_fma)) << row.name;
  }
}

// Together: each test is a process of its own under ctest, and the oracle takes longer than all rows.
TEST_P(gates, value_fast_and_derivatives) {
  check_value(GetParam());
  check_fast(GetParam());
  check_derivatives(GetParam());
}

TEST_P(gates, other_parameters) {
  const gate op = GetParam();
  std::vector<parameters> sets;
  using enum gate;
  switch (op) {
    case swiglu:
    case mul_and_silu:
    case geglu_quick: sets = {{0.25f}, {1.3f}, {7}}; break;
    case swiglu_oai: sets = {{1, 3}, {1.702f, 0}, {0.5f, 1e30f}}; break;
    case fatrelu_and_mul: sets = {{0.25f}, {-1}}; break;
    default: ASSERT_TRUE(describe(op).parameters.empty()) << "wants a line above"; GTEST_SKIP() << "has no parameters";
  }
  const pairs& in = inputs(op);
  for (const parameters& set : sets)
    for (const isa_info& row : usable_isas()) {
      options how = on(row);
      how.parameters = set;
      const std::vector<float> y = run(op, in.a, in.b, how);
      const pairs d = run_derivative(op, in.a, in.b, how);
      const float q = std::isnan(set.second) ? reference::defaults(op).second : set.second;
      worst_pair worst;
      for (std::size_t i = 0; i < in.a.size(); i += 31) {
        const bool swapped = reference::acts_on_b(op);
        const float x = swapped ? in.b[i] : in.a[i], z = swapped ? in.a[i] : in.b[i];
        const auto f = reference::factors(op, x, z, set.first, q);
        const long double slack = std::fabs(f.v) * 0x1p-148L;
        worst.meet(error_beyond(y[i], value(f), 0, slack), in.a[i], in.b[i]);
        EXPECT_LE(error_beyond(swapped ? d.a[i] : d.b[i], f.f * f.v_slope, 0, 0x1p-148L), 8) << row.name << x << z;
        const long double bend = std::fabs(f.v) * std::fmax(1.0L, set.first) * 0x1p-21L;
        EXPECT_LE(error_beyond(swapped ? d.b[i] : d.a[i], f.f_slope * f.v, 0, bend), 32) << row.name << x << z;
      }
      report(op, "param", row, worst);
      EXPECT_LE(worst.error, (static_cast<double>(describe(op).bound_f32) + 2) * (row.fma ? 1 : without_fma));
    }
}

// ---------------------------------------------------------------------------------------------------------------------

/// 2^20 pairs: every value for the activation, 16 times, and any factor. If `usual`, magnitudes in [2^-10, 2^6) alone:
/// where f(x) is x or x / 2 but for less than f32 can hold, its product may be a tie that is none.
template <class T>
struct narrow_pairs {
  std::vector<T> a, b;
  narrow_pairs(gate op, bool usual, int fraction, int bias) : a(1 << 20), b(1 << 20) {
    const auto fold = [&](std::uint64_t bits) {
      if (!usual) return static_cast<std::uint16_t>(bits);
      const auto lowest = static_cast<std::uint64_t>(bias - 10) << fraction, span = std::uint64_t{16} << fraction;
      return static_cast<std::uint16_t>((bits / span % 2) << 15 | (lowest + bits % span));
    };
    const bool swapped = reference::acts_on_b(op);
    for (std::size_t i = 0; i < a.size(); ++i) {
      (swapped ? b : a)[i].bits = fold(i);
      (swapped ? a : b)[i].bits = fold(sigmax_golden::mix(i) >> 40);
    }
  }
};
template <class T>
std::vector<T> run_narrow(gate op, const narrow_pairs<T>& in, const options& how) {
  std::vector<T> y(in.a.size());
  const status s = activate_gated(op, const_view(in.a.data(), std::ssize(y)), const_view(in.b.data(), std::ssize(y)),
                                  view(y.data(), std::ssize(y)), how);
  EXPECT_TRUE(s.ok()) << s.message;
  return y;
}

/// Of the best row; the oracle, which takes most of the time, is asked once for all of them.
template <class T, class Format>
int misrounded(gate op) {
  const narrow_pairs<T> in(op, true, std::is_same_v<T, float16> ? 10 : 7, std::is_same_v<T, float16> ? 15 : 127);
  const std::vector<isa_info> rows = usable_isas();
  std::vector<std::vector<T>> y;
  for (const isa_info& row : rows) y.push_back(run_narrow(op, in, on(row)));
  std::vector<int> count(rows.size());
  for (std::size_t i = 0; i < in.a.size(); ++i) {
    const long double a = Format::decode(in.a[i].bits), b = Format::decode(in.b[i].bits);
    const long double want =
        value(reference::acts_on_b(op) ? reference::factors(op, b, a) : reference::factors(op, a, b));
    const std::uint16_t right = Format::encode(want);
    const auto distance = [&](std::uint16_t bits) { return std::fabs(Format::decode(bits) - want); };
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::uint16_t got = y[r][i].bits;
      if (got == right) continue;
      ++count[r];
      // Only where the exact value is all but the middle between two 16-bit numbers.
      EXPECT_LE(distance(got), distance(right) * (1 + 0x1p-8L))
          << rows[r].name << " at bits " << in.a[i].bits << ", " << in.b[i].bits;
    }
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::printf("  %-16s %-7s %d of 2^20 misrounded\n", describe(op).name.data(), rows[r].name, count[r]);
    EXPECT_LE(count[r], rows[r].fma ? count[0] : 4 * count[0] + 100) << rows[r].name;
  }
  return count[0];
}

/// The row of a gate in the README's table, up to where the measured numbers stand, and these numbers.
std::string readme_start(gate op) {
  const gate_info& info = describe(op);
  std::string parameters;
  for (const parameter_info& p : info.parameters) {
    char text[64];
    std::snprintf(text, sizeof text, "%s%s (%.7g)", parameters.empty() ? "" : ", ", p.name.data(),
                  static_cast<double>(p.default_value));
    parameters += text;
  }
  std::ostringstream row;
  row << "| `" << info.name << "` | " << info.formula << " | " << (parameters.empty() ? "-" : parameters) << " | "
      << info.bound_f32 << " | ";
  return row.str();
}

TEST_P(gates, the_readme_has_the_formula_and_these_errors) {
  const gate op = GetParam();
  const isa_info row = usable_isas()[0];
  if (!row.fma) GTEST_SKIP() << "no row with FMA on this machine";
  const worst_pair value = worst_value(op, run(op, inputs(op).a, inputs(op).b, on(row)), false);
  const worst_pair fast = worst_value(op, run(op, inputs(op).a, inputs(op).b, on(row, accuracy::fast)), true);
  char numbers[160];
  std::snprintf(numbers, sizeof numbers, "%.2f | ", value.error);
  std::string wanted = readme_start(op) + numbers;
  if (describe(op).bound_fast)
    std::snprintf(numbers, sizeof numbers, "%g | %.2f | ", static_cast<double>(*describe(op).bound_fast), fast.error);
  else
    std::snprintf(numbers, sizeof numbers, "- | - | ");
  wanted += numbers;
  const int f16 = misrounded<float16, reference::float16_format>(op),
            bf16 = misrounded<bfloat16, reference::bfloat16_format>(op);
  std::snprintf(numbers, sizeof numbers, "%d, %d |", f16, bf16);
  wanted += numbers;
  EXPECT_LE(std::max(f16, bf16), describe(op).bound_fast ? 500 : 0);
  std::ifstream file(SIGMAX_README);
  bool found = false;
  for (std::string line; std::getline(file, line);) found = found || line == wanted;
  EXPECT_TRUE(found) << "README needs: " << wanted;
}

/// A contiguous 16-bit result may come from the fast form, a strided one comes from the accurate f32 result.
template <class T, class Format>
void expect_strided_equals_contiguous(gate op, const options& how, const std::vector<T>& a, const std::vector<T>& b) {
  const std::int64_t n = std::ssize(a);
  std::vector<T> y(a.size()), strided(2 * a.size());
  view apart(strided.data(), n);
  apart.strides[0] = 2;
  ASSERT_TRUE(activate_gated(op, const_view(a.data(), n), const_view(b.data(), n), view(y.data(), n), how).ok());
  ASSERT_TRUE(activate_gated(op, const_view(a.data(), n), const_view(b.data(), n), apart, how).ok());
  for (std::size_t i = 0; i < y.size(); ++i)
    if (!std::isnan(Format::decode(y[i].bits)) || !std::isnan(Format::decode(strided[2 * i].bits))) {
      ASSERT_EQ(strided[2 * i].bits, y[i].bits)
          << how.isa << " bits " << a[i].bits << ", " << b[i].bits << ", first parameter " << how.parameters.first;
    }
}
/// Also where an activation is about to underflow, which a large factor would show.
template <class T, class Format>
void expect_strided_equals_contiguous(gate op, const isa_info& row) {
  const narrow_pairs<T> in(op, false, 0, 0);
  options how = on(row);
  expect_strided_equals_contiguous<T, Format>(op, how, in.a, in.b);
  if (describe(op).parameters.empty() || describe(op).parameters[0].default_value == 0) return;
  std::mt19937 random(1);
  for (const float factor : {1.0f, 300.0f, 5880.0f, 121310.0f}) {
    how.parameters.first = factor;
    std::vector<T> narrow, wide;
    for (unsigned bits = 0x8000; bits < 0xffff; ++bits) {
      const long double power = Format::decode(static_cast<std::uint16_t>(bits)) * factor;
      if (!(power < -60 && power > -92)) continue;
      for (int i = 0; i < 1024; ++i) {
        narrow.push_back(T{static_cast<std::uint16_t>(bits)});
        wide.push_back(T{static_cast<std::uint16_t>(random())});
      }
    }
    expect_strided_equals_contiguous<T, Format>(op, how, narrow, wide);
    expect_strided_equals_contiguous<T, Format>(op, how, wide, narrow);
  }
}
TEST_P(gates, strided_16_bit_results_equal_contiguous_ones) {
  for (const isa_info& row : usable_isas()) {
    expect_strided_equals_contiguous<float16, reference::float16_format>(GetParam(), row);
    expect_strided_equals_contiguous<bfloat16, reference::bfloat16_format>(GetParam(), row);
  }
}

// ---------------------------------------------------------------------------------------------------------------------

TEST_P(gates, every_row_with_fma_has_the_bits_of_the_scalar_definition) {
  const gate op = GetParam();
  const pairs& in = inputs(op);
  const std::size_t n = in.a.size();
  std::vector<float> value(n), fast(n), da(n), db(n);
  scalar_gate(op, scalar_form::value, in.a.data(), in.b.data(), value.data(), nullptr, std::ssize(in.a));
  scalar_gate(op, scalar_form::fast, in.a.data(), in.b.data(), fast.data(), nullptr, std::ssize(in.a));
  scalar_gate(op, scalar_form::derivative, in.a.data(), in.b.data(), da.data(), db.data(), std::ssize(in.a));
  for (const isa_info& row : usable_isas()) {
    if (!row.fma) continue;
    const std::vector<float> high = run(op, in.a, in.b, on(row)), low = run(op, in.a, in.b, on(row, accuracy::fast));
    const pairs d = run_derivative(op, in.a, in.b, on(row));
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_TRUE(same_bits(high[i], value[i]) && same_bits(low[i], fast[i]) && same_bits(d.a[i], da[i]) &&
                  same_bits(d.b[i], db[i]))
          << row.name << " at " << in.a[i] << ", " << in.b[i];
  }
}

TEST_P(gates, nan_stays_nan) {
  const gate op = GetParam();
  for (const isa_info& row : usable_isas())
    for (const float other : {-INFINITY, -1e30f, -9.0f, -0.0f, 0.0f, 1.0f, 9.0f, INFINITY, NAN})
      for (const bool first : {false, true}) {
        const std::vector<float> nan(41, NAN), rest(41, other), &a = first ? nan : rest, &b = first ? rest : nan;
        for (const accuracy tier : tiers)
          for (const float y : run(op, a, b, on(row, tier))) EXPECT_TRUE(std::isnan(y)) << row.name << other;
        const pairs d = run_derivative(op, a, b, on(row));
        for (const float v : reference::acts_on_b(op) ? d.b : d.a) EXPECT_TRUE(std::isnan(v)) << row.name << other;
      }
}

/// One float a cell.
float number(const std::string& cell) {
  char* end = nullptr;
  const float value = std::strtof(cell.c_str(), &end);
  EXPECT_TRUE(!cell.empty() && *end == 0) << "not a number: " << cell;
  return value;
}

TEST(gate_values, special_ones_are_as_documented) {
  std::ifstream file(SIGMAX_KERNELS_README);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(rows.empty() ? "| gate, b |" : "|")) {
      if (!rows.empty()) break;
      continue;
    }
    std::vector<std::string> cells;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) {
      std::erase(cell, '`');
      cells.push_back(cell.substr(1, cell.size() - 2));
    }
    if (!cells[0].starts_with('-')) rows.push_back(cells);
  }
  const float others[] = {-INFINITY, -1, -0.0f, 0, 1, INFINITY};
  ASSERT_EQ(rows.size(), 1 + std::size(others) * all_gates().size()) << "one row a gate and b";
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const gate op = all_gates()[(r - 1) / std::size(others)];
    const float b = others[(r - 1) % std::size(others)];
    char name[64];
    std::snprintf(name, sizeof name, "%s, %g", describe(op).name.data(), static_cast<double>(b));
    ASSERT_EQ(rows[r][0], name);
    for (std::size_t k = 1; k < rows[0].size(); ++k) {
      const float a = number(rows[0][k]), y = number(rows[r][k]);
      for (const isa_info& row : usable_isas())
        for (const accuracy tier : tiers)
          for (const float got : run(op, std::vector<float>(41, a), std::vector<float>(41, b), on(row, tier))) {
            const bool fast = tier == accuracy::fast && std::fabs(y) > 0 && std::isfinite(y);
            EXPECT_TRUE(fast ? std::fabs(got - y) <= 4 * 0x1p-23f * std::fabs(y) : same_bits(got, y))
                << name << " on " << row.name << " of a = " << a << " is " << got << ", not " << y;
          }
      if (!std::isinf(a) && !std::isinf(b)) {
        EXPECT_LE(error_beyond(y, value(exact_at(op, a, b)), 0, 0), 3) << name << " of a = " << a;
      }
    }
  }
}

TEST(gate_values, identities) {
  const pairs& in = inputs(gate::swiglu);
  for (const isa_info& row : usable_isas()) {
    options quick = on(row);
    quick.parameters.first = 1.702f;
    const auto expect = [&](const std::vector<float>& y, const std::vector<float>& z, const char* what) {
      for (std::size_t i = 0; i < y.size(); ++i)
        ASSERT_TRUE(same_bits(y[i], z[i])) << what << " on " << row.name << " at " << in.a[i] << ", " << in.b[i];
    };
    expect(run(gate::mul_and_silu, in.b, in.a, on(row)), run(gate::swiglu, in.a, in.b, on(row)), "mul_and_silu");
    expect(run(gate::geglu_quick, in.a, in.b, on(row)), run(gate::swiglu, in.a, in.b, quick), "geglu_quick");
    const std::vector<float> one(in.a.size(), 1.0f), zero(in.a.size(), 0.0f);
    expect(run(gate::geglu, in.a, one, on(row)), run(activation::gelu, in.a, on(row)), "geglu");
    expect(run(gate::geglu_tanh, in.a, one, on(row)), run(activation::gelu_tanh, in.a, on(row)), "geglu_tanh");
    expect(run(gate::glu, one, in.a, on(row)), run(activation::sigmoid, in.a, on(row)), "glu");
    expect(run(gate::reglu, in.a, in.b, on(row)), run(gate::reglu, run(activation::relu, in.a, on(row)), in.b, on(row)),
           "reglu");
  }
}

TEST(gate_tables, gates_are_found_by_name) {
  for (const gate op : all_gates()) {
    EXPECT_EQ(find_gate(describe(op).name), op);
    EXPECT_FALSE(describe(op).formula.empty());
    EXPECT_FALSE(describe(op).source.empty());
    const auto given = describe(op).parameters;
    const auto d = reference::defaults(op);
    const float expected[] = {d.first, d.second};
    for (std::size_t i = 0; i < given.size(); ++i) EXPECT_EQ(given[i].default_value, expected[i]) << given[i].name;
  }
  EXPECT_FALSE(find_gate("silu").has_value());
  EXPECT_EQ(describe(static_cast<gate>(-1)).name, "unknown");
  EXPECT_EQ(static_cast<int>(gate::glu), 0);  // values are ABI
  EXPECT_EQ(static_cast<int>(gate::fatrelu_and_mul), 8);
}

SIGMAX_FOR_EACH_GATE(gates);

}  // namespace
}  // namespace sigmax_test
