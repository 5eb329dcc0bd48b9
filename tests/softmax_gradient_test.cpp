// The backward passes of softmax and log_softmax: against the formulas in long double, against numerical
// differentiation, and the same bits for every layout and cut of the work.
#include "backward.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

using backward = status (*)(const const_view&, const const_view&, const view&, int, float, const options&) noexcept;

std::vector<float> backward_of(backward f, const std::vector<float>& dy, const std::vector<float>& y, float scale,
                               const options& how) {
  std::vector<float> dx(y.size(), -1e30f);
  const status s = f(along(dy), along(y), along(dx), 0, scale, how);
  EXPECT_TRUE(s.ok()) << s.message;
  return dx;
}

TEST(softmax_gradient, matches_the_formula) {
  for (const isa_info& row : usable_isas()) {
    double worst = 0, worst_log = 0;
    for (std::size_t n : {1u, 2u, 15u, 16u, 17u, 64u, 65u, 300u, 1000u, 4096u, 8193u, 70001u})
      for (unsigned seed = 0; seed < 12; ++seed) {
        const float scale = seed % 3 == 0 ? 1.0f : seed % 3 == 1 ? 0.1f : -3.0f;
        // Every other time what is subtracted is large against what is left.
        const std::vector<float> dy = normal(n, seed % 2 ? 1000.0f : 0.0f, 1, seed), x = normal(n, 0, 3, seed + 50);
        std::vector<float> y(n), l(n);
        ASSERT_TRUE(softmax(along(x), along(y)).ok());
        ASSERT_TRUE(log_softmax(along(x), along(l)).ok());
        real weighted = 0, sum = 0, largest = 0;
        for (std::size_t i = 0; i < n; ++i) {
          weighted += static_cast<real>(dy[i]) * y[i];
          sum += dy[i];
          largest = std::fmax(largest, std::fabs(real{dy[i]}));
        }
        const auto dx = backward_of(softmax_gradient, dy, y, scale, on(row)),
                   dl = backward_of(log_softmax_gradient, dy, l, scale, on(row));
        for (std::size_t i = 0; i < n; ++i) {
          if (std::fabs(scale * y[i]) >= 0x1p-126f) {
            const real exact = static_cast<real>(scale) * y[i] * (dy[i] - weighted);
            const real beside = 0x1p-44L * std::fabs(static_cast<real>(scale) * y[i]) * largest;
            const real size = std::fmax(std::fabs(exact), 0x1p-126L);
            worst =
                std::max(worst, static_cast<double>((std::fabs(dx[i] - exact) - beside) / reference::unit_of(size)));
          }
          const real exact = scale * (dy[i] - std::exp(static_cast<real>(l[i])) * sum);
          worst_log = std::max(worst_log,
                               error_in_ulp(dl[i], exact, std::fmax(std::fabs(exact), std::fabs(real{scale} * dy[i]))));
        }
      }
    std::printf("%-8s max ULP: %.3f softmax', %.3f log_softmax'\n", row.name, worst, worst_log);
    EXPECT_LE(worst, row.fma ? 2.5 : 8) << row.name;
    EXPECT_LE(worst_log, row.fma ? 3 : 8) << row.name;
  }
}

TEST(softmax_gradient, is_the_derivative) {
  const std::size_t n = 11;
  const float scale = 0.75f;
  const std::vector<float> x = normal(n, 0, 2, 1), dy = normal(n, 0, 1, 2);
  std::vector<float> scaled(n), y(n), l(n);
  for (std::size_t i = 0; i < n; ++i) scaled[i] = scale * x[i];
  ASSERT_TRUE(softmax(along(scaled), along(y)).ok());
  ASSERT_TRUE(log_softmax(along(scaled), along(l)).ok());
  const auto dx = backward_of(softmax_gradient, dy, y, scale, {}),
             dl = backward_of(log_softmax_gradient, dy, l, scale, {});
  const auto weighted = [&](bool logarithm) {
    return [&, logarithm](std::vector<real> v) {
      for (real& u : v) u *= scale;
      const std::vector<real> p = probabilities(v);
      real sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += dy[i] * (logarithm ? std::log(p[i]) : p[i]);
      return sum;
    };
  };
  const std::vector<real> at(x.begin(), x.end());
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_NEAR(dx[i], static_cast<double>(difference(at, i, weighted(false))), 1e-6) << i;
    EXPECT_NEAR(dl[i], static_cast<double>(difference(at, i, weighted(true))), 1e-6) << i;
  }
}

TEST(softmax_gradient, same_bits_for_every_isa_pool_slice_and_place) {
  for (std::size_t n : {5u, 64u, 257u, 1000u, 5000u}) {
    const std::size_t rows = 200000 / n;
    const std::vector<float> dy = normal(rows * n, 0, 1, 3), y = normal(rows * n, 0, 1, 4);
    const std::int64_t shape[] = {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(n)};
    for (const backward f : {backward{softmax_gradient}, backward{log_softmax_gradient}}) {
      const auto run = [&](const options& how) {
        std::vector<float> dx(y.size(), -1e30f);
        options piece = how;
        for (piece.slice = 0; piece.slice < how.slices; ++piece.slice)
          EXPECT_TRUE(f(const_view(dy.data(), dtype::f32, shape), const_view(y.data(), dtype::f32, shape),
                        view(dx.data(), dtype::f32, shape), 1, 0.5f, piece)
                          .ok());
        return dx;
      };
      const std::vector<float> expected = run({});
      for (std::size_t r : {std::size_t{0}, rows / 2, rows - 1}) {
        const auto begin = static_cast<std::ptrdiff_t>(r * n), end = begin + static_cast<std::ptrdiff_t>(n);
        const auto alone =
            backward_of(f, {dy.begin() + begin, dy.begin() + end}, {y.begin() + begin, y.begin() + end}, 0.5f, {});
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), expected.begin() + begin)) << "row " << r;
      }
      for (const isa_info& row : usable_isas()) EXPECT_TRUE(!row.fma || equal(run(on(row)), expected)) << row.name;
      for (int parts : {1, 2, 3, 8}) {
        options how;
        how.threads = threads_of(parts);
        EXPECT_TRUE(equal(run(how), expected)) << parts;
        how.threads = backwards(parts);
        EXPECT_TRUE(equal(run(how), expected)) << parts;
        how.threads = {};
        how.slices = parts;
        EXPECT_TRUE(equal(run(how), expected)) << parts;
      }
      for (bool over_y : {false, true}) {
        std::vector<float> both = over_y ? y : dy;
        const view out(both.data(), dtype::f32, shape);
        const const_view other((over_y ? dy : y).data(), dtype::f32, shape);
        ASSERT_TRUE(f(over_y ? other : const_view(out), over_y ? const_view(out) : other, out, 1, 0.5f, {}).ok());
        EXPECT_TRUE(equal(both, expected));
      }
    }
  }
}

// 16 bits and other axes give what their values give as contiguous f32, rounded.
TEST(softmax_gradient, every_dtype_and_axis_equals_the_copied_row) {
  for (std::int64_t n : {1, 7, 100, 700, 9000}) {
    const std::int64_t inner = 21, shape[] = {2, n, inner};
    const auto count = static_cast<std::size_t>(2 * n * inner);
    const std::vector<float> dy = normal(count, 0, 1, 5), y = normal(count, 0, 1, 6);
    std::vector<std::uint16_t> y_16(count);
    for (std::size_t i = 0; i < count; ++i) y_16[i] = reference::float16_format::encode(y[i]);
    for (const backward f : {backward{softmax_gradient}, backward{log_softmax_gradient}}) {
      std::vector<std::uint16_t> dx(count);
      ASSERT_TRUE(f(const_view(dy.data(), dtype::f32, shape), const_view(y_16.data(), dtype::f16, shape),
                    view(dx.data(), dtype::bf16, shape), 1, 2, {})
                      .ok());
      for (std::int64_t b = 0; b < 2; ++b)
        for (std::int64_t c = 0; c < inner; ++c) {
          const auto at = [&](std::int64_t j) { return static_cast<std::size_t>((b * n + j) * inner + c); };
          std::vector<float> row_dy, row_y;
          for (std::int64_t j = 0; j < n; ++j) {
            row_dy.push_back(dy[at(j)]);
            row_y.push_back(static_cast<float>(reference::float16_format::decode(y_16[at(j)])));
          }
          const std::vector<float> expected = backward_of(f, row_dy, row_y, 2, {});
          for (std::int64_t j = 0; j < n; ++j)
            ASSERT_EQ(dx[at(j)], reference::bfloat16_format::encode(expected[static_cast<std::size_t>(j)]))
                << n << " columns, row " << c << ", column " << j;
        }
    }
  }
}

TEST(softmax_gradient, a_poisoned_row_leaves_its_neighbours_alone) {
  const std::int64_t shape[] = {3, 20};
  for (const backward f : {backward{softmax_gradient}, backward{log_softmax_gradient}})
    for (float poison : {NAN, INFINITY, -INFINITY}) {
      std::vector<float> dy(60, 1), y(60, 0.05f), dx(60);
      dy[25] = poison;
      ASSERT_TRUE(f(const_view(dy.data(), dtype::f32, shape), const_view(y.data(), dtype::f32, shape),
                    view(dx.data(), dtype::f32, shape), 1, 1, {})
                      .ok());
      for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(std::isnan(dx[i]), i / 20 == 1) << i;
    }
}

// --- cross-entropy
// ----------------------------------------------------------------------------------------------------

}  // namespace
}  // namespace sigmax_test
