// Softmax in parts: what is known of a row without its output, the states of its slices, and what they merge to.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "reference.hpp"
#include "softmax_tensor.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;

TEST(softmax_parts, logsumexp_needs_no_output) {
  const tensor x = random_tensor(1000, false, 3, 6);
  row_values whole, alone;
  tensor y = x;
  softmax_form form;
  form.lse = whole;
  ASSERT_TRUE(softmax_fused(x, y, last, form).ok());
  form.lse = alone;
  ASSERT_TRUE(softmax_partial(x, last, form).ok());
  EXPECT_EQ(whole.data, alone.data);
  // The same row over and over: an input may have zero strides.
  const std::int64_t repeat[] = {0, 0, 0, 1};
  ASSERT_TRUE(softmax_partial(const_view(x.data.data(), dtype::f32, x.shape, repeat), last, form).ok());
  for (float v : alone.data) EXPECT_EQ(v, whole.data[0]);
}

TEST(softmax_parts, nothing_but_minus_infinity_is_the_state_of_no_scores) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {1, 70, 9000}) {
      const tensor x(n, false, -inf);
      row_values max, sum, lse;
      softmax_form form{.max = max, .sum = sum, .lse = lse};
      ASSERT_TRUE(softmax_partial(x, last, form, on(row)).ok());
      for (std::size_t r = 0; r < sum.data.size(); ++r) {
        EXPECT_TRUE(max.data[r] == -inf && sum.data[r] == 0 && lse.data[r] == -inf);
        const softmax_state a{3, 1.5f}, b = merge(a, {max.data[r], sum.data[r]});
        EXPECT_TRUE(b.max == a.max && b.sum == a.sum);
      }
      form.nan_if_masked = true;
      ASSERT_TRUE(softmax_partial(x, last, form, on(row)).ok());
      for (float v : lse.data) EXPECT_TRUE(std::isnan(v));
    }
}

// Which of two equal zeros is the maximum depends on the vectors' width: a row's state must not show it, and the second
// half must not either, where one score alone makes log_softmax 0.
TEST(softmax_parts, a_maximum_of_zero_has_no_sign) {
  std::mt19937 random(3);
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {1, 5, 16, 31, 33, 100, 9000})
      for (accuracy tier : {accuracy::high, accuracy::fast})
        for (bool alone : {false, true}) {
          tensor x(n, false, -200);
          const auto columns = static_cast<std::size_t>(n);
          for (std::size_t i = 0; i < x.data.size(); ++i) {
            const std::size_t here = i / columns % columns;  // at least one zero in each row, or no more
            if (i % columns == here || (!alone && random() % 2 == 0)) x.data[i] = random() % 2 == 0 ? 0.0f : -0.0f;
          }
          row_values max, sum;
          tensor whole = x, finished = x;
          softmax_form form{.logarithm = true, .max = max, .sum = sum};
          ASSERT_TRUE(softmax_fused(x, whole, last, form, on(row, tier)).ok());
          for (float v : max.data) EXPECT_TRUE(same_bits(v, 0.0f)) << row.name << ", " << n;
          ASSERT_TRUE(softmax_partial(x, last, form, on(row, tier)).ok());
          for (float v : max.data) EXPECT_TRUE(same_bits(v, 0.0f)) << row.name << ", " << n;
          ASSERT_TRUE(softmax_finish(x, finished, last, form, on(row, tier)).ok());
          for (std::size_t i = 0; i < x.data.size() && alone; ++i)
            ASSERT_TRUE(same_bits(whole.data[i], finished.data[i])) << row.name << ", " << n << ", at " << i;
        }
}

TEST(softmax_parts, empty_rows) {
  const std::int64_t shape[] = {2, 3, 5, 0};
  row_values max, sum, lse;
  sum.data.assign(30, 7);
  softmax_form form;
  form.max = max, form.sum = sum, form.lse = lse;
  ASSERT_TRUE(softmax_partial(const_view(nullptr, dtype::f32, shape), last, form).ok());
  for (std::size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(max.data[i], -inf);
    EXPECT_EQ(sum.data[i], 0);
    EXPECT_EQ(lse.data[i], -inf);
  }
}

TEST(softmax_parts, parts_merge_to_the_whole) {
  std::mt19937 random(11);
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {1, 10, 1000, 20000})
      for (float deviation : {3.0f, 30.0f}) {
        std::vector<float> x = random_tensor(n, false, deviation, 12).data;
        std::fill_n(x.begin(), n - n / 3, -inf);  // whole parts of the first row hold no score
        const std::int64_t rows = 30, pitch[] = {n, 1}, row_shape[] = {rows, 1};
        std::vector<softmax_state> state(static_cast<std::size_t>(rows));
        std::vector<std::int64_t> cuts{0, n, n};  // an empty part, too
        for (int i = 0; i < 5; ++i) cuts.push_back(static_cast<std::int64_t>(random() % static_cast<unsigned>(n)));
        std::sort(cuts.begin(), cuts.end());
        const auto part = [&](const float* base, std::size_t i, auto&& make) {
          const std::int64_t shape[] = {rows, cuts[i + 1] - cuts[i]};
          return make(base + cuts[i], shape);
        };
        for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
          std::vector<float> max(static_cast<std::size_t>(rows)), sum(max);
          softmax_form form;
          form.max = view(max.data(), dtype::f32, row_shape), form.sum = view(sum.data(), dtype::f32, row_shape);
          const status s = softmax_partial(
              part(x.data(), i, [&](auto* p, auto& shape) { return const_view(p, dtype::f32, shape, pitch); }), 1, form,
              on(row));
          ASSERT_TRUE(s.ok()) << s.message;
          for (std::size_t r = 0; r < max.size(); ++r) {
            const softmax_state ab = merge(state[r], {max[r], sum[r]}), ba = merge({max[r], sum[r]}, state[r]);
            ASSERT_TRUE(ab.max == ba.max && ab.sum == ba.sum);
            state[r] = ab;
          }
        }
        std::vector<float> y(x.size());
        softmax_form form;
        const std::int64_t interleaved[] = {2, 1};
        form.max = view(&state[0].max, dtype::f32, row_shape, interleaved);
        form.sum = view(&state[0].sum, dtype::f32, row_shape, interleaved);
        for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
          const status s = softmax_finish(
              part(x.data(), i, [&](auto* p, auto& shape) { return const_view(p, dtype::f32, shape, pitch); }),
              part(y.data(), i,
                   [&](auto* p, auto& shape) { return view(const_cast<float*>(p), dtype::f32, shape, pitch); }),
              1, form, on(row));
          ASSERT_TRUE(s.ok()) << s.message;
        }
        for (std::int64_t r = 0; r < rows; ++r) {
          const auto e = reference::softmax({x.begin() + r * n, x.begin() + (r + 1) * n});
          for (std::int64_t k = 0; k < n; ++k)
            if (const long double exact = e.probability[static_cast<std::size_t>(k)]; exact >= 0x1p-126L) {
              ASSERT_LE(reference::ulp_error(y[static_cast<std::size_t>(r * n + k)], exact),
                        2.5 + static_cast<double>(cuts.size()))
                  << row.name << " n " << n;
            }
        }
      }
}

TEST(softmax_parts, merge) {
  const softmax_state empty, a{3, 1.5f}, b{-4, 2}, nan{1, NAN};
  for (const softmax_state& s : {a, b}) {
    EXPECT_EQ(merge(s, empty).max, s.max);
    EXPECT_EQ(merge(s, empty).sum, s.sum);
    EXPECT_EQ(merge(empty, s).sum, s.sum);
  }
  EXPECT_EQ(merge(empty, empty).max, -inf);
  EXPECT_EQ(merge(empty, empty).sum, 0);
  EXPECT_TRUE(same_bits(merge({-0.0f, 1}, {0.0f, 2}).max, 0.0f) && same_bits(merge({0.0f, 1}, {-0.0f, 2}).max, 0.0f));
  EXPECT_TRUE(std::isnan(merge(a, nan).sum) && std::isnan(merge(nan, empty).sum) && std::isnan(merge(b, nan).sum));
  // The smaller maximum, of which the difference is rounded, may belong to the larger share.
  std::mt19937 random(1);
  std::uniform_real_distribution<float> at(-40, 40), magnitude(0, 100);
  double worst = 0;
  for (int i = 0; i < 1000000; ++i) {
    const softmax_state s{at(random), std::exp2(magnitude(random))}, t{at(random), std::exp2(magnitude(random))},
        st = merge(s, t);
    const long double max = std::max(s.max, t.max);
    const long double exact = s.sum * std::exp(s.max - max) + t.sum * std::exp(t.max - max);
    ASSERT_EQ(st.max, max);
    worst = std::max(worst, reference::ulp_error(st.sum, exact));
  }
  std::printf("  merge: %.3g ULP\n", worst);
  EXPECT_LE(worst, 0.51);
}

// Each row alone and rows together take other ways.
TEST(softmax_parts, a_finish_with_a_huge_sum_has_the_bits_of_each_row_alone) {
  const std::int64_t rows = 5, n = 8, shape[] = {rows, n}, one_each[] = {rows, 1};
  const std::vector<float> x = logits(static_cast<std::size_t>(rows * n), 3, 1);
  std::vector<float> max(rows, 3), sum(rows, 0x1.8p121f), together(x.size()), alone(n);
  softmax_form form;
  form.max = view(max.data(), dtype::f32, one_each), form.sum = view(sum.data(), dtype::f32, one_each);
  for (const isa_info& row : usable_isas()) {
    ASSERT_TRUE(softmax_finish(const_view(x.data(), dtype::f32, shape), view(together.data(), dtype::f32, shape), 1,
                               form, on(row))
                    .ok());
    softmax_form first;
    first.max = view(max.data(), 1), first.sum = view(sum.data(), 1);
    for (std::int64_t r = 0; r < rows; ++r) {
      ASSERT_TRUE(softmax_finish(const_view(x.data() + r * n, n), view(alone.data(), n), 0, first, on(row)).ok());
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + r * n, same_bits)) << row.name << r;
    }
  }
}

TEST(softmax_parts, no_rows_for_many_threads) {
  const std::int64_t shape[] = {0, 100000}, one[] = {0, 1};
  float x[1] = {1}, max[1] = {2};
  options how;
  how.threads.run = [](void*, std::int64_t n, void (*task)(void*, std::int64_t), void* argument) {
    for (std::int64_t i = 0; i < n; ++i) task(argument, i);
  };
  how.threads.concurrency = 4;
  softmax_form form;
  form.max = view(max, dtype::f32, one);
  for (const isa_info& row : usable_isas()) {
    how.isa = row.name;
    EXPECT_TRUE(softmax_partial(const_view(x, dtype::f32, shape), 1, form, how).ok());
    EXPECT_TRUE(softmax_fused(const_view(x, dtype::f32, shape), view(x + 1, dtype::f32, shape), 1, form, how).ok());
    EXPECT_EQ(max[0], 2);
  }
}

TEST(softmax_parts, infinities_times_a_scale_of_0) {
  for (const isa_info& row : usable_isas())
    for (const std::int64_t n : {40, 300, 20000}) {
      const std::int64_t shape[] = {40, n}, one[] = {40, 1};
      const std::vector<float> x(static_cast<std::size_t>(40 * n), inf);
      std::vector<float> max(40), sum(40);
      softmax_form form;
      form.scale = 0, form.max = view(max.data(), dtype::f32, one), form.sum = view(sum.data(), dtype::f32, one);
      ASSERT_TRUE(softmax_partial(const_view(x.data(), dtype::f32, shape), 1, form, on(row)).ok());
      for (const float v : max) EXPECT_EQ(v, -inf) << row.name << ' ' << n;
      for (const float v : sum) EXPECT_TRUE(std::isnan(v)) << row.name << ' ' << n;
    }
}

}  // namespace
}  // namespace sigmax_test
