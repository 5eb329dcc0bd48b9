// What is fused around a softmax: against the same softmax over scores that are formed step by step, to the bit;
// against the oracle where nothing equal can be called; masks, and what is wrong with a form.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "pools.hpp"
#include "reference.hpp"
#include "softmax_tensor.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;

std::size_t number(std::int64_t b, std::int64_t h, std::int64_t q) {
  return static_cast<std::size_t>((b * 3 + h) * 5 + q);
}

/// A form and everything its views point at. Bit i of `terms` turns the i-th term on.
struct fused_case {
  enum { scale = 1, row_scale = 2, softcap = 4, slopes = 8, mask = 16, causal = 32, window = 64, all = 127 };
  std::vector<float> factors{0.5f, 1.25f}, slope_of{0.25f, -0.0625f, 0.75f};
  std::vector<float> mask_f32;
  std::vector<std::uint16_t> mask_16;
  std::vector<std::uint8_t> mask_boolean;
  dtype mask_type;
  std::int64_t n;
  softmax_form form;

  fused_case(std::int64_t columns, int terms, dtype type, std::int64_t offset) : mask_type(type), n(columns) {
    // Of a mask the rows are shared by heads; a boolean one is shared by heads and queries.
    std::mt19937 random(17);
    for (std::int64_t i = 0; i < (terms & mask ? 2 * 5 * n : 0); ++i) {
      const float v = random() % 4 == 0 ? -inf : static_cast<float>(random() % 64) / 8 - 4;
      mask_f32.push_back(v);
      mask_16.push_back(type == dtype::f16 ? reference::float16_format::encode(v)
                                           : reference::bfloat16_format::encode(v));
      mask_boolean.push_back(v == -inf ? 0 : static_cast<std::uint8_t>(1 + i % 255));
    }
    const std::int64_t shape[] = {2, 3, 5, n}, rows[] = {2, 3, 5, 1};
    const std::int64_t by_batch[] = {1, 0, 0, 0}, by_head[] = {0, 1, 0, 0}, added[] = {5 * n, 0, n, 1},
                       padding[] = {n, 0, 0, 1};
    form.offset = offset;
    if (terms & scale) form.scale = 0.3f;
    if (terms & row_scale) form.row_scale = const_view(factors.data(), dtype::f32, rows, by_batch);
    if (terms & softcap) form.softcap = 5;
    if (terms & slopes) form.slopes = const_view(slope_of.data(), dtype::f32, rows, by_head);
    if (terms & mask)
      form.mask = type == dtype::f32       ? const_view(mask_f32.data(), type, shape, added)
                  : type == dtype::boolean ? const_view(mask_boolean.data(), type, shape, padding)
                                           : const_view(mask_16.data(), type, shape, added);
    form.causal = (terms & causal) != 0;
    if (terms & window) form.window = 1 + n / 3;
  }
  fused_case(const fused_case&) = delete;

  float mask_at(std::int64_t b, std::int64_t q, std::int64_t k) const {
    const auto i = static_cast<std::size_t>(mask_type == dtype::boolean ? b * n + k : (b * 5 + q) * n + k);
    if (mask_type == dtype::boolean) return mask_boolean[i] != 0 ? 0.0f : -inf;
    return mask_f32[i];  // exact in 16 bits, too
  }

  /// The scores as the header tells them, every step by itself.
  tensor scores(const tensor& x, const options& how) const {
    tensor t = x;
    const auto factor = [&](std::int64_t b) {
      return form.row_scale.data ? form.scale * factors[static_cast<std::size_t>(b)] : form.scale;
    };
    for_each_row([&](auto b, auto h, auto q) {
      for (std::int64_t k = 0; k < n; ++k) t.at(b, h, q, k) *= factor(b);
      static_cast<void>(h);
    });
    if (form.softcap != 0) {
      options capped = how;
      capped.parameters.first = form.softcap;
      t.data = run(activation::softcap, t.data, capped);
    }
    for_each_row([&](auto b, auto h, auto q) {
      for (std::int64_t k = 0; k < n; ++k) {
        float& v = t.at(b, h, q, k);
        const std::int64_t query = form.offset + q;
        if (form.slopes.data) v = std::fma(slope_of[static_cast<std::size_t>(h)], static_cast<float>(k - query), v);
        if (form.mask.data) v = mask_at(b, q, k) == -inf ? -inf : v + mask_at(b, q, k);
        if (form.causal && k > query) v = -inf;
        if (form.window > 0 && k <= query - form.window) v = -inf;
      }
    });
    return t;
  }
};

/// What fused gives, with zeros in rows that have no score, as `softmax` over the scores gives it.
tensor expected_of(tensor scores, bool logarithm, const options& how) {
  const std::vector<float> t = scores.data;
  const status s = logarithm ? log_softmax(scores, scores, last, how) : sigmax::softmax(scores, scores, last, how);
  EXPECT_TRUE(s.ok()) << s.message;
  tensor given = scores;
  given.data = t;
  for_each_row([&](auto b, auto h, auto q) {
    bool any = false;
    for (std::int64_t k = 0; k < scores.columns(); ++k) any = any || given.at(b, h, q, k) > -inf;
    if (!any)
      for (std::int64_t k = 0; k < scores.columns(); ++k) scores.at(b, h, q, k) = logarithm ? -inf : 0.0f;
  });
  return scores;
}

testing::AssertionResult equal(const tensor& a, const tensor& b) {
  for (std::size_t i = 0; i < a.data.size(); ++i)
    if (!same_bits(a.data[i], b.data[i]))
      return testing::AssertionFailure() << "element " << i << ": " << a.data[i] << " and " << b.data[i];
  return testing::AssertionSuccess();
}

void check_against_scores(const isa_info& row, std::int64_t n, int terms, dtype mask_type, sigmax::accuracy tier) {
  for (bool transposed : {false, true}) {
    fused_case c(n, terms, mask_type, n / 2 - 2);
    const tensor x = random_tensor(n, transposed, 3, static_cast<unsigned>(terms));
    const tensor scores = c.scores(x, on(row, tier));
    for (bool logarithm : {false, true}) {
      c.form.logarithm = logarithm;
      tensor y = x;
      const status s = softmax_fused(x, y, last, c.form, on(row, tier));
      ASSERT_TRUE(s.ok()) << s.message;
      // Rows without masks keep NaN where nothing is above -inf; these forms have none.
      ASSERT_TRUE(equal(y, expected_of(scores, logarithm, on(row, tier))))
          << row.name << " n " << n << " terms " << terms << " mask " << static_cast<int>(mask_type) << " transposed "
          << transposed;
      tensor z = x;
      ASSERT_TRUE(softmax_fused(z, z, -1, c.form, on(row, tier)).ok());
      ASSERT_TRUE(equal(z, y)) << "in place";
    }
  }
}

TEST(softmax_form, equals_softmax_over_its_scores_to_the_bit) {
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers) {
      for (int terms = 0; terms <= fused_case::all; ++terms)
        if (!(terms & fused_case::window) || (terms & fused_case::causal))
          check_against_scores(row, 37, terms, dtype::f32, tier);
      for (std::int64_t n : {1, 2, 16, 64, 100, 130, 513, 700, 8192, 8193, 20000})
        for (int terms : {0, 1, 16, 32, 96, 127})
          for (dtype type : {dtype::f32, dtype::f16, dtype::bf16, dtype::boolean})
            if ((terms & fused_case::mask) || type == dtype::f32)
              if (n < 1000 || type == dtype::boolean || type == dtype::f32)
                check_against_scores(row, n, terms, type, tier);
    }
}

// Rows are computed together as far as the longest of them goes, which must not decide how sums add up; what a row does
// not look at becomes NaN with it alone.
TEST(softmax_form, short_causal_rows_together) {
  constexpr std::int64_t queries = 80;
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers)
      for (std::int64_t n : {40, 64, 65, 100, 200, 511, 600})
        for (std::int64_t window : {0, 20})
          for (std::int64_t offset : {-40, 0})
            for (bool logarithm : {false, true}) {
              const std::int64_t shape[] = {queries, n};
              std::vector<float> x = random_tensor(n, false, 3, 8).data, y(static_cast<std::size_t>(queries * n)),
                                 expected(y);
              while (x.size() < y.size()) x.insert(x.end(), x.begin(), x.begin() + n);
              x.resize(y.size());
              // Next to a dominating maximum the logarithm of the sum shows in which order it was added up.
              for (std::size_t k = 0; k < x.size(); ++k) x[k] = k % static_cast<std::size_t>(n) == 1 ? 9 : x[k] - 9;
              x[static_cast<std::size_t>(3 * n + 2)] = NAN;
              std::vector<float> scores = x;
              for (std::int64_t q = 0; q < queries; ++q)
                for (std::int64_t k = 0; k < n; ++k)
                  if (k > q + offset || (window > 0 && k <= q + offset - window))
                    scores[static_cast<std::size_t>(q * n + k)] = -inf;
              softmax_form form{.logarithm = logarithm, .causal = true, .offset = offset, .window = window};
              const const_view in(x.data(), dtype::f32, shape), formed(scores.data(), dtype::f32, shape);
              ASSERT_TRUE(softmax_fused(in, view(y.data(), dtype::f32, shape), 1, form, on(row, tier)).ok());
              const view plain(expected.data(), dtype::f32, shape);
              ASSERT_TRUE((logarithm ? log_softmax : softmax)(formed, plain, 1, on(row, tier)).ok());
              for (std::int64_t q = 0; q < queries; ++q)
                if (q + offset < 0 || (window > 0 && q + offset - window >= n - 1))  // without a score
                  std::fill_n(expected.begin() + q * n, n, logarithm ? -inf : 0.0f);
              for (std::size_t i = 0; i < y.size(); ++i)
                ASSERT_TRUE(same_bits(y[i], expected[i]))
                    << row.name << ", " << n << ", at " << i << ": " << y[i] << ", not " << expected[i];
            }
}

TEST(softmax_form, long_rows_with_strides_have_the_bits_of_contiguous_ones) {
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers)
      for (std::int64_t n : {5000, 20000, 70000}) {
        const std::int64_t shape[] = {3, n}, every_other[] = {2 * n, 2};
        const auto count = static_cast<std::size_t>(3 * n);
        std::vector<float> x = random_tensor(n, false, 3, 8).data, apart(2 * count), y(count), expected(count);
        x.resize(count);
        for (std::size_t i = 0; i < count; ++i)
          apart[2 * i] = x[i] = i % static_cast<std::size_t>(n) == 1 ? 9 : x[i] - 15;
        const const_view strided(apart.data(), dtype::f32, shape, every_other), dense(x.data(), dtype::f32, shape);
        ASSERT_TRUE(log_softmax(strided, view(y.data(), dtype::f32, shape), 1, on(row, tier)).ok());
        ASSERT_TRUE(log_softmax(dense, view(expected.data(), dtype::f32, shape), 1, on(row, tier)).ok());
        for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(same_bits(y[i], expected[i])) << row.name << ", " << n;
      }
}

TEST(softmax_form, softmin_and_temperature) {
  const tensor x = random_tensor(100, false, 3, 1);
  tensor y = x, negated = x;
  softmax_form form;
  form.scale = -1;
  ASSERT_TRUE(softmax_fused(x, y, last, form).ok());
  for (float& v : negated.data) v = -v;
  ASSERT_TRUE(sigmax::softmax(negated, negated, last).ok());
  EXPECT_TRUE(equal(y, negated));
}

TEST(softmax_form, sixteen_bits_and_mixed) {
  const tensor x = random_tensor(700, false, 3, 1);
  std::vector<std::uint16_t> h(x.data.size()), y(x.data.size());
  tensor wide = x;
  for (std::size_t i = 0; i < h.size(); ++i) {
    h[i] = reference::bfloat16_format::encode(x.data[i]);
    wide.data[i] = static_cast<float>(reference::bfloat16_format::decode(h[i]));
  }
  fused_case c(700, fused_case::all, dtype::boolean, 300);
  ASSERT_TRUE(softmax_fused(wide, wide, last, c.form).ok());
  ASSERT_TRUE(
      softmax_fused(const_view(h.data(), dtype::bf16, x.shape), view(y.data(), dtype::f16, x.shape), last, c.form)
          .ok());
  for (std::size_t i = 0; i < h.size(); ++i) ASSERT_EQ(y[i], reference::float16_format::encode(wide.data[i]));
}

TEST(softmax_form, same_bits_for_every_isa_pool_and_slice) {
  const std::int64_t n = 5000;
  const tensor x = random_tensor(n, false, 3, 2);
  fused_case c(n, fused_case::all & ~fused_case::window, dtype::f32, 2000);
  tensor expected = x;
  ASSERT_TRUE(softmax_fused(x, expected, last, c.form, on(usable_isas().front())).ok());
  for (const isa_info& row : usable_isas()) {
    tensor y = x;
    ASSERT_TRUE(softmax_fused(x, y, last, c.form, on(row)).ok());
    if (row.fma) {
      EXPECT_TRUE(equal(y, expected)) << row.name;
    }
  }
  for (int threads : {2, 3, 8}) {
    options how;
    how.threads = threads_of(threads);
    tensor y = x;
    ASSERT_TRUE(softmax_fused(x, y, last, c.form, how).ok());
    EXPECT_TRUE(equal(y, expected));
    tensor sliced(n, false, -7);
    how.threads = {};
    for (how.slices = threads, how.slice = 0; how.slice < threads; ++how.slice)
      ASSERT_TRUE(softmax_fused(x, sliced, last, c.form, how).ok());
    EXPECT_TRUE(equal(sliced, expected));
  }
}

TEST(softmax_form, beyond_the_last_cache) {
  const std::int64_t n = 1000, rows = 12000, shape[] = {rows, n}, repeat[] = {0, 1};
  const tensor x = random_tensor(n, false, 3, 3);
  std::vector<float> y(static_cast<std::size_t>(rows * n)), one(static_cast<std::size_t>(n));
  softmax_form form;
  form.scale = 0.5f;
  form.causal = true;
  form.offset = -100;  // a hundred rows without a score, then a triangle
  ASSERT_TRUE(
      softmax_fused(const_view(x.data.data(), dtype::f32, shape, repeat), view(y.data(), dtype::f32, shape), 1, form)
          .ok());
  for (std::int64_t r = 0; r < rows; r += 97) {
    softmax_form alone = form;
    alone.offset = r - 100;
    ASSERT_TRUE(softmax_fused(const_view(x.data.data(), n), view(one.data(), n), 0, alone).ok());
    ASSERT_TRUE(std::equal(one.begin(), one.end(), y.begin() + r * n, same_bits)) << r;
  }
}

/// A row's scores followed by its sink, and what the oracle says about them.
struct exact_row {
  reference::softmax_row values;
  long double max, sum, lse;
};
exact_row exact(tensor& scores, std::int64_t b, std::int64_t h, std::int64_t q, const float* sink) {
  std::vector<float> t;
  for (std::int64_t k = 0; k < scores.columns(); ++k) t.push_back(scores.at(b, h, q, k));
  if (sink) t.push_back(*sink);
  exact_row row{reference::softmax(t), *std::max_element(t.begin(), t.end()), 0, 0};
  for (float v : t) row.sum += std::exp(static_cast<long double>(v) - row.max);
  row.lse = row.max + std::log(row.sum);
  return row;
}

TEST(softmax_form, sinks_scale_and_state_against_the_oracle) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {1, 5, 64, 700, 9000})
      for (bool with_sinks : {false, true}) {
        fused_case c(n, fused_case::scale, dtype::f32, 0);
        const tensor x = random_tensor(n, false, 3, 5);
        tensor scores = c.scores(x, on(row)), y = x, l = x;
        row_values sinks, max, sum, lse, other_lse;
        for (std::size_t i = 0; i < 30; ++i) sinks.data[i] = i % 7 == 0 ? -inf : static_cast<float>(i) / 4 - 3;
        if (with_sinks) c.form.sinks = sinks;
        c.form.output_scale = 0.37f;
        c.form.max = max, c.form.sum = sum, c.form.lse = lse;
        ASSERT_TRUE(softmax_fused(x, y, last, c.form, on(row)).ok());
        c.form.logarithm = true, c.form.output_scale = 1, c.form.lse = other_lse;
        ASSERT_TRUE(softmax_fused(x, l, last, c.form, on(row)).ok());
        EXPECT_EQ(lse.data, other_lse.data);
        for_each_row([&](auto b, auto h, auto q) {
          const std::size_t r = number(b, h, q);
          const exact_row e = exact(scores, b, h, q, with_sinks ? &sinks.data[r] : nullptr);
          for (std::int64_t k = 0; k < n; ++k) {
            const auto at = static_cast<std::size_t>(k);
            ASSERT_LE(
                reference::ulp_error(y.at(b, h, q, k), e.values.probability[at] * static_cast<long double>(0.37f)),
                row.fma ? 2.5 : 3.5);
            if (e.values.logarithm[at] < -0x1p-22L) {
              ASSERT_LE(reference::ulp_error(l.at(b, h, q, k), e.values.logarithm[at]), 1.5);
            }
          }
          ASSERT_EQ(max.data[r], static_cast<float>(e.max));
          ASSERT_LE(reference::ulp_error(sum.data[r], e.sum), 1.5);
          ASSERT_LE(std::fabs(lse.data[r] - e.lse), 0x1p-24L * std::max(1.0L, std::fabs(e.lse)));
        });
      }
}

TEST(softmax_form, output_scales_down_to_the_smallest) {
  const std::int64_t n = 96;
  const std::int64_t shape[] = {1, n};
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 30);
  std::vector<float> x(static_cast<std::size_t>(n)), y(x.size());
  for (float& v : x) v = normal(random);
  const auto exact = reference::softmax(x);
  for (const isa_info& row : usable_isas())
    for (float scale :
         {0x1p-29f, -0x1.8765p-31f, 0x1.4321p-62f, -0x1.2345p-90f, 0x1.abcdp-120f, 0x1p-149f, 0.0f, -0.0f})
      for (const bool window : {false, true}) {
        softmax_form form{.output_scale = scale};
        if (window) form.causal = true, form.offset = n, form.window = 2 * n;  // of all columns, but on another way
        ASSERT_TRUE(
            softmax_fused(const_view(x.data(), dtype::f32, shape), view(y.data(), dtype::f32, shape), 1, form, on(row))
                .ok());
        for (std::size_t i = 0; i < x.size(); ++i) {
          const long double want = exact.probability[i] * static_cast<long double>(scale);
          EXPECT_LE(reference::ulp_error(y[i], want), 4) << row.name << " " << scale << " column " << i;
        }
      }
}

// What a row does not look at is a zero whose sign the output scale decides, and the row alone: not who its neighbours
// are, nor where the results go.
TEST(softmax_form, zeros_have_their_signs_whatever_is_beside_them) {
  for (const isa_info& row : usable_isas())
    for (accuracy tier : {accuracy::high, accuracy::fast})
      for (std::int64_t n : {8, 20, 40, 100, 600, 1024, 5000})
        for (dtype type : {dtype::f32, dtype::bf16})
          for (float scale : {-1.0f, -0.3f, -0.0f, 0.3f})
            for (std::int64_t window : {std::int64_t{0}, n / 4}) {
              constexpr std::int64_t rows = 19;
              const std::int64_t offset = n / 2 - 5, shape[] = {rows, n};
              std::vector<float> x = logits(static_cast<std::size_t>(rows * n), 3, 1);
              x[static_cast<std::size_t>(3 * n)] = NAN;
              softmax_form form{.output_scale = scale};
              form.causal = true, form.offset = offset, form.window = window;
              std::vector<std::uint32_t> all(x.size()), in_place(x.size()), alone(static_cast<std::size_t>(n));
              std::memcpy(in_place.data(), x.data(), 4 * x.size());
              const options how = on(row, tier);
              ASSERT_TRUE(
                  softmax_fused(const_view(x.data(), dtype::f32, shape), view(all.data(), type, shape), 1, form, how)
                      .ok());
              if (type == dtype::f32) {
                const view y(in_place.data(), dtype::f32, shape);
                ASSERT_TRUE(softmax_fused(y, y, 1, form, how).ok());
                for (std::size_t i = 0; i < x.size(); ++i)
                  ASSERT_TRUE(all[i] == in_place[i] || std::isnan(std::bit_cast<float>(all[i])))
                      << row.name << " n " << n << " scale " << scale << " window " << window << " in place " << i;
              }
              const std::size_t bytes = static_cast<std::size_t>(n) * (type == dtype::f32 ? 4 : 2);
              for (std::int64_t r = 0; r < rows; ++r) {
                if (r == 3) continue;
                const std::int64_t one[] = {1, n};
                form.offset = offset + r;
                ASSERT_TRUE(softmax_fused(const_view(x.data() + r * n, dtype::f32, one), view(alone.data(), type, one),
                                          1, form, how)
                                .ok());
                ASSERT_EQ(
                    std::memcmp(reinterpret_cast<const std::byte*>(all.data()) + static_cast<std::size_t>(r) * bytes,
                                alone.data(), bytes),
                    0)
                    << row.name << " n " << n << " type " << static_cast<int>(type) << " scale " << scale << " window "
                    << window << " row " << r;
              }
            }
}

TEST(softmax_form, masked_rows_are_zeros_or_nan) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {1, 70, 9000})
      for (bool logarithm : {false, true})
        for (int kind : {0, 1, 2, 3}) {  // unmasked, boolean mask, causal, sinks
          tensor x(n, false, kind == 1 || kind == 2 ? 1.0f : -inf), y = x;
          const std::uint8_t no = 0;
          const std::int64_t zero[] = {0, 0, 0, 0};
          const row_values nothing_but{std::vector<float>(30, -inf)};
          row_values lse, sum, max;
          softmax_form form;
          form.logarithm = logarithm;
          if (kind == 1) form.mask = const_view(&no, dtype::boolean, x.shape, zero);
          if (kind == 2) form.causal = true, form.offset = -5;
          if (kind == 3) form.sinks = nothing_but;
          for (bool nan : {false, true}) {
            form.nan_if_masked = nan;
            form.max = max, form.lse = lse, form.sum = sum;
            const auto check_results = [&] {
              for (float v : y.data)
                ASSERT_TRUE(nan || kind == 0 ? std::isnan(v) : v == (logarithm ? -inf : 0.0f)) << kind << " is " << v;
            };
            const auto check_state = [&](bool is_nan) {
              for (float v : max.data) ASSERT_EQ(v, -inf) << kind << " n " << n;
              for (float v : sum.data) ASSERT_TRUE(is_nan ? std::isnan(v) : v == 0) << kind << " n " << n;
              for (float v : lse.data) ASSERT_TRUE(is_nan ? std::isnan(v) : v == -inf) << kind << " n " << n;
            };
            ASSERT_TRUE(softmax_fused(x, y, last, form, on(row)).ok());
            check_results();
            check_state(nan || kind == 0);
            if (!logarithm) {
              ASSERT_TRUE(softmax_partial(x, last, form, on(row)).ok());
              check_state(nan);
            }
            if (kind == 3) continue;  // finish cannot tell it from a plain row
            for (float& v : max.data) v = -inf;
            for (float& v : sum.data) v = 0;
            form.lse = {};
            ASSERT_TRUE(softmax_finish(x, y, last, form, on(row)).ok());
            check_results();
          }
        }
}

void check_poison(const isa_info& row, std::int64_t n, float poison, bool logarithm) {
  tensor x = random_tensor(n, false, 3, 8), clean = x;
  std::vector<float> added(static_cast<std::size_t>(n), 0.0f);
  std::vector<std::uint8_t> truth(static_cast<std::size_t>(n), 1);
  for (std::int64_t k = 40; k < n; ++k) {
    added[static_cast<std::size_t>(k)] = -inf;
    truth[static_cast<std::size_t>(k)] = 0;
    for_each_row([&](auto b, auto h, auto q) { x.at(b, h, q, k) = poison; });
  }
  const std::int64_t along[] = {0, 0, 0, 1};
  for (int kind : {0, 1, 2})
    for (float scale : {1.0f, 0.5f}) {
      softmax_form form;
      form.logarithm = logarithm;
      form.scale = scale;
      if (kind == 0) form.mask = const_view(added.data(), dtype::f32, x.shape, along);
      if (kind == 1) form.mask = const_view(truth.data(), dtype::boolean, x.shape, along);
      if (kind == 2) form.causal = true, form.offset = 35;  // queries 35 to 39
      tensor y = x, z = x, in_place = x;
      ASSERT_TRUE(softmax_fused(x, y, last, form, on(row)).ok());
      ASSERT_TRUE(softmax_fused(in_place, in_place, last, form, on(row)).ok());
      ASSERT_TRUE(softmax_fused(clean, z, last, form, on(row)).ok());
      EXPECT_TRUE(equal(y, z)) << row.name;
      EXPECT_TRUE(equal(in_place, z)) << row.name;
      for_each_row([&](auto b, auto h, auto q) {
        for (std::int64_t k = 40; k < n; ++k) ASSERT_EQ(y.at(b, h, q, k), logarithm ? -inf : 0.0f);
      });
    }
}

// Beyond 2^24 a float is not every integer: each distance is rounded by itself.
TEST(softmax_form, slopes_of_far_keys) {
  constexpr std::int64_t n = 100;
  const std::int64_t shape[] = {1, n}, one[] = {1, 1};
  const std::vector<float> zeros(n, 0.0f);
  for (const isa_info& row : usable_isas())
    for (const std::int64_t offset : {(std::int64_t{1} << 24) - 60, (std::int64_t{1} << 24) + 1,
                                      (std::int64_t{1} << 24) + 2, (std::int64_t{1} << 30) + 5, std::int64_t{-1} << 25})
      for (const float slope : {0.5f, -0.01f}) {
        std::vector<float> scores(n), got(n), expected(n);
        for (std::int64_t j = 0; j < n; ++j)
          scores[static_cast<std::size_t>(j)] = slope * static_cast<float>(j - offset);
        softmax_form form;
        form.slopes = const_view(&slope, dtype::f32, one), form.offset = offset;
        ASSERT_TRUE(softmax_fused(const_view(zeros.data(), dtype::f32, shape), view(got.data(), dtype::f32, shape), 1,
                                  form, on(row))
                        .ok());
        ASSERT_TRUE(
            softmax(const_view(scores.data(), dtype::f32, shape), view(expected.data(), dtype::f32, shape), 1, on(row))
                .ok());
        EXPECT_EQ(got, expected) << row.name << ' ' << offset << ' ' << slope;
      }
}

TEST(softmax_form, poison_under_a_mask_stays_there) {
  for (const isa_info& row : usable_isas())
    for (float poison : {static_cast<float>(NAN), inf, -inf})
      for (std::int64_t n : {50, 100, 700, 5000})
        for (bool logarithm : {false, true}) check_poison(row, n, poison, logarithm);
}

TEST(softmax_form, what_is_wrong_is_said_before_a_byte_is_written) {
  using enum status_code;
  tensor x(8, false, 1), y(8, false, -7);
  row_values rows;
  const auto expect = [&](status_code code, const char* mentions, const status& s) {
    EXPECT_EQ(s.code, code) << s.message;
    EXPECT_NE(std::string(s.message).find(mentions), std::string::npos) << s.message << " lacks " << mentions;
    for (float v : y.data) ASSERT_EQ(v, -7);
    for (float v : x.data) ASSERT_EQ(v, 1);
  };
  const auto refuse = [&](status_code code, const char* mentions, auto change) {
    softmax_form form;
    change(form);
    expect(code, mentions, softmax_fused(x, y, last, form));
    form.lse = rows;
    expect(code, mentions, softmax_partial(x, last, form));
  };
  refuse(invalid_argument, "scale", [](auto& f) { f.scale = NAN; });
  refuse(invalid_argument, "output_scale", [](auto& f) { f.output_scale = inf; });
  refuse(invalid_argument, "output_scale", [](auto& f) { f.logarithm = true, f.output_scale = 2; });
  refuse(invalid_argument, "softcap", [](auto& f) { f.softcap = -1; });
  refuse(invalid_argument, "window", [](auto& f) { f.causal = true, f.window = -1; });
  refuse(invalid_argument, "causal", [](auto& f) { f.window = 3; });
  refuse(shape_mismatch, "form.mask", [&](auto& f) { f.mask = rows; });
  refuse(shape_mismatch, "form.sinks", [&](auto& f) { f.sinks = x; });
  refuse(shape_mismatch, "form.slopes", [&](auto& f) { f.slopes = const_view(rows.data.data(), 30); });
  refuse(unsupported, "form.row_scale",
         [&](auto& f) { f.row_scale = const_view(rows.data.data(), dtype::boolean, rows.shape); });
  refuse(overlap, "form.max", [&](auto& f) { f.max = view(x.data.data(), dtype::f32, rows.shape); });
  refuse(overlap, "form.sum overlaps form.max", [&](auto& f) { f.max = rows, f.sum = rows; });
  refuse(invalid_argument, "form.max", [&](auto& f) { f.max = rows, f.max.where = memory::managed; });
  softmax_form form;
  form.lse = view(y.data.data(), dtype::f32, rows.shape);
  expect(overlap, "y overlaps form.lse", softmax_fused(x, y, last, form));
  form.lse = {};
  form.mask = y;
  expect(overlap, "y overlaps form.mask", softmax_fused(x, y, last, form));
  expect(invalid_argument, "nothing to do", softmax_partial(x, last, {}));
  expect(invalid_argument, "axis", softmax_fused(x, y, 4, {}));
  expect(invalid_argument, "no data", softmax_finish(x, y, last, {}));
  const view none(nullptr, dtype::f32, {0, 8}), no_rows(nullptr, dtype::f32, {0, 1});
  form = {};
  form.max = no_rows, form.sum = no_rows;
  EXPECT_TRUE(softmax_partial(none, 1, form).ok() && softmax_finish(none, none, 1, form).ok());
  expect(invalid_argument, "a tensor of rank 0 has no axis",
         softmax_partial(const_view(x.data.data(), dtype::f32, {}), 0, {}));
  form = {};
  form.max = rows, form.sum = rows;
  form.lse = rows;
  expect(invalid_argument, "form.lse", softmax_finish(x, y, last, form));
  form.lse = {};
  form.sinks = rows;
  expect(invalid_argument, "form.sinks", softmax_finish(x, y, last, form));
  for (dtype type : {dtype::boolean, dtype::i32})
    expect(unsupported, "must be f32", activate(activation::relu, const_view(x.data.data(), type, x.shape), y));
}

// A few columns in a later chunk of a long row, between columns that are filled: scores that wait must survive that.
TEST(softmax_form, a_window_beyond_the_first_chunk_in_16_bits) {
  for (const auto& [columns, offset, window] : {std::array{40000, 20700, 1500}, std::array{20000, 16700, 600}}) {
    const std::vector<float> x = logits(static_cast<std::size_t>(columns), 3, 1);
    const const_view in(x.data(), dtype::f32, {1, columns});
    const softmax_form form{.causal = true, .offset = offset, .window = window};
    std::vector<float> exact(x.size());
    std::vector<bfloat16> rounded(x.size()), narrow(x.size());
    ASSERT_TRUE(softmax_fused(in, view(exact.data(), dtype::f32, {1, columns}), 1, form).ok());
    ASSERT_TRUE(softmax_fused(in, view(narrow.data(), dtype::bf16, {1, columns}), 1, form).ok());
    ASSERT_TRUE(activate(activation::linear, const_view(exact.data(), columns), view(rounded.data(), columns)).ok());
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(narrow[i].bits, rounded[i].bits) << columns << " " << i;
  }
}

}  // namespace
}  // namespace sigmax_test
