// softmax and log_softmax: accuracy, edge rows, axes, dtypes, and the same bits however the work is cut.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "harness.hpp"
#include "pools.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;

using function = status (*)(const const_view&, const view&, int, const options&) noexcept;

std::vector<float> rows_of(function f, const std::vector<float>& x, std::int64_t columns, const options& how) {
  std::vector<float> y(x.size());
  const std::int64_t shape[] = {std::ssize(x) / columns, columns};
  const status s = f(const_view(x.data(), dtype::f32, shape), view(y.data(), dtype::f32, shape), 1, how);
  EXPECT_TRUE(s.ok()) << s.message;
  return y;
}

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_bits);
}

void check_accuracy(sigmax::accuracy tier) {
  const bool fast = tier == sigmax::accuracy::fast;
  // Next to 0 (a dominating maximum) log_softmax is as good as the sum: absolute there.
  const double absolute = fast ? 0x1p-22 : 0x1p-46;
  std::vector<std::size_t> lengths{1000, 1024, 4096, 8193, 100003};
  for (std::size_t n = 1; n <= 300; n += n < 70 ? 1 : 23) lengths.push_back(n);
  for (const isa_info& row : usable_isas()) {
    double worst = 0, worst_log = 0, worst_sum = 0;
    for (std::size_t n : lengths)
      for (unsigned seed = 0; seed < (n < 2000 ? 20u : 2u); ++seed) {
        const std::vector<float> x = logits(n, seed % 2 ? 30.0f : 3.0f, seed);
        const auto exact = reference::softmax(x);
        const options how = on(row, tier);
        const float max = *std::max_element(x.begin(), x.end());
        const auto y = rows_of(sigmax::softmax, x, std::ssize(x), how), l = rows_of(log_softmax, x, std::ssize(x), how);
        long double sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
          sum += y[i];
          // The fast form takes one part of ln 2.
          const double uncorrected = fast ? static_cast<double>(max - x[i]) / 16 : 0;
          if (exact.probability[i] >= 0x1p-126L)
            worst = std::max(worst, reference::ulp_error(y[i], exact.probability[i]) - uncorrected);
          const double error = reference::ulp_error(l[i], exact.logarithm[i]);
          const bool near_zero = fast || exact.logarithm[i] >= -0x1p-22L;
          if (!near_zero || !(std::fabs(l[i] - exact.logarithm[i]) <= absolute)) worst_log = std::max(worst_log, error);
        }
        worst_sum = std::max(worst_sum, static_cast<double>(std::fabs(sum - 1)));
      }
    std::printf("  %-7s softmax %.3g ULP, log_softmax %.3g ULP, |sum - 1| %.3g\n", row.name, worst, worst_log,
                worst_sum);
    EXPECT_LE(worst, (fast ? 3.5 : 2.5) + (row.fma ? 0 : 1)) << row.name;
    EXPECT_LE(worst_log, fast ? 2 : 1.5) << row.name;
    EXPECT_LE(worst_sum, fast ? 0x1p-21 : 0x1p-22) << row.name;
  }
}

TEST(softmax, accuracy) { check_accuracy(sigmax::accuracy::high); }
TEST(softmax, accuracy_fast) { check_accuracy(sigmax::accuracy::fast); }

/// Rows of two and three elements, where nothing averages out, by themselves and where a longer row's lanes meet.
TEST(softmax, accuracy_of_pairs) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> unit(0, 1);
  double worst = 0, worst_log = 0, worst_fast = 0, worst_far = 0, worst_log_far = 0;
  for (int i = 0; i < 200000; ++i) {
    const std::size_t n = 2 + random() % 2;
    const float middle = std::pow(10.0f, unit(random) * 9 - 2) * (i % 2 ? 1.0f : -1.0f), width = 10 * unit(random);
    std::vector<float> x(n);
    for (float& v : x) v = (i % 3 ? middle : 0.0f) + width * (2 * unit(random) - 1);
    const auto exact = reference::softmax(x);
    const float max = *std::max_element(x.begin(), x.end());
    const auto y = rows_of(sigmax::softmax, x, std::ssize(x), {}), l = rows_of(log_softmax, x, std::ssize(x), {}),
               fast = rows_of(sigmax::softmax, x, std::ssize(x), with(sigmax::accuracy::fast));
    std::vector<float> apart(96, -INFINITY);
    for (std::size_t j = 0; j < n; ++j) apart[32 * j] = x[j];
    const auto far = rows_of(sigmax::softmax, apart, std::ssize(apart), with(sigmax::accuracy::fast)),
               log_far = rows_of(log_softmax, apart, std::ssize(apart), with(sigmax::accuracy::fast));
    for (std::size_t j = 0; j < n; ++j) {
      const double below = static_cast<double>(max - x[j]) / 16;
      worst_far = std::max(worst_far, reference::ulp_error(far[32 * j], exact.probability[j]) - below);
      const double log_error = reference::ulp_error(log_far[32 * j], exact.logarithm[j]);
      if (exact.logarithm[j] <= -1)  // where 2 ULP are no less than 2^-22
        worst_log_far = std::max(worst_log_far, log_error);
      else
        EXPECT_LE(std::fabs(log_far[32 * j] - exact.logarithm[j]), 0x1p-22L);
      worst = std::max(worst, reference::ulp_error(y[j], exact.probability[j]));
      if (exact.logarithm[j] < -0x1p-22L)
        worst_log = std::max(worst_log, reference::ulp_error(l[j], exact.logarithm[j]));
      worst_fast = std::max(worst_fast, reference::ulp_error(fast[j], exact.probability[j]) - below);
    }
  }
  std::printf(
      "  softmax %.3f ULP, log_softmax %.3f, fast %.3f + |x - max| / 16, longer %.3f + |x - max| / 16, log_softmax "
      "%.3f\n",
      worst, worst_log, worst_fast, worst_far, worst_log_far);
  if (!usable_isas().front().fma) GTEST_SKIP() << "the bounds are those of rows with FMA";
  EXPECT_LE(worst, 2.5);
  EXPECT_LE(worst_log, 1.75);
  EXPECT_LE(worst_fast, 5);
  EXPECT_LE(worst_far, 5);
  EXPECT_LE(worst_log_far, 2.5);
}

/// The others' numerators are all that the maximum's logarithm has, down to the smallest. Rows up to a chunk's part.
TEST(softmax, next_to_a_dominating_maximum) {
  std::mt19937 random(9);
  std::uniform_real_distribution<float> level(-50, 50);
  for (const isa_info& row : usable_isas()) {
    double worst = 0, worst_tiny = 0;
    for (std::size_t n : {3u, 40u, 100u, 1000u, 16384u, 40000u})
      for (int i = 0; i < 40; ++i) {
        const double share = std::scalbn(1.0, -11 - i);
        std::normal_distribution<double> below(std::log(share / static_cast<double>(n)), 1);
        std::vector<float> x(n);
        const float max = level(random);
        for (float& v : x) v = max + static_cast<float>(std::min(below(random), -1.0));
        const std::size_t at = random() % n;
        x[at] = max;
        const long double exact = reference::softmax(x).logarithm[at];
        const float got = rows_of(log_softmax, x, std::ssize(x), on(row))[at];
        if (exact < -0x1p-22L)
          worst = std::max(worst, reference::ulp_error(got, exact));
        else
          worst_tiny = std::max(worst_tiny, std::fabs(static_cast<double>(got - exact)));
      }
    std::printf("  %-7s %.3f ULP, above -2^-22 %.3g\n", row.name, worst, worst_tiny);
    EXPECT_LE(worst, row.fma ? 3 : 4) << row.name;
    EXPECT_LE(worst_tiny, 0x1p-45) << row.name;
  }
}

void check_edge_rows(sigmax::accuracy tier) {
  const float inf = INFINITY, big = 0x1.fffffep127f;
  for (const isa_info& row : usable_isas())
    for (std::size_t n : {1u, 2u, 5u, 64u, 67u, 1000u}) {
      const auto both = [&](const std::vector<float>& x, auto check) {
        check(rows_of(sigmax::softmax, x, std::ssize(x), on(row, tier)), false);
        check(rows_of(log_softmax, x, std::ssize(x), on(row, tier)), true);
      };
      for (float level : {0.0f, 1e4f, -1e4f, big, -big, 1e-40f})
        both(std::vector<float>(n, level), [&](const auto& y, bool log) {
          const double want = log ? -std::log(static_cast<double>(n)) : 1.0 / static_cast<double>(n);
          for (float v : y) EXPECT_EQ(v, static_cast<float>(want)) << row.name << " flat " << level << " of " << n;
        });
      std::vector<float> x(n, -inf);
      both(x, [&](const auto& y, bool) {
        for (float v : y) EXPECT_TRUE(std::isnan(v)) << row.name << " all -inf";
      });
      x[n / 2] = 3;
      both(x, [&](const auto& y, bool log) {
        for (std::size_t i = 0; i < n; ++i)
          EXPECT_EQ(y[i], i == n / 2 ? (log ? 0.0f : 1.0f) : (log ? -inf : 0.0f)) << row.name << " one finite";
      });
      x.assign(n, -big);
      x[0] = big;
      both(x, [&](const auto& y, bool log) {
        EXPECT_EQ(y[0], log ? 0.0f : 1.0f);
        for (std::size_t i = 1; i < n; ++i) EXPECT_EQ(y[i], log ? -inf : 0.0f) << row.name << " extremes";
      });
      for (float poison : {inf, static_cast<float>(NAN)})
        for (std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
          x.assign(n, 1.0f);
          x[at] = poison;
          both(x, [&](const auto& y, bool) {
            for (float v : y) EXPECT_TRUE(std::isnan(v)) << row.name << " poisoned";
          });
        }
    }
}

TEST(softmax, edge_rows) {
  for (const sigmax::accuracy tier : tiers) check_edge_rows(tier);
}

TEST(softmax, a_poisoned_row_leaves_its_neighbours_alone) {
  std::vector<float> x = logits(3 * 100, 3, 1), clean = x;
  for (int i = 100; i < 200; ++i) x[static_cast<std::size_t>(i)] = NAN;
  const auto a = rows_of(sigmax::softmax, x, 100, {}), b = rows_of(sigmax::softmax, clean, 100, {});
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 100, b.begin()));
  EXPECT_TRUE(std::equal(a.begin() + 200, a.end(), b.begin() + 200));
}

void check_every_axis(sigmax::accuracy tier) {
  for (const isa_info& row : usable_isas())
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{37}, {5, 70}, {3, 600, 20}, {2, 3, 5, 33}, {4, 1, 9}, {2, 1100, 3}})
      for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis)
        for (function f : {function{sigmax::softmax}, function{log_softmax}}) {
          std::int64_t count = 1, inner = 1;
          for (auto extent : shape) count *= extent;
          for (std::size_t d = static_cast<std::size_t>(axis) + 1; d < shape.size(); ++d) inner *= shape[d];
          const std::int64_t n = shape[static_cast<std::size_t>(axis)];
          const std::vector<float> x = logits(static_cast<std::size_t>(count), 3, 7);
          std::vector<float> y(x.size());
          ASSERT_TRUE(f(const_view(x.data(), dtype::f32, shape), view(y.data(), dtype::f32, shape),
                        axis - (axis % 2 ? static_cast<int>(shape.size()) : 0), on(row, tier))
                          .ok());
          for (std::int64_t outer = 0; outer < count / (n * inner); ++outer)
            for (std::int64_t i = 0; i < inner; ++i) {
              std::vector<float> line, got;
              for (std::int64_t k = 0; k < n; ++k) {
                const auto at = static_cast<std::size_t>((outer * n + k) * inner + i);
                line.push_back(x[at]);
                got.push_back(y[at]);
              }
              ASSERT_TRUE(equal(got, rows_of(f, line, n, on(row, tier)))) << row.name << " axis " << axis;
            }
        }
}

TEST(softmax, every_axis_equals_the_copied_row) {
  for (const sigmax::accuracy tier : tiers) check_every_axis(tier);
}

template <class T, class Format>
void check_16_bits(const isa_info& row, std::int64_t n, float middle) {
  std::vector<float> x = logits(static_cast<std::size_t>(3 * n), 3, 5);
  for (float& v : x) v += middle;
  std::vector<T> h(x.size()), y(x.size());
  std::vector<float> widened(x.size()), wide(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    h[i].bits = Format::encode(x[i]);
    widened[i] = static_cast<float>(Format::decode(h[i].bits));
  }
  const std::int64_t shape[] = {3, n};
  const options how = on(row);
  ASSERT_TRUE(
      sigmax::softmax(const_view(h.data(), *dtype_of<T>, shape), view(y.data(), *dtype_of<T>, shape), -1, how).ok());
  wide = rows_of(sigmax::softmax, widened, n, how);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i].bits, Format::encode(wide[i])) << row.name;
  // f32 result of 16-bit logits, and in place
  std::vector<float> direct(x.size());
  ASSERT_TRUE(
      sigmax::softmax(const_view(h.data(), *dtype_of<T>, shape), view(direct.data(), dtype::f32, shape), -1, how).ok());
  ASSERT_TRUE(equal(direct, wide));
  ASSERT_TRUE(
      sigmax::softmax(const_view(h.data(), *dtype_of<T>, shape), view(h.data(), *dtype_of<T>, shape), -1, how).ok());
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i].bits, h[i].bits);
}
TEST(softmax, sixteen_bits_are_the_f32_result_rounded) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {1, 33, 512, 700, 9001})
      for (float middle : {0.0f, -300.0f}) {  // far below 0, which a row's end in a vector must not be taken for
        check_16_bits<float16, reference::float16_format>(row, n, middle);
        check_16_bits<bfloat16, reference::bfloat16_format>(row, n, middle);
      }
}

void check_same_bits(sigmax::accuracy tier) {
  for (function f : {function{sigmax::softmax}, function{log_softmax}})
    for (std::int64_t n : {1, 63, 64, 65, 511, 512, 513, 5000, 300000}) {
      const std::int64_t count = n > 10000 ? 3 : 37;
      const std::vector<float> x = logits(static_cast<std::size_t>(count * n), 3, 3);
      const std::vector<float> expected = rows_of(f, x, n, on(usable_isas().front(), tier));
      for (const isa_info& row : usable_isas()) {
        if (row.fma) {
          EXPECT_TRUE(equal(rows_of(f, x, n, on(row, tier)), expected)) << row.name << " n " << n;
        }
      }
      for (int threads : {1, 2, 3, 8}) {
        options how = with(tier);
        how.threads = threads_of(threads);
        EXPECT_TRUE(equal(rows_of(f, x, n, how), expected)) << threads << " threads, n " << n;
        how.threads = backwards(threads);
        EXPECT_TRUE(equal(rows_of(f, x, n, how), expected));
        std::vector<float> y(x.size());
        const std::int64_t shape[] = {count, n};
        for (how.slices = threads, how.slice = threads - 1; how.slice >= 0; --how.slice)
          ASSERT_TRUE(f(const_view(x.data(), dtype::f32, shape), view(y.data(), dtype::f32, shape), 1, how).ok());
        EXPECT_TRUE(equal(y, expected)) << threads << " slices, n " << n;
      }
      const std::vector<float> last(x.end() - n, x.end());
      EXPECT_TRUE(equal(rows_of(f, last, n, with(tier)), std::vector<float>(expected.end() - n, expected.end())))
          << "alone, n " << n;
      std::vector<float> z = x;
      const std::int64_t shape[] = {count, n};
      ASSERT_TRUE(f(const_view(z.data(), dtype::f32, shape), view(z.data(), dtype::f32, shape), 1, with(tier)).ok());
      EXPECT_TRUE(equal(z, expected)) << "in place, n " << n;
    }
}

TEST(softmax, same_bits_for_every_isa_pool_slice_and_position) {
  for (const sigmax::accuracy tier : tiers) check_same_bits(tier);
}

// Beyond 32 MiB outputs are streamed. Rows leave while the next ones are computed, by vectors of fewer than 16 lanes
// only those that fill whole cache lines; others of more than 8192 columns wait in y if that is less than a quarter of
// the cache, and are computed twice if it is more. The bits stay.
TEST(softmax, streamed_rows_have_the_same_bits) {
  for (std::int64_t n : {3 << 20, 20001, 20000, 8192, 1024, 1000, 128, 100, 64}) {
    // Distinct rows, over and over: a row that took its neighbour's place would show.
    const std::int64_t rows = n > 100000 ? 4 : 19, count = (std::int64_t{12} << 20) / n / rows,
                       shape[] = {count, rows, n};
    const std::vector<float> x = logits(static_cast<std::size_t>(rows * n), 3, 9);
    std::vector<float> memory(static_cast<std::size_t>(count) * x.size() + 16);
    float* const y = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64 / 4;
    const std::int64_t repeat[] = {0, n, 1};
    const const_view in(x.data(), dtype::f32, shape, repeat);
    explanation e;
    ASSERT_TRUE(explain_softmax(in, view(y, dtype::f32, shape), 2, {}, e).ok());
    const auto isas = cpu_isas();
    const auto used = std::ranges::find(isas, std::string_view(e.isa), &isa_info::name);
    EXPECT_EQ(e.streaming, n != 20001 || used->lanes >= 16) << "n " << n;
    for (const isa_info& row : usable_isas())
      for (const sigmax::accuracy tier : tiers)
        for (function f : {function{sigmax::softmax}, function{log_softmax}}) {
          std::fill(memory.begin(), memory.end(), 7.0f);
          options how = on(row, tier);
          for (how.slices = 3, how.slice = 0; how.slice < how.slices; ++how.slice)
            ASSERT_TRUE(f(in, view(y, dtype::f32, shape), 2, how).ok());
          const std::vector<float> expected = rows_of(f, x, n, on(row, tier));
          for (std::int64_t i = 0; i < count; ++i)
            ASSERT_TRUE(std::equal(expected.begin(), expected.end(), y + i * rows * n)) << row.name << " n " << n;
        }
  }
}

/// Fewer rows than go side by side, and more; numerators down to 2^-149 and below.
TEST(softmax, subnormal_results_have_the_same_bits_in_every_batch) {
  std::vector<float> x;
  for (int r = 0; r < 16; ++r)
    for (int i = 0; i < 20; ++i)
      x.push_back(i == r ? 0.0f : -86.0f - static_cast<float>(i) - static_cast<float>(r) / 7);
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers) {
      const auto all = rows_of(sigmax::softmax, x, 20, on(row, tier));
      for (std::size_t r = 0; r < 16; ++r) {
        const std::vector<float> one(x.begin() + std::ptrdiff_t(20 * r), x.begin() + std::ptrdiff_t(20 * r + 20));
        const auto y = rows_of(sigmax::softmax, one, 20, on(row, tier));
        EXPECT_TRUE(std::equal(y.begin(), y.end(), all.begin() + std::ptrdiff_t(20 * r), same_bits)) << row.name;
      }
    }
}

/// x + 64 is exact here. Numerators are not those of x - max, and so may differ in their last bits.
TEST(softmax, shifted_rows_have_the_same_results) {
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers)
      for (std::int64_t n : {7, 64, 1000, 20000}) {
        std::vector<float> x = logits(static_cast<std::size_t>(n), 3, 4), shifted;
        for (float& v : x) v = std::round(v * 1024) / 1024;
        for (float v : x) shifted.push_back(v + 64);
        for (function f : {function{sigmax::softmax}, function{log_softmax}}) {
          const std::vector<float> y = rows_of(f, x, n, on(row, tier)), z = rows_of(f, shifted, n, on(row, tier));
          double worst = 0;
          for (std::size_t i = 0; i < y.size(); ++i)
            worst = std::max(worst, reference::ulp_error(z[i], static_cast<double>(y[i])));
          EXPECT_LE(worst, tier == sigmax::accuracy::fast ? 5 : 3) << row.name << n;
        }
      }
}

// Another order is another order of additions, which are good to 2^-46: now and then a result rounds the other way.
TEST(softmax, permuted_rows_are_permuted_within_one_ulp) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {7, 64, 1000, 20000}) {
      const std::vector<float> x = logits(static_cast<std::size_t>(n), 3, 5);
      const std::vector<float> backwards(x.rbegin(), x.rend());
      std::vector<float> y = rows_of(sigmax::softmax, x, n, on(row)),
                         z = rows_of(sigmax::softmax, backwards, n, on(row));
      std::ranges::reverse(z);
      std::int64_t differing = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        differing += y[i] != z[i];
        ASSERT_TRUE(y[i] == z[i] || std::nextafter(y[i], z[i]) == z[i]) << row.name << " n " << n << " at " << i;
      }
      EXPECT_LE(differing, 1 + n / 1000) << row.name << " n " << n;
    }
}

// 2^31 elements and more, in little memory: one element over and over, and elements 2 GiB apart on untouched pages.
TEST(softmax, indices_beyond_2_to_the_31) {
  const std::int64_t n = (std::int64_t{1} << 31) + 12345, none[] = {0}, shape[] = {n};
  const float one = 1.5f;
  float lse = 0;
  softmax_form form;
  form.lse = view(&lse, 1);
  ASSERT_TRUE(softmax_partial(const_view(&one, dtype::f32, shape, none), 0, form).ok());
  EXPECT_NEAR(lse, 1.5 + std::log(static_cast<double>(n)), 2e-6);

  const std::int64_t far = std::int64_t{1} << 29, cells[] = {3, 5}, rows_near[] = {1, far}, rows_far[] = {far + 1, 1};
  const std::size_t bytes = static_cast<std::size_t>(5 * far) * sizeof(float);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "10 GiB of address space are not to be had";
  auto* const cell = static_cast<float*>(memory);
  for (const std::int64_t* strides : {rows_near, rows_far}) {
    const view there(cell, dtype::f32, cells, std::span(strides, 2));
    const std::vector<float> x = logits(15, 3, 6);
    std::vector<float> y(15);
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t i = 0; i < 5; ++i)
        cell[r * strides[0] + i * strides[1]] = x[static_cast<std::size_t>(5 * r + i)];
    ASSERT_TRUE(sigmax::softmax(there, there, 1).ok());
    ASSERT_TRUE(sigmax::softmax(const_view(x.data(), dtype::f32, cells), view(y.data(), dtype::f32, cells), 1).ok());
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t i = 0; i < 5; ++i)
        EXPECT_EQ(cell[r * strides[0] + i * strides[1]], y[static_cast<std::size_t>(5 * r + i)]);
  }
  munmap(memory, bytes);
}

}  // namespace
}  // namespace sigmax_test
