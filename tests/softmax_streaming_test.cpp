// Rows of a softmax that leave while others are computed, in a form. Output beyond 32 MiB is streamed past the caches:
// the bits of the same rows in a small output, which is not; and those are the bits of each row alone.
#include <algorithm>
#include <cstring>
#include <random>

#include "harness.hpp"
#include "pools.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;

constexpr std::int64_t distinct = 67;  // rows, over and over: no tile size divides them

/// A form over `distinct` rows of n columns, and what its views point at. The last row has no score where there is a
/// mask.
struct streamed_form {
  std::int64_t n;
  bool sloped, masked, sunk, by_row;
  std::vector<float> x, mask, slopes, sinks, factors;
  std::vector<bfloat16> narrow;  ///< if not empty, x, which is rounded to it
  softmax_form form;

  streamed_form(std::int64_t columns, std::string_view terms) : n(columns) {
    const auto has = [&](std::string_view term) { return terms.find(term) != std::string_view::npos; };
    sloped = has("slopes"), masked = has("mask"), sunk = has("sinks"), by_row = has("rows");
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 3);
    for (std::int64_t i = 0; i < distinct * n; ++i) {
      x.push_back(normal(random) + (has("large") ? 0x1p17f : 0.0f));  // a maximum with numerators of its own
      const bool no_score = i >= (distinct - 1) * n || random() % 8 == 0;
      mask.push_back(no_score ? -INFINITY : normal(random));
      if (has("poison") && no_score && i / n % 23 == 9) x.back() = NAN;
    }
    if (has("nan")) x[static_cast<std::size_t>(3 * n + n / 2)] = std::bit_cast<float>(0x7fffffffu);  // adding 1 is -0
    for (std::size_t i = 0; i < x.size() && has("narrow"); ++i) {
      narrow.push_back({reference::bfloat16_format::encode(x[i])});
      x[i] = static_cast<float>(reference::bfloat16_format::decode(narrow[i].bits));
    }
    for (std::int64_t r = 0; r < distinct; ++r) {
      slopes.push_back(1.0f / static_cast<float>(r + 2));
      sinks.push_back(normal(random));
      factors.push_back(normal(random) / 4);
    }
    if (has("scale")) form.scale = has("negative") ? -0.3f : 0.3f;
    if (has("softcap")) form.softcap = 5;
    form.causal = has("causal");
    if (has("causal")) form.offset = has("early") ? -5 : n / 2 - 3;
    if (has("window")) form.window = n / 3;
  }

  /// `times` the `count` rows from `first` on, into y and lse, either of which may be null.
  status run(std::int64_t times, float* y, float* lse, const options& how, std::int64_t first = 0,
             std::int64_t count = distinct) {
    return run_to(times, y, dtype::f32, lse, how, first, count);
  }
  status run_to(std::int64_t times, void* y, dtype type, float* lse, const options& how, std::int64_t first = 0,
                std::int64_t count = distinct) {
    const std::int64_t shape[] = {times, count, n}, rows[] = {times, count, 1};
    const std::int64_t again[] = {0, n, 1}, one_a_row[] = {0, 1, 1};
    if (sloped) form.slopes = const_view(slopes.data() + first, dtype::f32, rows, one_a_row);
    if (masked) form.mask = const_view(mask.data() + first * n, dtype::f32, shape, again);
    if (sunk) form.sinks = const_view(sinks.data() + first, dtype::f32, rows, one_a_row);
    if (by_row) form.row_scale = const_view(factors.data() + first, dtype::f32, rows, one_a_row);
    form.lse = lse != nullptr ? view(lse, dtype::f32, rows) : view{};
    const const_view in = narrow.empty() || type == dtype::f32
                              ? const_view(x.data() + first * n, dtype::f32, shape, again)
                              : const_view(narrow.data() + first * n, dtype::bf16, shape, again);
    softmax_form from_there = form;
    from_there.offset += first;
    if (y == nullptr) return softmax_partial(in, 2, from_there, how);
    return softmax_fused(in, view(y, type, shape), 2, from_there, how);
  }
};

/// Whether n elements are the same, all bits or, of a few NaN, as `same` has it.
template <class T, class F>
bool equal(const T* a, const T* b, std::int64_t n, F same) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(T)) == 0 || std::equal(a, a + n, b, same);
}

/// Slices run from the last to the first, so that one sees what another writes behind its end.
void check(std::int64_t n, std::string_view terms) {
  constexpr float guard = 7;
  streamed_form f(n, terms);
  const std::int64_t times = (std::int64_t{9} << 20) / n / distinct + 1, count = distinct * n;
  std::vector<float> memory(static_cast<std::size_t>(times * count) + 80), one(static_cast<std::size_t>(count)),
      lse(static_cast<std::size_t>(times * distinct)), lse_of_one(distinct);
  float* const y = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64 / 4;
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers)
      for (const bool logarithm : {false, true}) {
        f.form.logarithm = logarithm;
        f.form.output_scale = logarithm ? 1.0f : 0.7f;
        std::fill(memory.begin(), memory.end(), guard);
        options how = on(row, tier);
        ASSERT_TRUE(f.run(1, one.data(), lse_of_one.data(), how).ok());
        for (how.slices = 3, how.slice = 2; how.slice >= 0; --how.slice) {
          const status s = f.run(times, y, lse.data(), how);
          ASSERT_TRUE(s.ok()) << s.message;
        }
        for (std::int64_t i = 0; i < times; ++i) {
          ASSERT_TRUE(equal(one.data(), y + i * count, count, same_bits))
              << row.name << " n " << n << " " << terms << " logarithm " << logarithm;
          ASSERT_TRUE(std::equal(lse_of_one.begin(), lse_of_one.end(), lse.begin() + i * distinct, same_bits));
        }
        ASSERT_TRUE(std::all_of(y + times * count, memory.data() + memory.size(), [](float v) { return v == guard; }));
      }
}

TEST(softmax_streaming, forms_have_the_same_bits) {
  for (std::int64_t n : {12000, 8192, 2048, 1000, 96})
    for (std::string_view terms :
         {"scale", "sinks", "mask", "scale mask", "poison mask", "poison scale mask causal", "large scale",
          "large causal", "scale softcap slopes mask sinks", "causal", "scale mask causal sinks", "mask causal window"})
      check(n, terms);
}

/// Results of 16 bits are those of f32, rounded: few of them, and more than are kept in a cache.
template <class T, class Format>
void check_rounded(std::int64_t n, std::string_view terms) {
  constexpr std::uint16_t guard = 0x1234;
  const auto same = [](std::uint16_t a, std::uint16_t b) {
    return a == b || (std::isnan(Format::decode(a)) && std::isnan(Format::decode(b)));
  };
  streamed_form f(n, terms);
  const std::int64_t times = (std::int64_t{17} << 20) / n / distinct + 1, count = distinct * n;
  std::vector<std::uint16_t> memory(static_cast<std::size_t>(times * count) + 40), expected;
  std::vector<float> exact(static_cast<std::size_t>(count));
  std::uint16_t* const y = memory.data() + 1;  // on no cache line
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers)
      for (const bool logarithm : {false, true}) {
        f.form.logarithm = logarithm;
        f.form.output_scale =
            terms.find("tiny") != terms.npos && !logarithm ? 0x1p-110f : 1.0f;  // bf16 has numbers for it
        ASSERT_TRUE(f.run(1, exact.data(), nullptr, on(row, tier)).ok());
        expected.clear();
        for (const float v : exact) expected.push_back(Format::encode(v));
        for (const std::int64_t repeated : {std::int64_t{1}, times}) {
          const auto written = memory.begin() + 1 + repeated * count, end = written + 39;
          std::fill(memory.begin(), end, guard);
          const status s = f.run_to(repeated, y, *dtype_of<T>, nullptr, on(row, tier));
          ASSERT_TRUE(s.ok()) << s.message;
          for (std::int64_t i = 0; i < repeated; ++i)
            ASSERT_TRUE(equal(expected.data(), y + i * count, count, same))
                << row.name << " n " << n << " " << terms << " logarithm " << logarithm << " of " << repeated;
          ASSERT_EQ(memory[0], guard);
          ASSERT_TRUE(std::all_of(written, end, [](std::uint16_t v) { return v == guard; }));
        }
        options shared = on(row, tier);  // each of these rows by threads, which take its last columns first
        shared.threads = backwards(3);
        for (const std::int64_t r : {0, 1, 9}) {
          ASSERT_TRUE(f.run_to(1, y + r * n, *dtype_of<T>, nullptr, shared, r, 1).ok());
          ASSERT_TRUE(std::equal(expected.begin() + r * n, expected.begin() + (r + 1) * n, y + r * n, same))
              << row.name << " n " << n << " " << terms << " logarithm " << logarithm << ", row " << r << " shared";
        }
        if (std::is_same_v<T, bfloat16> && terms == "narrow") {
          std::memcpy(y, f.narrow.data(), f.narrow.size() * sizeof(T));
          const std::int64_t shape[] = {distinct, n};
          ASSERT_TRUE(
              softmax_fused(const_view(y, dtype::bf16, shape), view(y, dtype::bf16, shape), 1, f.form, on(row, tier))
                  .ok());
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), y, same))
              << row.name << " n " << n << " logarithm " << logarithm << " in place";
        }
      }
}

TEST(softmax_streaming, rows_of_16_bits_are_those_of_f32_rounded) {
  const auto both = [](std::int64_t n, std::string_view terms) {
    check_rounded<float16, reference::float16_format>(n, terms);
    check_rounded<bfloat16, reference::bfloat16_format>(n, terms);
  };
  for (std::int64_t n : {20001, 4096, 1000, 77})
    for (std::string_view terms : {"nan tiny", "narrow", "narrow scale mask causal", "large poison mask sinks"})
      both(n, terms);
  both(40000, "narrow mask causal window");  // longer than what is kept
}

// Shorter than what comes before the first cache line of a row, in some.
TEST(softmax_streaming, short_rows_write_nothing_behind_their_ends) {
  for (std::int64_t n : {5, 20, 45}) check(n, "scale");
}

// In a cache, in place and not.
TEST(softmax_streaming, rows_together_have_the_bits_of_each_alone) {
  for (std::int64_t n : {17000, 4096, 1000, 256})
    for (std::string_view terms :
         {"", "scale", "negative scale", "rows", "large", "mask", "poison mask", "poison scale mask rows",
          "large scale mask sinks", "causal", "early causal", "poison mask causal", "scale mask causal sinks"}) {
      streamed_form f(n, terms);
      const std::vector<float> x = f.x;
      std::vector<float> y(x.size() + 1, 7), alone(x.size()), lse(distinct), lse_alone(distinct), only(distinct);
      for (const isa_info& row : usable_isas())
        for (const sigmax::accuracy tier : tiers)
          for (const bool logarithm : {false, true})
            for (const bool told : {false, true}) {
              f.form.logarithm = logarithm;
              ASSERT_TRUE(f.run(1, y.data(), told ? lse.data() : nullptr, on(row, tier)).ok());
              for (std::int64_t r = 0; r < distinct; ++r)
                ASSERT_TRUE(
                    f.run(1, alone.data() + r * n, told ? lse_alone.data() + r : nullptr, on(row, tier), r, 1).ok());
              ASSERT_TRUE(std::equal(alone.begin(), alone.end(), y.begin(), same_bits))
                  << row.name << " n " << n << " " << terms << " logarithm " << logarithm;
              ASSERT_TRUE(std::equal(lse.begin(), lse.end(), lse_alone.begin(), same_bits)) << row.name << " n " << n;
              ASSERT_EQ(y.back(), 7);
              if (told && !logarithm) {
                ASSERT_TRUE(f.run(1, nullptr, only.data(), on(row, tier)).ok());
                ASSERT_TRUE(std::equal(only.begin(), only.end(), lse.begin(), same_bits)) << row.name << " n " << n;
              }
              ASSERT_TRUE(f.run(1, f.x.data(), told ? lse.data() : nullptr, on(row, tier)).ok());
              ASSERT_TRUE(std::equal(alone.begin(), alone.end(), f.x.begin(), same_bits))
                  << row.name << " n " << n << " " << terms << " in place";
              f.x = x;
            }
    }
}

}  // namespace
}  // namespace sigmax_test
