// The cross-entropy and its gradient: against the formulas in long double, against numerical differentiation, and the
// same values for every layout and cut of the work.
#include "backward.hpp"
#include "fenced.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

struct loss_case {
  std::vector<float> x;
  std::int64_t n, target;
  real scale, smoothing;

  std::vector<real> scores() const {
    std::vector<real> t;
    for (float v : x) t.push_back(static_cast<float>(v * static_cast<float>(scale)));  // rounded once, as documented
    return t;
  }
  real lse() const {
    const std::vector<real> t = scores();
    const real max = *std::max_element(t.begin(), t.end());
    // Without the largest, which log1p adds again: a small loss keeps its digits.
    real rest = 0;
    bool met = false;
    for (real v : t) {
      if (v == max && !met)
        met = true;
      else
        rest += std::exp(v - max);
    }
    return max + std::log1p(rest);
  }
  real loss() const {
    const std::vector<real> t = scores();
    real mean = 0;
    for (real v : t) mean += v;
    mean /= n;
    const auto k = static_cast<std::size_t>(target);
    const real max = *std::max_element(t.begin(), t.end());
    if (smoothing == 0 && t[k] == max) return lse() - max;
    return (1 - smoothing) * (lse() - t[k]) + smoothing * (lse() - mean);
  }
  /// The gradient but for dloss, and the size of its terms, from scores() and lse(), which are work for all of a row.
  std::pair<real, real> gradient(std::int64_t j, const std::vector<real>& t, real l) const {
    const real p = std::exp(t[static_cast<std::size_t>(j)] - l), even = smoothing / n;
    if (j != target) return {scale * (p - even), std::fabs(scale) * std::fmax(p, even)};
    real others = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (i != target) others += std::exp(t[static_cast<std::size_t>(i)] - l);
    return {scale * (smoothing - even - others), std::fabs(scale) * std::fmax(others, smoothing - even)};
  }
};

TEST(cross_entropy, loss_lse_and_gradient_match_the_formulas) {
  for (const isa_info& row : usable_isas()) {
    double worst_loss = 0, worst_lse = 0, worst = 0, worst_from_lse = 0;
    for (std::int64_t n : {1, 2, 10, 64, 65, 1000, 8192, 10007})
      for (unsigned seed = 0; seed < 12; ++seed) {
        const bool smooth = seed % 3 == 2;
        loss_case c{normal(static_cast<std::size_t>(n), 0, seed % 2 ? 30.0f : 3.0f, seed), n, (seed * 37) % n,
                    seed % 4 == 3 ? 0.7f : 1.0f, smooth ? 0.1f : 0.0f};
        // The target far above the rest: a loss and a gradient next to nothing.
        if (seed % 5 == 0) c.x[static_cast<std::size_t>(c.target)] = 40;
        const std::int32_t target = static_cast<std::int32_t>(c.target);
        const const_view targets(&target, 1), x = along(c.x);
        float loss = -1, lse = -1;
        cross_entropy_form form{.scale = static_cast<float>(c.scale),
                                .label_smoothing = static_cast<float>(c.smoothing)};
        form.lse = view(&lse, 1);
        ASSERT_TRUE(cross_entropy(x, targets, view(&loss, 1), 0, form, on(row)).ok());
        const real exact = c.loss(), exact_lse = c.lse();
        const std::vector<real> scores = c.scores();
        const real reach = 1 + std::fabs(exact_lse - scores[static_cast<std::size_t>(c.target)]);
        const real beyond = std::fabs(loss - exact) - (smooth ? 0 : 0x1p-44L * reach);
        worst_loss =
            std::max(worst_loss,
                     beyond <= 0 ? 0 : static_cast<double>(beyond / reference::unit_of(std::fmax(exact, 0x1p-126L))));
        worst_lse = std::max(worst_lse, error_in_ulp(lse, exact_lse, exact_lse));

        const float dloss = 0.25f;
        std::vector<float> dx(c.x.size()), from_lse(c.x.size());
        form.lse = {};
        ASSERT_TRUE(cross_entropy_gradient(const_view(&dloss, 1), x, targets, along(dx), 0, form, on(row)).ok());
        form.lse = view(&lse, 1);
        ASSERT_TRUE(cross_entropy_gradient(const_view(&dloss, 1), x, targets, along(from_lse), 0, form, on(row)).ok());
        for (std::int64_t j = 0; j < n; ++j) {
          if (n > 1000 && j % 97 != 0 && j != c.target) continue;
          const auto [g, size] = c.gradient(j, scores, exact_lse);
          const auto i = static_cast<std::size_t>(j);
          if (0.25L * size < 0x1p-126L) continue;
          const real beside = j == c.target ? 0x1p-48L * 0.25L * std::fabs(c.scale) : 0;
          worst = std::max(
              worst, static_cast<double>((std::fabs(dx[i] - 0.25L * g) - beside) / reference::unit_of(0.25L * size)));
          // Of the target's column 1 is the size: its 1 - p cannot be better than p.
          const real rounded = std::fabs(exact_lse) * 0x1p-24L * (j == c.target ? 1 : size / std::fabs(c.scale)) *
                               std::fabs(c.scale) * 0.25L;
          const real left = std::fabs(from_lse[i] - 0.25L * g) - rounded;
          const real unit = reference::unit_of(0.25L * (j == c.target ? std::fabs(c.scale) : size));
          worst_from_lse = std::max(worst_from_lse, static_cast<double>(left / unit));
        }
      }
    std::printf("%-8s max ULP: %.3f loss, %.3f lse, %.3f gradient, %.3f from lse\n", row.name, worst_loss, worst_lse,
                worst, worst_from_lse);
    EXPECT_LE(worst_loss, row.fma ? 2 : 4) << row.name;
    EXPECT_LE(worst_lse, 0.51) << row.name;
    EXPECT_LE(worst, row.fma ? 2.5 : 4) << row.name;
    EXPECT_LE(worst_from_lse, row.fma ? 2 : 4) << row.name;
  }
}

// A small loss is all but one numerator, with its error: the hardest rows have two columns.
TEST(cross_entropy, loss_of_two_classes) {
  const std::int64_t rows = 300000, one_each[] = {rows, 1}, zero[] = {0, 0};
  const std::vector<float> x = normal(static_cast<std::size_t>(2 * rows), 0, 5, 8);
  const std::int32_t first = 0;
  for (const isa_info& row : usable_isas()) {
    std::vector<float> loss(static_cast<std::size_t>(rows));
    ASSERT_TRUE(cross_entropy(const_view(x.data(), dtype::f32, {rows, 2}),
                              const_view(&first, dtype::i32, one_each, zero), view(loss.data(), dtype::f32, one_each),
                              1, {}, on(row))
                    .ok());
    double worst = 0;
    for (std::size_t r = 0; r < loss.size(); ++r) {
      const real z = static_cast<real>(x[2 * r + 1]) - static_cast<real>(x[2 * r]);
      const real exact = std::fmax(z, 0.0L) + std::log1p(std::exp(-std::fabs(z)));
      const real beyond = std::fabs(loss[r] - exact) - 0x1p-44L * (1 + exact);
      worst = std::max(worst, static_cast<double>(beyond / reference::unit_of(exact)));
    }
    std::printf("%-8s two classes: %.3f ULP\n", row.name, worst);
    EXPECT_LE(worst, row.fma ? 2 : 4) << row.name;
  }
}

TEST(cross_entropy, gradient_is_the_derivative_of_the_loss) {
  loss_case c{normal(9, 0, 2, 7), 9, 4, 0.75L, 0.1f};
  const std::int64_t target = c.target;
  const float dloss = 1.5f;
  std::vector<float> dx(9);
  ASSERT_TRUE(cross_entropy_gradient(const_view(&dloss, 1), along(c.x), const_view(&target, 1), along(dx), 0,
                                     {.scale = 0.75f, .label_smoothing = 0.1f})
                  .ok());
  const auto loss = [&](const std::vector<real>& x) {
    std::vector<real> t(x);
    for (real& v : t) v *= c.scale;
    const std::vector<real> p = probabilities(t);
    real sum = -(1 - c.smoothing) * std::log(p[4]);
    for (real v : p) sum -= c.smoothing / 9 * std::log(v);
    return sum;
  };
  for (std::size_t i = 0; i < 9; ++i)
    EXPECT_NEAR(dx[i], 1.5 * static_cast<double>(difference({c.x.begin(), c.x.end()}, i, loss)), 1e-6) << i;
}

/// Rows x columns of logits with targets, every third of them ignored, as one call in any layout, dtype and cut.
struct batch {
  std::int64_t rows, n;
  bool transposed;
  dtype type = dtype::f32;
  std::vector<std::uint16_t> x_16 = {};
  std::vector<float> x = {}, loss = {}, lse = {}, dx = {};
  std::vector<std::uint16_t> dx_16 = {};
  std::vector<std::int64_t> targets = {};

  batch(std::int64_t count, std::int64_t columns, bool columns_first, dtype storage)
      : rows(count), n(columns), transposed(columns_first), type(storage) {
    const auto all = static_cast<std::size_t>(rows * n);
    const std::vector<float> values = normal(all, 0, 3, 8);
    x.resize(all), dx.assign(all, -1e30f), x_16.resize(all), dx_16.resize(all);
    loss.assign(static_cast<std::size_t>(rows), -1), lse = loss;
    for (std::int64_t r = 0; r < rows; ++r) {
      targets.push_back(r % 3 == 2 ? -7 : (r * 31) % n);
      for (std::int64_t j = 0; j < n; ++j) {
        const std::uint16_t bits = reference::bfloat16_format::encode(values[static_cast<std::size_t>(r * n + j)]);
        x_16[at(r, j)] = bits;  // the same values in both
        x[at(r, j)] = static_cast<float>(reference::bfloat16_format::decode(bits));
      }
    }
  }
  std::size_t at(std::int64_t r, std::int64_t j) const {
    return static_cast<std::size_t>(transposed ? j * rows + r : r * n + j);
  }
  template <class V>
  V tensor(auto* data, dtype t) {
    const std::int64_t shape[] = {rows, n}, strides[] = {transposed ? 1 : n, transposed ? rows : 1};
    return V(data, t, shape, strides);
  }
  cross_entropy_form form(bool with_lse) {
    cross_entropy_form f{.scale = 0.5f, .label_smoothing = 0.05f, .ignore_index = -7};
    if (with_lse) f.lse = view(lse.data(), dtype::f32, {rows, 1});
    return f;
  }
  void run(const options& how, bool from_lse) {
    const auto in = type == dtype::f32 ? tensor<const_view>(x.data(), type) : tensor<const_view>(x_16.data(), type);
    const auto out = type == dtype::f32 ? tensor<view>(dx.data(), type) : tensor<view>(dx_16.data(), type);
    const const_view indices(targets.data(), dtype::i64, {rows, 1});
    const float share = 1.0f / 64;
    const std::int64_t shape[] = {rows, 1}, zero[] = {0, 0};
    options piece = how;
    for (piece.slice = 0; piece.slice < how.slices; ++piece.slice)
      ASSERT_TRUE(cross_entropy(in, indices, view(loss.data(), dtype::f32, {rows, 1}), 1, form(true), piece).ok());
    for (piece.slice = 0; piece.slice < how.slices; ++piece.slice) {
      const status s = cross_entropy_gradient(const_view(&share, dtype::f32, shape, zero), in, indices, out, 1,
                                              form(from_lse), piece);
      ASSERT_TRUE(s.ok()) << s.message;
    }
  }
};

TEST(cross_entropy, same_values_for_every_isa_pool_slice_layout_and_dtype) {
  for (std::int64_t n : {3, 64, 500, 10000})
    for (bool from_lse : {false, true}) {
      const std::int64_t rows = 60000 / n + 20;
      batch expected(rows, n, false, dtype::f32);
      expected.run({}, from_lse);
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto i = static_cast<std::size_t>(r);
        ASSERT_EQ(expected.loss[i] == 0 && expected.lse[i] == -INFINITY, r % 3 == 2) << r;
        for (std::int64_t j = 0; r % 3 == 2 && j < n; ++j) ASSERT_EQ(expected.dx[expected.at(r, j)], 0) << r;
      }
      std::vector<std::uint16_t> expected_16;
      for (const float dx : expected.dx) expected_16.push_back(reference::bfloat16_format::encode(dx));
      const auto check = [&](batch& b, const options& how, const std::string& what) {
        b.run(how, from_lse);
        EXPECT_TRUE(equal(b.loss, expected.loss)) << what;
        EXPECT_TRUE(equal(b.lse, expected.lse)) << what;
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t j = 0; j < n; ++j) {
            const auto at = b.at(r, j), want = expected.at(r, j);
            const bool same = b.type == dtype::f32 ? b.dx[at] == expected.dx[want] : b.dx_16[at] == expected_16[want];
            ASSERT_TRUE(same) << what << ": " << r << ", " << j << " of " << n;
          }
      };
      for (bool transposed : {false, true})
        for (dtype type : {dtype::f32, dtype::bf16}) {
          batch b(rows, n, transposed, type);
          check(b, {}, transposed ? "transposed" : "dense");
          for (int parts : {2, 3, 8}) {
            options how;
            how.threads = parts == 8 ? backwards(parts) : threads_of(parts);
            batch pooled(rows, n, transposed, type);
            check(pooled, how, "threads");
            how.threads = {};
            how.slices = parts;
            batch sliced(rows, n, transposed, type);
            check(sliced, how, "slices");
          }
        }
      for (const isa_info& row : usable_isas()) {
        if (!row.fma) continue;
        batch b(rows, n, false, dtype::f32);
        check(b, on(row), row.name);
      }
      // In place: dx is x.
      batch b(rows, n, false, dtype::f32);
      b.run({}, from_lse);
      const const_view indices(b.targets.data(), dtype::i64, {rows, 1});
      const float share = 1.0f / 64;
      const std::int64_t shape[] = {rows, 1}, zero[] = {0, 0};
      const view both = b.tensor<view>(b.x.data(), dtype::f32);
      ASSERT_TRUE(
          cross_entropy_gradient(const_view(&share, dtype::f32, shape, zero), both, indices, both, 1, b.form(from_lse))
              .ok());
      EXPECT_TRUE(equal(b.x, expected.dx)) << n;
    }
}

TEST(cross_entropy, ignored_rows_are_not_read_and_special_values_show) {
  const std::int64_t shape[] = {5, 4}, one_each[] = {5, 1};
  const float inf = INFINITY;
  // Ignored and full of NaN; NaN; nothing but -inf; the target impossible; a certain target.
  const float x[] = {NAN, NAN, NAN, NAN, 1, NAN, 2, 3, -inf, -inf, -inf, -inf, -inf, 0, 0, 0, 500, 0, 0, 0};
  const std::int32_t targets[] = {-100, 0, 0, 0, 0};
  float loss[5], lse[5], dx[20];
  const float dloss[] = {NAN, 1, 1, 1, 1};
  cross_entropy_form form;
  form.lse = view(lse, dtype::f32, one_each);
  const const_view in(x, dtype::f32, shape), indices(targets, dtype::i32, one_each);
  ASSERT_TRUE(cross_entropy(in, indices, view(loss, dtype::f32, one_each), 1, form).ok());
  for (bool from_lse : {false, true}) {
    if (!from_lse) form.lse = {};
    ASSERT_TRUE(cross_entropy_gradient(const_view(dloss, dtype::f32, one_each), in, indices,
                                       view(dx, dtype::f32, shape), 1, form)
                    .ok());
    for (int j = 0; j < 4; ++j) {
      EXPECT_EQ(dx[j], 0);
      EXPECT_TRUE(std::isnan(dx[4 + j]) && std::isnan(dx[8 + j])) << j;
      EXPECT_EQ(dx[16 + j], 0);
    }
    EXPECT_EQ(dx[12], -1);
    EXPECT_NEAR(dx[13], 1 / 3.0, 1e-7);
    form.lse = view(lse, dtype::f32, one_each);
  }
  EXPECT_EQ(loss[0], 0);
  EXPECT_EQ(lse[0], -inf);
  // Whatever somebody else has made of an ignored row's logsumexp.
  for (const float any : {NAN, inf, -inf}) {
    form.lse = view(lse, dtype::f32, one_each), lse[0] = any;
    ASSERT_TRUE(cross_entropy_gradient(const_view(dloss, dtype::f32, one_each), in, indices,
                                       view(dx, dtype::f32, shape), 1, form)
                    .ok());
    for (int j = 0; j < 4; ++j) EXPECT_EQ(dx[j], 0) << any;
    ASSERT_TRUE(cross_entropy_gradient(const_view(dloss, 1), const_view(x, 4), const_view(targets, dtype::i32, {1}),
                                       view(dx, 4), 0, {.lse = view(lse, dtype::f32, {1})})
                    .ok());
    for (int j = 0; j < 4; ++j) EXPECT_EQ(dx[j], 0) << any;
  }
  EXPECT_TRUE(std::isnan(loss[1]) && std::isnan(loss[2]));
  EXPECT_EQ(loss[3], inf);
  EXPECT_EQ(loss[4], 0);
}

// The mean of scores of which one is -inf is that, and no NaN; nor does a sum of large ones overflow.
TEST(cross_entropy, smoothing_over_scores_at_the_ends_of_the_range) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {3, 40, 1000, 20000}) {
      const std::int64_t shape[] = {3, n}, one_each[] = {3, 1};
      const auto columns = static_cast<std::size_t>(n);
      std::vector<float> x(3 * columns, 1.0f);
      x[1] = -INFINITY;
      for (std::size_t i = 0; i < columns; ++i) x[columns + i] = 3e38f;
      for (std::size_t i = 1; i < columns; ++i) x[2 * columns + i] = -3e38f;
      const std::int32_t targets[] = {0, 0, 0};
      float loss[3];
      const cross_entropy_form form{.label_smoothing = 0.1f};
      ASSERT_TRUE(cross_entropy(const_view(x.data(), dtype::f32, shape), const_view(targets, dtype::i32, one_each),
                                view(loss, dtype::f32, one_each), 1, form, on(row))
                      .ok());
      const double size = static_cast<double>(n), smoothing = static_cast<double>(0.1f);
      EXPECT_EQ(loss[0], INFINITY) << row.name << " " << n;
      EXPECT_NEAR(loss[1], std::log(size), 1e-5) << row.name << " " << n;
      const double far = smoothing * (1 - 1 / size) * static_cast<double>(3e38f);
      EXPECT_NEAR(loss[2] / far, 1, 1e-6) << row.name << " " << n;
    }
}

// Next to a dominating maximum the fast form's sums would lose most of it.
TEST(cross_entropy, is_as_exact_in_the_fast_tier) {
  for (const isa_info& row : usable_isas()) {
    std::vector<float> x(50, 0.37f), losses[2] = {{0}, {0}}, gradients[2] = {x, x};
    x[0] = 14.1f;
    const std::int64_t shape[] = {1, 50}, one[] = {1, 1};
    const std::int32_t target = 0;
    const float dloss = 1;
    for (const accuracy tier : {accuracy::high, accuracy::fast}) {
      options how = on(row);
      how.accuracy = tier;
      const auto t = static_cast<std::size_t>(tier);
      const const_view scores(x.data(), dtype::f32, shape), targets(&target, dtype::i32, one);
      ASSERT_TRUE(cross_entropy(scores, targets, view(losses[t].data(), dtype::f32, one), 1, {}, how).ok());
      ASSERT_TRUE(cross_entropy_gradient(const_view(&dloss, dtype::f32, one), scores, targets,
                                         view(gradients[t].data(), dtype::f32, shape), 1, {}, how)
                      .ok());
    }
    const long double exact = std::log1p(49 * std::exp(static_cast<long double>(0.37f) - 14.1f));
    EXPECT_NEAR(losses[1][0] / static_cast<double>(exact), 1, 1e-6) << row.name;
    EXPECT_EQ(losses[0], losses[1]) << row.name;
    EXPECT_EQ(gradients[0], gradients[1]) << row.name;
  }
}

TEST(cross_entropy, an_ignored_row_may_lie_in_forbidden_memory) {
  const auto page = static_cast<std::int64_t>(sysconf(_SC_PAGESIZE));
  for (dtype t : {dtype::f32, dtype::bf16}) {
    constexpr std::int64_t rows = 72;
    const std::int64_t size = t == dtype::f32 ? 4 : 2, step[] = {page / size, 1}, one_each[] = {rows, 1};
    const fenced x(static_cast<std::size_t>(rows * page)), dx(static_cast<std::size_t>(rows * page));
    std::vector<std::int32_t> targets(rows, 1);
    for (std::int64_t i = 0; i < rows * (page / size); ++i) {  // far apart: no row has another's maximum
      const float logit = 1024.0f * static_cast<float>(i / (page / size) % 5);
      if (t == dtype::f32)
        reinterpret_cast<float*>(x.first())[i] = logit;
      else
        reinterpret_cast<std::uint16_t*>(x.first())[i] = reference::bfloat16_format::encode(logit);
    }
    for (std::int64_t r : {2, 3, 17, 41, 48, 49, 50, 51, 52, 53, 54, 55}) {
      targets[static_cast<std::size_t>(r)] = -100;
      ASSERT_EQ(mprotect(x.first() + r * page, static_cast<std::size_t>(page), PROT_NONE), 0);
    }
    for (std::int64_t n : {5, 64, 100, 1000})
      for (float smoothing : {0.0f, 0.5f}) {
        std::vector<float> loss(rows, 7), dloss(rows, 1);
        const std::int64_t shape[] = {rows, n};
        const cross_entropy_form form{.label_smoothing = smoothing};
        const const_view in(x.first(), t, shape, step), indices(targets.data(), dtype::i32, one_each);
        ASSERT_TRUE(cross_entropy(in, indices, view(loss.data(), dtype::f32, one_each), 1, form).ok());
        for (std::size_t r = 0; r < loss.size(); ++r)
          if (targets[r] < 0)
            EXPECT_EQ(loss[r], 0);
          else
            EXPECT_FLOAT_EQ(loss[r], std::log(static_cast<float>(n)));  // all logits of a row are the same
        ASSERT_TRUE(cross_entropy_gradient(const_view(dloss.data(), dtype::f32, one_each), in, indices,
                                           view(dx.first(), t, shape, step), 1, form)
                        .ok());
      }
  }
}

// Rows side by side: what belongs to the ignored ones lies in forbidden pages between the columns of the others.
TEST(cross_entropy, ignored_rows_along_another_axis_may_lie_in_forbidden_memory) {
  const auto page = static_cast<std::int64_t>(sysconf(_SC_PAGESIZE)), most = std::int64_t{100};
  constexpr std::int64_t rows = 40, kept = 23;
  const fenced x(static_cast<std::size_t>(2 * most * page));
  for (std::int64_t c = 0; c < most; ++c)
    ASSERT_EQ(mprotect(x.first() + (2 * c + 1) * page, static_cast<std::size_t>(page), PROT_NONE), 0);
  std::vector<std::int32_t> targets(rows, -100);
  std::fill_n(targets.begin(), kept, 1);
  for (dtype t : {dtype::f32, dtype::bf16})
    for (std::int64_t n : {5, 33, 64, 100})
      for (float smoothing : {0.0f, 0.5f}) {
        const std::int64_t size = t == dtype::f32 ? 4 : 2, shape[] = {n, rows}, step[] = {2 * page / size, 1},
                           each[] = {1, rows};
        const const_view in(x.first() + page - kept * size, t, shape, step), indices(targets.data(), dtype::i32, each);
        std::vector<float> loss(rows, 7), dloss(rows, 1), dx(static_cast<std::size_t>(n * rows), 7);
        const cross_entropy_form form{.label_smoothing = smoothing};
        ASSERT_TRUE(cross_entropy(in, indices, view(loss.data(), dtype::f32, each), 0, form).ok());
        ASSERT_TRUE(cross_entropy_gradient(const_view(dloss.data(), dtype::f32, each), in, indices,
                                           view(dx.data(), dtype::f32, shape), 0, form)
                        .ok());
        for (std::size_t r = 0; r < loss.size(); ++r) {  // all logits are 0
          EXPECT_FLOAT_EQ(loss[r], targets[r] < 0 ? 0 : std::log(static_cast<float>(n)));
          EXPECT_NEAR(dx[r], targets[r] < 0 ? 0 : (1 / static_cast<float>(n)) - smoothing / static_cast<float>(n),
                      1e-6f);
        }
      }
}

TEST(cross_entropy, bad_calls_are_refused_before_anything_is_written) {
  using enum status_code;
  std::vector<float> x(12, 1), dx(12, -5), rows(3, -5), more(3, -5);
  std::vector<std::int64_t> targets(3, 1);
  const std::int64_t shape[] = {3, 4}, one_each[] = {3, 1};
  const const_view in(x.data(), dtype::f32, shape), given(more.data(), dtype::f32, one_each);
  const view out(dx.data(), dtype::f32, shape), loss(rows.data(), dtype::f32, one_each);
  const_view indices(targets.data(), dtype::i64, one_each);
  cross_entropy_form form;
  const auto refused = [&](status_code code, const char* mentions) {
    for (const status& s :
         {cross_entropy(in, indices, loss, 1, form), cross_entropy_gradient(given, in, indices, out, 1, form)}) {
      EXPECT_EQ(s.code, code) << s.message;
      EXPECT_NE(std::string(s.message).find(mentions), std::string::npos) << s.message;
    }
  };
  for (std::int64_t bad : {std::int64_t{4}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    targets[2] = bad;
    refused(invalid_argument, std::to_string(bad).c_str());
  }
  targets[2] = 2;
  form.scale = NAN;
  refused(invalid_argument, "scale");
  form.scale = 1;
  for (float bad : {-0.1f, 1.1f, NAN}) {
    form.label_smoothing = bad;
    refused(invalid_argument, "label_smoothing");
  }
  form.label_smoothing = 0;
  indices.type = dtype::f32;
  refused(unsupported, "i32 or i64");
  indices = const_view(targets.data(), dtype::i64, {3});
  refused(shape_mismatch, "targets");
  indices = const_view(targets.data(), dtype::i64, one_each);
  EXPECT_EQ(cross_entropy(in, indices, view(x.data(), dtype::f32, one_each), 1, form).code, overlap);
  EXPECT_EQ(cross_entropy_gradient(given, in, indices, view(more.data(), dtype::f32, shape), 1, form).code, overlap);
  EXPECT_EQ(cross_entropy(in, indices, loss, 2, form).code, invalid_argument);
  std::vector<std::uint16_t> half(3);
  form.lse = view(half.data(), dtype::f16, one_each);
  EXPECT_EQ(cross_entropy_gradient(given, in, indices, out, 1, form).code, unsupported);
  EXPECT_EQ(softmax_gradient(in, in, out, 1, NAN).code, invalid_argument);
  EXPECT_EQ(softmax_gradient(given, in, out, 1).code, shape_mismatch);
  EXPECT_EQ(log_softmax_gradient(in, in, out, 7).code, invalid_argument);
  for (float v : dx) EXPECT_EQ(v, -5);
  for (float v : rows) EXPECT_EQ(v, -5);
}

}  // namespace
}  // namespace sigmax_test
