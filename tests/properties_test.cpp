// What holds between results: order, range, symmetry, and identities from one activation to another. The sample is
// runs of consecutive floats over the whole range and at the joints of the formulas; SIGMAX_TEST_RUNS=4194304 makes it
// every f32 there is (minutes an activation), which is where the numbers in kernels/README.md come from.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

using enum activation;
constexpr float inf = INFINITY;

/// Floats counted upwards: a larger float has a larger place, neighbours differ by 1. -0 stands just below +0.
std::int64_t place_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return bits & 0x80000000u ? ~bits : bits ^ 0x80000000u;
}
float float_at(std::int64_t place) {
  const auto p = static_cast<std::uint32_t>(place);
  return std::bit_cast<float>(p & 0x80000000u ? p ^ 0x80000000u : ~p);
}

constexpr std::int64_t run_length = 1024;

/// The first places of the runs, in ascending order.
const std::set<std::int64_t>& runs() {
  static const std::set<std::int64_t> starts = [] {
    const char* wanted = std::getenv("SIGMAX_TEST_RUNS");
    const std::int64_t step = (std::int64_t{1} << 32) / (wanted ? std::atoll(wanted) : 4096);
    std::set<std::int64_t> all;
    for (std::int64_t s = 0; s < std::int64_t{1} << 32; s += step) all.insert(s / run_length * run_length);
    // Where branches meet, clamps begin, or results saturate, overflow or underflow.
    for (float joint : {0.0f,       0x1p-126f,  0.25f,  0.3465736f, 0.5f,      0.625f,  0.7517916f, 1.0f,
                        1.2784646f, 1.5f,       3.0f,   6.0f,       9.0109f,   10.0f,   10.8f,      14.4f,
                        16.635532f, 18.0f,      31.25f, 40.0f,      44.36142f, 64.0f,   80.0f,      87.33655f,
                        88.72284f,  103.97208f, 110.0f, 500.0f,     5500.0f,   0x1p24f, 0x1p60f,    inf})
      for (float side : {joint, -joint})
        for (std::int64_t k = -2; k <= 2; ++k) all.insert((place_of(side) / run_length + k) * run_length);
    return all;
  }();
  return starts;
}

/// check(x) for each run x, from -inf to inf.
template <class Check>
void over_runs(Check check) {
  std::vector<float> x;
  for (std::int64_t start : runs()) {
    x.clear();
    for (std::int64_t p = std::max(start, place_of(-inf)); p < start + run_length && p <= place_of(inf); ++p)
      x.push_back(float_at(p));
    if (!x.empty()) check(x);
  }
}

std::vector<float> negated(std::vector<float> x) {
  for (float& v : x) v = -v;
  return x;
}

/// Each result lies in [lowest, highest]. Before `turn` the function falls, from there on it rises, but for steps back
/// of so many floats: the distance from a result to the furthest one that it should not have passed.
struct shape {
  activation op;
  float lowest, highest, turn;
  int steps_back, steps_back_without_fma;
};
constexpr shape shapes[] = {
    {linear, -inf, inf, -inf, 0, 0},
    {relu, 0, inf, -inf, 0, 0},
    {relu6, 0, 6, -inf, 0, 0},
    {clip, -1, 1, -inf, 0, 0},
    {leaky_relu, -inf, inf, -inf, 0, 0},
    {thresholded_relu, 0, inf, -inf, 0, 0},
    {squared_relu, 0, inf, -inf, 0, 0},
    {elu, -1, inf, -inf, 0, 0},
    {celu, -1, inf, -inf, 0, 0},
    {selu, -1.75809932f, inf, -inf, 0, 0},
    {gelu, -0.169971213f, inf, -0.751791596f, 2, 2},
    {gelu_tanh, -0.170040756f, inf, -0.752461433f, 2, 2},
    {quick_gelu, -0.163610190f, inf, -0.751154184f, 2, 2},
    {silu, -0.278464556f, inf, -1.27846456f, 1, 2},
    {hard_sigmoid, 0, 1, -inf, 0, 0},
    {hard_swish, -0.375f, inf, -1.5f, 1, 1},
    {sigmoid, 0, 1, -inf, 1, 2},
    {log_sigmoid, -inf, 0, -inf, 2, 2},
    {activation::tanh, -1, 1, -inf, 0, 0},
    {softcap, -50, 50, -inf, 0, 0},
    {tanhshrink, -inf, inf, -inf, 0, 0},
    {softplus, 0, inf, -inf, 2, 2},
    {softsign, -1, 1, -inf, 2, 2},
    {shrink, -inf, inf, -inf, 0, 0},
    {mish, -0.308843434f, inf, -1.19240654f, 2, 2},
    {squareplus, 0, inf, -inf, 0, 0},
    {activation::exp, 0, inf, -inf, 1, 1},
};

using order = each_activation;

TEST_P(order, and_range) {
  const auto known =
      std::find_if(std::begin(shapes), std::end(shapes), [](const shape& s) { return s.op == GetParam(); });
  ASSERT_NE(known, std::end(shapes)) << "wants a row in `shapes`";
  for (const isa_info& row : usable_isas()) {
    float lowest = inf, highest = -inf, falling = inf, rising = -inf, at = 0;
    std::int64_t worst = 0;
    over_runs([&](const std::vector<float>& x) {
      const std::vector<float> results = run(known->op, x, on(row));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float y = results[i] + 0.0f;  // -0 is no step back from +0
        lowest = std::fmin(lowest, y), highest = std::fmax(highest, y);
        float& best = x[i] < known->turn ? falling : rising;
        const std::int64_t gain = x[i] < known->turn ? place_of(best) - place_of(y) : place_of(y) - place_of(best);
        if (gain >= 0) best = y;
        if (-gain > worst) worst = -gain, at = x[i];
      }
    });
    std::printf("  %-16s %-7s in [%.9g, %.9g], at most %d floats back, at %.9g\n", describe(known->op).name.data(),
                row.name, static_cast<double>(lowest), static_cast<double>(highest), static_cast<int>(worst),
                static_cast<double>(at));
    EXPECT_GE(lowest, known->lowest) << row.name;
    EXPECT_LE(highest, known->highest) << row.name;
    EXPECT_LE(worst, row.fma ? known->steps_back : known->steps_back_without_fma) << row.name << " at " << at;
  }
}

SIGMAX_FOR_EACH_ACTIVATION(order);

// With default parameters; the derivative is even. Zeros, subnormals and infinities included.
TEST(symmetry, odd_functions_are_odd_to_the_bit) {
  for (const isa_info& row : usable_isas())
    for (activation op : {linear, clip, activation::tanh, softcap, tanhshrink, softsign, shrink})
      over_runs([&](const std::vector<float>& x) {
        const std::vector<float> y = run(op, x, on(row)), mirrored = run(op, negated(x), on(row));
        const std::vector<float> d = run_derivative(op, x, on(row)), e = run_derivative(op, negated(x), on(row));
        for (std::size_t i = 0; i < x.size(); ++i) {
          ASSERT_TRUE(same_bits(-y[i], mirrored[i])) << describe(op).name << " on " << row.name << " at " << x[i];
          ASSERT_TRUE(same_bits(d[i], e[i])) << describe(op).name << "' on " << row.name << " at " << x[i];
        }
      });
}

/// error(x, f, g) of the two lists of results, its largest over the runs is at most `bound`.
template <class First, class Second, class Error>
void expect_small(const char* what, const isa_info& row, double bound, First first, Second second, Error error) {
  double worst = 0;
  float at = 0;
  over_runs([&](const std::vector<float>& x) {
    const std::vector<float> f = first(x), g = second(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isinf(x[i])) continue;
      const double e =
          std::fabs(error(static_cast<double>(x[i]), static_cast<double>(f[i]), static_cast<double>(g[i])));
      if (!(e <= worst)) worst = e, at = x[i];
    }
  });
  std::printf("  %-32s %-7s %.4g at %.9g\n", what, row.name, worst, static_cast<double>(at));
  EXPECT_LE(worst, bound) << what << " on " << row.name << " at " << at;
}

/// The unit in the last place of the largest of some numbers.
double unit_of_largest(double a, double b, double c = 0) {
  const double size = std::fmax(std::fmax(std::fabs(a), std::fabs(b)), std::fabs(c));
  return sigmax_reference::unit_of(std::fmax(size, 0x1p-126));
}

// f(x) - f(-x) = x wherever f is x times, or the integral of, something that is 1/2 + an odd function. Halves of odd
// multiples of 2^-149 are rounded to even on both sides, which loses or gains one.
TEST(symmetry, differences_are_the_argument) {
  const struct {
    activation op;
    double bound;  // in units in the last place of the largest of the three
  } of[] = {{relu, 0},         {gelu, 0.5},     {gelu_tanh, 0.5},   {quick_gelu, 0.5}, {silu, 0.5},
            {hard_swish, 1.5}, {softplus, 0.5}, {log_sigmoid, 0.5}, {squareplus, 1.5}};
  for (const isa_info& row : usable_isas())
    for (const auto& [op, bound] : of)
      expect_small((std::string(describe(op).name) + "(x) - it(-x) = x").c_str(), row, bound,
                   [&row, op = op](const std::vector<float>& x) { return run(op, x, on(row)); },
                   [&row, op = op](const std::vector<float>& x) { return run(op, negated(x), on(row)); },
                   [](double x, double f, double g) {
                     const double lost = std::fabs((f - g) - x), halves = std::fabs(x) < 0x1p-125 ? 0x1p-149 : 0;
                     return std::fmax(lost - halves, 0) / unit_of_largest(x, f, g);
                   });
}

TEST(identities, that_hold_within_rounding) {
  for (const isa_info& row : usable_isas()) {
    const auto of = [&](activation op) {
      return [&row, op](const std::vector<float>& x) { return run(op, x, on(row)); };
    };
    const auto of_minus = [&](activation op) {
      return [&row, op](const std::vector<float>& x) { return run(op, negated(x), on(row)); };
    };
    expect_small("sigmoid(x) + sigmoid(-x) = 1", row, 0.5, of(sigmoid), of_minus(sigmoid),
                 [](double, double f, double g) { return (f + g - 1) / 0x1p-23; });
    expect_small("hard_sigmoid(x) + it(-x) = 1", row, 0.5, of(hard_sigmoid), of_minus(hard_sigmoid),
                 [](double, double f, double g) { return (f + g - 1) / 0x1p-23; });
    expect_small("exp(x) exp(-x) = 1", row, 1.25, of(activation::exp), of_minus(activation::exp),
                 [](double x, double f, double g) { return std::fabs(x) < 87 ? (f * g - 1) / 0x1p-23 : 0; });
    expect_small("tanh(x) + tanhshrink(x) = x", row, 1.4, of(activation::tanh), of(tanhshrink),
                 [](double x, double f, double g) { return (f + g - x) / unit_of_largest(x, f, g); });
    expect_small(
        "tanh(x) = 2 sigmoid(2x) - 1", row, 1, of(activation::tanh),
        [&](std::vector<float> x) {
          for (float& v : x) v *= 2;
          return run(sigmoid, x, on(row));
        },
        [](double, double f, double g) { return (f - (2 * g - 1)) / 0x1p-23; });
  }
}

TEST(identities, that_hold_to_the_bit) {
  for (const isa_info& row : usable_isas())
    over_runs([&](const std::vector<float>& x) {
      const auto f = [&](activation op, parameters p = {}) {
        options how = on(row);
        how.parameters = p;
        return run(op, x, how);
      };
      const auto product = [](std::vector<float> a, const std::vector<float>& b) {
        for (std::size_t i = 0; i < a.size(); ++i) a[i] *= b[i];
        return a;
      };
      const auto expect_same = [&](const char* what, const std::vector<float>& a, const std::vector<float>& b) {
        for (std::size_t i = 0; i < x.size(); ++i)
          ASSERT_TRUE(same_bits(a[i], b[i]))
              << what << " on " << row.name << " at " << x[i] << ": " << a[i] << ", " << b[i];
      };
      expect_same("log_sigmoid(x) = -softplus(-x)", f(log_sigmoid), negated(run(softplus, negated(x), on(row))));
      expect_same("elu = celu", f(elu), f(celu));
      expect_same("softcap 1 = tanh", f(softcap, {1}), f(activation::tanh));
      expect_same("silu 1.702 = quick_gelu", f(silu, {1.702f}), f(quick_gelu));
      expect_same("relu6 = clip 0, 6", f(relu6), f(clip, {0, 6}));
      expect_same("thresholded_relu 0 = relu", f(thresholded_relu, {0}), f(relu));
      expect_same("squared_relu = relu^2", f(squared_relu), product(f(relu), f(relu)));
      expect_same("hard_sigmoid = clip 0, 1 of linear", f(hard_sigmoid), [&] {
        options how = on(row);
        how.parameters = {0, 1};
        return run(clip, f(linear, {1.0f / 6, 0.5f}), how);
      }());
      std::vector<float> finite = x;  // at -inf the product is NaN, the function its limit
      for (float& v : finite)
        if (v == -inf) v = std::numeric_limits<float>::lowest();
      expect_same("hard_swish = x hard_sigmoid", f(hard_swish), product(finite, f(hard_sigmoid)));
      expect_same("linear = x", f(linear), x);
      expect_same("leaky_relu 1 = x", f(leaky_relu, {1}), x);
      expect_same("shrink 0 = x", f(shrink, {0, 0}), x);
      expect_same("exp' = exp", run_derivative(activation::exp, x, on(row)), f(activation::exp));
      expect_same("tanhshrink' = tanh^2", run_derivative(tanhshrink, x, on(row)),
                  product(f(activation::tanh), f(activation::tanh)));
    });
}

}  // namespace
}  // namespace sigmax_test
