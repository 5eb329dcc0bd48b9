// Top-k gating: the choice against a plain sort, the weights against long double, layouts, and what is wrong with a
// call.
#include <algorithm>
#include <numeric>

#include "harness.hpp"
#include "pools.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;
constexpr float inf = INFINITY;

struct gated {
  std::vector<float> weights;
  std::vector<std::int32_t> experts;
};

gated run_gate(const std::vector<float>& x, std::int64_t n, std::int64_t k, const gating_form& form = {},
               const options& how = {}) {
  const std::int64_t rows = std::ssize(x) / n;
  gated g{std::vector<float>(static_cast<std::size_t>(rows * k), -7),
          std::vector<std::int32_t>(static_cast<std::size_t>(rows * k), -7)};
  const status s =
      top_k_gating(const_view(x.data(), dtype::f32, {rows, n}), view(g.weights.data(), dtype::f32, {rows, k}),
                   view(g.experts.data(), dtype::i32, {rows, k}), -1, form, how);
  EXPECT_TRUE(s.ok()) << s.message;
  return g;
}

/// All experts of a row, best first: NaN above all, ties to the lower index.
std::vector<std::int32_t> ranking(const float* scores, std::int64_t n) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
    return !std::isnan(scores[b]) && (std::isnan(scores[a]) || scores[a] > scores[b]);
  });
  return order;
}

/// What `experts` should weigh.
std::vector<long double> weights_of(const float* x, std::int64_t n, const std::int32_t* experts, std::int64_t k,
                                    const gating_form& form) {
  std::vector<long double> all(static_cast<std::size_t>(n)), w(static_cast<std::size_t>(k));
  const long double max = *std::max_element(x, x + n);
  for (std::int64_t i = 0; i < n; ++i)
    all[static_cast<std::size_t>(i)] =
        form.sigmoid ? reference::sigmoid<long double>(x[i]) : std::exp(static_cast<long double>(x[i]) - max);
  for (std::int64_t i = 0; i < k; ++i) w[static_cast<std::size_t>(i)] = all[static_cast<std::size_t>(experts[i])];
  const std::vector<long double>& summed = form.renormalise ? w : all;
  const long double total =
      form.sigmoid && !form.renormalise ? 1.0L : std::accumulate(summed.begin(), summed.end(), 0.0L);
  for (long double& v : w) v = form.scale * v / total;
  return w;
}

TEST(gating, chooses_as_a_sort_does_and_weighs_as_the_formulas) {
  for (const isa_info& row : usable_isas())
    for (sigmax::accuracy tier : tiers) {
      double worst = 0;
      for (bool sigmoid : {false, true})
        for (bool renormalise : {false, true})
          for (bool biased : {false, true})
            for (std::int64_t n : {1, 2, 7, 8, 64, 100, 256, 700, 1024})
              for (std::int64_t k : {std::int64_t{1}, std::int64_t{2}, std::int64_t{8}, n}) {
                if (k > n) continue;
                const std::int64_t rows = n < 300 ? 5 : 2;
                const std::vector<float> x =
                    logits(static_cast<std::size_t>(rows * n), n % 3 == 0 ? 30.0f : 3.0f, static_cast<unsigned>(n + k));
                std::vector<float> bias = logits(static_cast<std::size_t>(n), 0.1f, 5);
                const std::int64_t shape[] = {rows, n}, repeat[] = {0, 1};
                gating_form form{.sigmoid = sigmoid, .renormalise = renormalise, .scale = n == 64 ? 2.5f : 1.0f};
                if (biased) form.bias = const_view(bias.data(), dtype::f32, shape, repeat);
                const gated g = run_gate(x, n, k, form, on(row, tier));
                // With a bias the library's own scores decide: they are what softmax and sigmoid return.
                std::vector<float> scores = x;
                if (biased) {
                  const const_view in(x.data(), dtype::f32, shape);
                  const view out(scores.data(), dtype::f32, shape);
                  ASSERT_TRUE((sigmoid ? activate(activation::sigmoid, in, out, on(row, tier))
                                       : softmax(in, out, 1, on(row, tier)))
                                  .ok());
                  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] += bias[i % static_cast<std::size_t>(n)];
                }
                for (std::int64_t r = 0; r < rows; ++r) {
                  const std::int32_t* const experts = g.experts.data() + r * k;
                  const std::vector<std::int32_t> order = ranking(scores.data() + r * n, n);
                  ASSERT_TRUE(std::equal(experts, experts + k, order.begin())) << row.name << ": " << k << " of " << n;
                  const double max = *std::max_element(x.begin() + r * n, x.begin() + (r + 1) * n);
                  const std::vector<long double> want = weights_of(x.data() + r * n, n, experts, k, form);
                  for (std::int64_t i = 0; i < k; ++i) {
                    const long double w = want[static_cast<std::size_t>(i)];
                    if (w < 0x1p-126L) continue;
                    const float got = g.weights[static_cast<std::size_t>(r * k + i)];
                    const double error = reference::ulp_error(got, w);
                    const double uncorrected =  // as of softmax
                        tier == accuracy::fast && !sigmoid ? max - x[static_cast<std::size_t>(r * n + experts[i])] : 0;
                    worst = std::max(worst, error - uncorrected);
                  }
                }
              }
      printf("  %-7s %s %.3f ULP\n", row.name, tier == accuracy::fast ? "fast" : "high", worst);
      EXPECT_LE(worst, (tier == accuracy::fast ? 5 : 3) * (row.fma ? 1 : 4)) << row.name;
    }
}

TEST(gating, ties_nan_and_infinities) {
  const auto experts = [](std::vector<float> x, std::int64_t k, bool sigmoid = false) {
    gating_form form;
    form.sigmoid = sigmoid;
    return run_gate(x, std::ssize(x), k, form).experts;
  };
  using list = std::vector<std::int32_t>;
  EXPECT_EQ(experts({1, 3, 3, 1, 3}, 4), (list{1, 2, 4, 0}));
  EXPECT_EQ(experts({0.0f, -0.0f, 0.0f}, 2), (list{0, 1}));
  EXPECT_EQ(experts({-0.0f, 0.0f, -0.0f}, 3), (list{0, 1, 2}));
  EXPECT_EQ(experts({50, 60, 40, 55}, 2, true), (list{1, 3}));  // all sigmoids are 1
  EXPECT_EQ(experts({-inf, 1, -inf, -inf}, 3), (list{1, 0, 2}));
  EXPECT_EQ(experts({-inf, -inf}, 2), (list{0, 1}));
  EXPECT_EQ(experts({1, NAN, inf, -NAN}, 3), (list{1, 3, 2}));
  EXPECT_EQ(run_gate({-inf, 1, -inf, -inf}, 4, 3).weights, (std::vector<float>{1, 0, 0}));
  for (const std::vector<float>& x : {std::vector<float>{1, NAN, 2}, {1, inf, 2}, {-inf, -inf, -inf}})
    for (bool renormalise : {false, true})
      for (float w : run_gate(x, 3, 2, {.renormalise = renormalise}).weights) EXPECT_TRUE(std::isnan(w));
  // Also where a bias chooses others.
  for (float worst : {inf, NAN}) {
    const std::vector<float> x{0, 1, 2, worst, 3}, bias{0, 0, 0, -inf, -9};
    const std::int64_t shape[] = {1, 5};
    for (float w : run_gate(x, 5, 2, {.bias = const_view(bias.data(), dtype::f32, shape)}).weights)
      EXPECT_TRUE(std::isnan(w));
  }
  // Sigmoids so small that they are 0 still share a weight as their logits tell.
  const gated small = run_gate({-200, -201, -300}, 3, 2, {.sigmoid = true});
  EXPECT_NEAR(small.weights[0], 1 / (1 + std::exp(-1)), 1e-7);
  EXPECT_NEAR(small.weights[0] + small.weights[1], 1, 1e-7);
}

TEST(gating, same_values_for_every_isa_pool_slice_layout_and_dtype) {
  const std::int64_t rows = 700, n = 60, k = 6;
  std::vector<float> x = logits(static_cast<std::size_t>(rows * n), 3, 3);
  for (float& v : x) v = static_cast<float>(reference::bfloat16_format::decode(reference::bfloat16_format::encode(v)));
  std::vector<std::uint16_t> half;
  for (float v : x) half.push_back(reference::bfloat16_format::encode(v));
  const gated expected = run_gate(x, n, k);
  for (const isa_info& row : usable_isas())
    if (row.fma) {
      const gated g = run_gate(x, n, k, {}, on(row));
      EXPECT_TRUE(g.weights == expected.weights && g.experts == expected.experts) << row.name;
    }
  for (int parts : {2, 3, 8}) {
    options how;
    how.threads = parts == 8 ? backwards(8) : threads_of(parts);
    EXPECT_EQ(run_gate(x, n, k, {}, how).weights, expected.weights);
  }
  // Experts outermost, 16 bits, 64-bit indices, all at once and in slices.
  std::vector<std::uint16_t> turned(half.size()), weights(static_cast<std::size_t>(rows * k));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < n; ++i)
      turned[static_cast<std::size_t>(i * rows + r)] = half[static_cast<std::size_t>(r * n + i)];
  std::vector<std::int64_t> experts(weights.size());
  options how;
  for (how.slices = 3; how.slice < 3; ++how.slice)
    ASSERT_TRUE(top_k_gating(const_view(turned.data(), dtype::bf16, {n, rows}),
                             view(weights.data(), dtype::bf16, {k, rows}), view(experts.data(), dtype::i64, {k, rows}),
                             0, {}, how)
                    .ok());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < k; ++i) {
      const auto here = static_cast<std::size_t>(i * rows + r), there = static_cast<std::size_t>(r * k + i);
      ASSERT_EQ(experts[here], expected.experts[there]);
      ASSERT_EQ(weights[here], reference::bfloat16_format::encode(expected.weights[there]));
    }
}

TEST(gating, bad_calls_are_refused_before_anything_is_written) {
  using enum status_code;
  std::vector<float> x(12, 1), weights(6, -5);
  std::vector<std::int32_t> experts(6, -5);
  const const_view in(x.data(), dtype::f32, {3, 4});
  view w(weights.data(), dtype::f32, {3, 2}), e(experts.data(), dtype::i32, {3, 2});
  gating_form form;
  int axis = -1;
  const auto refused = [&](status_code code, const char* mentions) {
    const status s = top_k_gating(in, w, e, axis, form);
    EXPECT_EQ(s.code, code) << s.message;
    EXPECT_NE(std::string(s.message).find(mentions), std::string::npos) << s.message;
  };
  form.scale = NAN;
  refused(invalid_argument, "scale");
  form.scale = 1;
  axis = 2;
  refused(invalid_argument, "axis 2");
  axis = -1;
  e.type = dtype::f32;
  refused(unsupported, "experts");
  e.type = dtype::i32;
  e.shape[1] = 1;
  refused(shape_mismatch, "experts.shape[1]");
  e.shape[1] = 2;
  w.shape[0] = 2;
  refused(shape_mismatch, "weights.shape[0]");
  w = view(weights.data(), dtype::f32, {3, 2, 1});
  refused(shape_mismatch, "weights");
  w = view(x.data(), dtype::f32, {3, 2});
  refused(overlap, "weights overlaps x");
  w = view(experts.data(), dtype::f32, {3, 2});
  refused(overlap, "experts overlaps weights");
  const std::int64_t wide[] = {1, 4}, none[] = {0, 0};
  EXPECT_EQ(top_k_gating(const_view(x.data(), dtype::f32, {3, 1}), view(weights.data(), dtype::f32, {3, 2}), e).code,
            invalid_argument);
  EXPECT_EQ(top_k_gating(const_view(x.data(), dtype::f32, wide, none), view(weights.data(), dtype::f32, wide, none),
                         view(experts.data(), dtype::i32, {1, 4}))
                .code,
            overlap);
  const std::vector<float> many(1025);
  EXPECT_EQ(top_k_gating(const_view(many.data(), 1024), view(x.data(), 0), view(experts.data(), 0)).code, ok);
  EXPECT_EQ(top_k_gating(const_view(many.data(), 1025), view(weights.data(), 1), view(experts.data(), 1)).code,
            unsupported);
  for (float v : weights) EXPECT_EQ(v, -5);
  for (std::int32_t v : experts) EXPECT_EQ(v, -5);
}

}  // namespace
}  // namespace sigmax_test
