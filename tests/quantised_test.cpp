// 8-bit results: every code against a search through all of them (quantised_reference.hpp), applied to the f32 results
// of the same call without quantisation, which other tests hold against the oracle.
#include "quantised_reference.hpp"

#include "golden.hpp"
#include "harness.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

using sigmax_reference::code_of;
using sigmax_reference::quantised_types;
using bytes = std::vector<std::uint8_t>;

std::string name_of(dtype type) { return type == dtype::i8 ? "i8" : type == dtype::f8_e4m3 ? "f8_e4m3" : "f8_e5m2"; }

/// What quantisation makes of f32 results, row by row; `scales` has one or one a row.
bytes quantised(dtype type, const std::vector<float>& y, std::int64_t columns, const std::vector<float>& scales) {
  bytes codes(y.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    codes[i] = code_of(type, y[i] / scales[scales.size() == 1 ? 0 : i / static_cast<std::size_t>(columns)]);
  return codes;
}
std::vector<float> largest_of_rows(const std::vector<float>& y, std::int64_t columns) {
  std::vector<float> amax(y.size() / static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < y.size(); ++i) {
    float& largest = amax[i / static_cast<std::size_t>(columns)];
    if (std::isfinite(y[i])) largest = std::max(largest, std::fabs(y[i]));
  }
  return amax;
}
std::vector<float> scales_of(dtype type, const std::vector<float>& amax) {
  std::vector<float> scales;
  for (const float v : amax) scales.push_back(sigmax_reference::row_scale(type, v));
  return scales;
}

/// Calls run(y, codes) with a given scale, then a scale for each row, and compares with the f32 results.
template <class Run>
void check(dtype type, const std::vector<float>& exact, std::int64_t columns, Run run, const std::string& what) {
  const std::int64_t rows = std::ssize(exact) / columns;
  const auto each = [&](std::vector<float>& v) { return view(v.data(), dtype::f32, {rows, 1}); };
  const std::vector<float> amax = largest_of_rows(exact, columns), scales = scales_of(type, amax);
  for (const bool by_rows : {false, true})
    for (const bool measured : {false, true}) {
      bytes got(exact.size(), 0xaa);
      std::vector<float> got_scales(amax.size()), got_amax(amax.size());
      quantisation codes{.scale = by_rows ? 1 : 0.013f};
      if (by_rows) codes.row_scales = each(got_scales);
      if (measured) codes.amax = each(got_amax);
      const status s = run(view(got.data(), type, {rows, columns}), codes);
      ASSERT_TRUE(s.ok()) << s.message;
      const std::string where = what + " " + name_of(type) + (by_rows ? " by rows" : "") + (measured ? " amax" : "");
      ASSERT_EQ(got, quantised(type, exact, columns, by_rows ? scales : std::vector{codes.scale})) << where;
      ASSERT_EQ(got_scales, by_rows ? scales : std::vector<float>(scales.size())) << where;
      ASSERT_EQ(got_amax, measured ? amax : std::vector<float>(amax.size())) << where;
    }
}

// linear is the identity: what is left is the conversion.
bytes converted(dtype type, const const_view& x, float scale, const options& how) {
  bytes codes(static_cast<std::size_t>(x.shape[0]));
  const status s =
      activate_quantised(activation::linear, x, view(codes.data(), type, {x.shape[0]}), 0, {.scale = scale}, how);
  EXPECT_TRUE(s.ok()) << s.message;
  return codes;
}

TEST(quantised, all_16_bit_inputs) {
  std::vector<float16> x(65536);
  for (std::size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<std::uint16_t>(i);
  std::vector<float> exact(x.size());
  ASSERT_TRUE(activate(activation::linear, const_view(x.data(), 65536), view(exact.data(), 65536)).ok());
  for (const dtype type : quantised_types)
    for (const float scale : {1.0f, 0.00731f, 0x1p-126f}) {
      const bytes wanted = quantised(type, exact, 1, {scale});
      for (const isa_info& row : usable_isas())
        ASSERT_EQ(converted(type, const_view(x.data(), 65536), scale, on(row)), wanted)
            << row.name << " " << name_of(type) << " " << scale;
    }
}

TEST(quantised, middles_between_codes_and_their_neighbours) {
  for (const dtype type : quantised_types) {
    std::vector<float> x;
    for (int code = 0; code < 256; ++code)
      for (int next = 0; next < 256; ++next) {
        const auto middle =
            static_cast<float>((sigmax_reference::number_of(type, code) + sigmax_reference::number_of(type, next)) / 2);
        if (std::abs(code - next) > 1 || std::isnan(middle)) continue;
        x.insert(x.end(), {middle, std::nextafter(middle, INFINITY), std::nextafter(middle, -INFINITY)});
      }
    const float top = sigmax_reference::largest_number(type);
    for (const float beyond :
         {top * 1.01f, top * 1.0357143f, top * 1.0714286f, top * 1.125f, top * 1e9f, 127.5f, 128.5f})
      x.insert(x.end(), {beyond, -beyond});
    x.insert(x.end(), {INFINITY, -INFINITY, NAN, -NAN, 0.0f, -0.0f, 1e-45f, -1e-45f, 3.4e38f, -3.4e38f});
    for (const float scale : {1.0f, 0x1p-20f, 0x1p20f}) {
      std::vector<float> scaled;
      for (const float v : x) scaled.push_back(v * scale);
      for (const isa_info& row : usable_isas())
        ASSERT_EQ(converted(type, const_view(scaled.data(), std::ssize(scaled)), scale, on(row)),
                  quantised(type, scaled, 1, {scale}))
            << row.name << " " << name_of(type) << " " << scale;
    }
  }
}

TEST(quantised, the_largest_numbers) {
  for (const dtype type : quantised_types) {
    double largest = 0;
    for (int code = 0; code < 256; ++code) {
      const double number = sigmax_reference::number_of(type, code);
      if (std::isfinite(number)) largest = std::fmax(largest, number);
    }
    EXPECT_EQ(static_cast<float>(largest), sigmax_reference::largest_number(type));
  }
}

// By numbers, not by the oracle: what a reader of the formats expects.
TEST(quantised, special_values) {
  const std::vector<float> x{1,     448,     449,      1e9f,       INFINITY, -INFINITY, NAN,   0,
                             -0.0f, 0x1p-9f, 0x1p-10f, 0x1.8p-10f, 0.5f,     1.5f,      -2.5f, -1e9f};
  const const_view in(x.data(), std::ssize(x));
  EXPECT_EQ(converted(dtype::f8_e4m3, in, 1, {}),
            (bytes{0x38, 0x7e, 0x7e, 0x7e, 0x7e, 0xfe, 0x7f, 0, 0x80, 1, 0, 1, 0x30, 0x3c, 0xc2, 0xfe}));
  EXPECT_EQ(converted(dtype::f8_e5m2, in, 1, {}),
            (bytes{0x3c, 0x5f, 0x5f, 0x7b, 0x7b, 0xfb, 0x7f, 0, 0x80, 0x18, 0x14, 0x16, 0x38, 0x3e, 0xc1, 0xfb}));
  EXPECT_EQ(converted(dtype::i8, in, 1, {}), (bytes{1, 127, 127, 127, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 2, 0xfe, 0x80}));
}

/// Numbers with a few that are none.
std::vector<float> inputs(std::int64_t n, unsigned seed) {
  std::vector<float> x = logits(static_cast<std::size_t>(n), 3, seed);
  for (std::size_t i = 50; i < x.size(); i += 997) x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
  return x;
}

class each_quantised_gate : public testing::TestWithParam<gate> {};
TEST_P(each_quantised_gate, as_f32_and_then_quantised) {
  const gate op = GetParam();
  for (const std::int64_t columns : {1, 100, 1025, 16385}) {
    const std::int64_t rows = columns > 2000 ? 1 : 3;
    const std::vector<float> a = inputs(rows * columns, 1), b = inputs(rows * columns, 2);
    const const_view in_a(a.data(), dtype::f32, {rows, columns}), in_b(b.data(), dtype::f32, {rows, columns});
    for (const isa_info& row : usable_isas())
      for (const accuracy tier : tiers) {
        if (tier == accuracy::fast && columns != 1025) continue;
        std::vector<float> exact(a.size());
        const options how = on(row, tier);
        ASSERT_TRUE(activate_gated(op, in_a, in_b, view(exact.data(), dtype::f32, {rows, columns}), how).ok());
        for (const dtype type : quantised_types)
          check(
              type, exact, columns,
              [&](const view& y, const quantisation& codes) {
                return activate_gated_quantised(op, in_a, in_b, y, 1, codes, how);
              },
              row.name);
      }
  }
}
INSTANTIATE_TEST_SUITE_P(all, each_quantised_gate, testing::ValuesIn(all_gates().begin(), all_gates().end()),
                         [](const auto& p) { return std::string(describe(p.param).name); });

TEST(quantised, every_activation) {
  const std::int64_t rows = 3, columns = 700;
  const std::vector<float> x = inputs(rows * columns, 3);
  const const_view in(x.data(), dtype::f32, {rows, columns});
  for (const activation op : all_activations()) {
    std::vector<float> exact(x.size());
    ASSERT_TRUE(activate(op, in, view(exact.data(), dtype::f32, {rows, columns})).ok());
    for (const dtype type : quantised_types)
      check(
          type, exact, columns,
          [&](const view& y, const quantisation& codes) { return activate_quantised(op, in, y, -1, codes); },
          std::string(describe(op).name));
  }
}

// 16-bit inputs, packed and interleaved halves, a transposed output with gaps, scales with gaps.
TEST(quantised, layouts) {
  constexpr std::int64_t rows = 6, columns = 300;
  const auto at = [](std::int64_t r, std::int64_t c) { return static_cast<std::size_t>(r * columns + c); };
  for (const gate_layout layout : {gate_layout::halves, gate_layout::swapped_halves, gate_layout::interleaved})
    for (const dtype in : {dtype::f32, dtype::f16, dtype::bf16}) {
      const std::vector<float> x = inputs(rows * 2 * columns, 4);
      std::vector<float> storage(x.size());
      const view packed(storage.data(), in, {rows, 2 * columns});
      ASSERT_TRUE(activate(activation::linear, const_view(x.data(), dtype::f32, {rows, 2 * columns}), packed).ok());
      const auto parts = split(const_view(packed), layout);
      std::vector<float> exact(rows * columns);
      ASSERT_TRUE(activate_gated(gate::swiglu, parts.a, parts.b, view(exact.data(), dtype::f32, {rows, columns})).ok());
      for (const dtype type : quantised_types)
        for (const bool by_rows : {false, true}) {
          bytes memory(static_cast<std::size_t>(2 * rows * columns + 1), 0xaa);
          std::vector<float> scales(static_cast<std::size_t>(2 * rows), -1);
          const std::int64_t shape[] = {rows, columns}, steps[] = {2, 2 * rows}, one[] = {rows, 1}, apart[] = {2, 1};
          quantisation codes{.scale = by_rows ? 1 : 0.02f};
          if (by_rows) codes.row_scales = view(scales.data(), dtype::f32, one, apart);
          const status s = activate_gated_quantised(gate::swiglu, parts.a, parts.b,
                                                    view(memory.data() + 1, type, shape, steps), 1, codes);
          ASSERT_TRUE(s.ok()) << s.message;
          const auto wanted_scales = scales_of(type, largest_of_rows(exact, columns));
          const bytes wanted = quantised(type, exact, columns, by_rows ? wanted_scales : std::vector{codes.scale});
          for (std::int64_t r = 0; r < rows; ++r) {
            ASSERT_EQ(scales[static_cast<std::size_t>(2 * r)],
                      by_rows ? wanted_scales[static_cast<std::size_t>(r)] : -1);
            EXPECT_EQ(scales[static_cast<std::size_t>(2 * r + 1)], -1);
            for (std::int64_t c = 0; c < columns; ++c) {
              const auto i = static_cast<std::size_t>(1 + 2 * r + 2 * rows * c);
              ASSERT_EQ(memory[i], wanted[at(r, c)]);
              ASSERT_EQ(memory[i - 1], 0xaa);
            }
          }
        }
    }
}

// The rows of a tensor along its first axis.
TEST(quantised, rows_along_another_axis) {
  constexpr std::int64_t n = 40, rows = 9;
  const std::vector<float> x = inputs(n * rows, 5);
  const const_view in(x.data(), dtype::f32, {n, rows});
  const std::int64_t turned_shape[] = {rows, n}, turned_steps[] = {1, rows};
  const const_view turned(x.data(), dtype::f32, turned_shape, turned_steps);
  for (const dtype type : quantised_types) {
    bytes down(x.size()), across(x.size());
    std::vector<float> scales(rows), wanted(rows);
    const view down_y(down.data(), type, {n, rows}), across_y(across.data(), type, turned_shape, turned_steps);
    const quantisation codes{.row_scales = view(scales.data(), dtype::f32, {1, rows})};
    const quantisation across_codes{.row_scales = view(wanted.data(), dtype::f32, {rows, 1})};
    ASSERT_TRUE(activate_quantised(activation::gelu, in, down_y, 0, codes).ok());
    ASSERT_TRUE(activate_quantised(activation::gelu, turned, across_y, 1, across_codes).ok());
    EXPECT_EQ(down, across);
    EXPECT_EQ(scales, wanted);
    ASSERT_TRUE(softmax_quantised(in, down_y, 0, {}, codes).ok());
    ASSERT_TRUE(softmax_quantised(turned, across_y, 1, {}, across_codes).ok());
    EXPECT_EQ(down, across);
    EXPECT_EQ(scales, wanted);
  }
}

TEST(quantised, softmax_in_every_form) {
  for (const std::int64_t columns : {1, 33, 1000, 8193, 40000}) {
    const std::int64_t rows = columns > 8000 ? 1 : columns > 500 ? 3 : 18;
    const std::vector<float> x = logits(static_cast<std::size_t>(rows * columns), 3, 6);
    std::vector<float> mask = logits(x.size(), 1, 7), sinks(static_cast<std::size_t>(rows), 2.0f);
    for (std::size_t i = 0; i < mask.size(); i += 3) mask[i] = -INFINITY;
    const const_view in(x.data(), dtype::f32, {rows, columns});
    const const_view masks(mask.data(), dtype::f32, {rows, columns}), sink(sinks.data(), dtype::f32, {rows, 1});
    const softmax_form forms[] = {{},
                                  {.logarithm = true},
                                  {.scale = 0.5f, .mask = masks, .sinks = sink},
                                  {.logarithm = true, .causal = true, .offset = columns / 2},
                                  {.causal = true, .offset = columns / 2 + 700, .window = 1500},
                                  {.causal = true, .offset = -2},
                                  {.causal = true, .offset = -2, .nan_if_masked = true}};
    for (std::size_t f = 0; f < std::size(forms); ++f)
      for (const isa_info& row : usable_isas())
        for (const accuracy tier : tiers)
          for (const parallel_for& pool : {parallel_for{}, backwards(4)}) {
            const bool shared = pool.run != nullptr, first = row.name == usable_isas()[0].name;
            if (columns > 33 && (tier == accuracy::fast || !first || (shared && columns < 8000))) continue;  // time
            if (columns == 40000 && f != 1 && f != 4) continue;
            options how = on(row, tier);
            how.threads = pool;
            std::vector<float> exact(x.size());
            ASSERT_TRUE(softmax_fused(in, view(exact.data(), dtype::f32, {rows, columns}), 1, forms[f], how).ok());
            for (const dtype type : quantised_types)
              check(
                  type, exact, columns,
                  [&](const view& y, const quantisation& codes) {
                    return softmax_quantised(in, y, 1, forms[f], codes, how);
                  },
                  std::string(row.name) + " form " + std::to_string(f) + " columns " + std::to_string(columns));
          }
  }
}

TEST(quantised, softmax_from_16_bits_writes_its_sums_too) {
  constexpr std::int64_t rows = 3, columns = 500;
  std::vector<bfloat16> x(rows * columns);
  const std::vector<float> wide = logits(x.size(), 3, 8);
  const const_view in(x.data(), dtype::bf16, {rows, columns});
  ASSERT_TRUE(activate(activation::linear, const_view(wide.data(), dtype::f32, {rows, columns}),
                       view(x.data(), dtype::bf16, {rows, columns}))
                  .ok());
  std::vector<float> exact(x.size()), lse(rows), wanted(rows), scales(rows);
  const auto each = [](std::vector<float>& v) { return view(v.data(), dtype::f32, {rows, 1}); };
  ASSERT_TRUE(softmax_fused(in, view(exact.data(), dtype::f32, {rows, columns}), 1, {.lse = each(wanted)}).ok());
  bytes got(x.size());
  ASSERT_TRUE(softmax_quantised(in, view(got.data(), dtype::f8_e4m3, {rows, columns}), 1, {.lse = each(lse)},
                                {.row_scales = each(scales)})
                  .ok());
  EXPECT_EQ(lse, wanted);
  EXPECT_EQ(got, quantised(dtype::f8_e4m3, exact, columns, scales_of(dtype::f8_e4m3, largest_of_rows(exact, columns))));
}

TEST(quantised, rows_without_a_size) {
  const float tiny = 1e-40f, huge = 3e38f;
  const std::vector<float> x{0,    -0.0f, 0, NAN,  NAN,   NAN, INFINITY,  2,   -1,
                             tiny, -tiny, 0, huge, -huge, 1,   -INFINITY, NAN, 0};
  for (const dtype type : quantised_types) {
    bytes got(x.size());
    std::vector<float> scales(6), amax(6);
    const quantisation codes{.row_scales = view(scales.data(), dtype::f32, {6, 1}),
                             .amax = view(amax.data(), dtype::f32, {6, 1})};
    ASSERT_TRUE(activate_quantised(activation::linear, const_view(x.data(), dtype::f32, {6, 3}),
                                   view(got.data(), type, {6, 3}), 1, codes)
                    .ok());
    EXPECT_EQ(amax, (std::vector<float>{0, 0, 2, tiny, huge, 0}));
    const float top = sigmax_reference::largest_number(type);
    EXPECT_EQ(scales, (std::vector<float>{0x1p-126f, 0x1p-126f, 2 / top, 0x1p-126f, huge / top, 0x1p-126f}));
    EXPECT_EQ(got, quantised(type, x, 3, scales));
    EXPECT_EQ(got[6], code_of(type, top));  // infinity saturates, and 2 is the largest number
    EXPECT_EQ(got[7], code_of(type, top));
  }
}

TEST(quantised, empty_tensors_and_empty_rows) {
  std::vector<float> scales(5, -1), amax(5, -1);
  const quantisation codes{.row_scales = view(scales.data(), dtype::f32, {5, 1}),
                           .amax = view(amax.data(), dtype::f32, {5, 1})};
  const const_view x(nullptr, dtype::f32, {5, 0});
  const view y(nullptr, dtype::i8, {5, 0});
  const std::vector<float> least(5, 0x1p-126f), none(5, 0.0f);
  ASSERT_TRUE(activate_gated_quantised(gate::swiglu, x, x, y, 1, codes).ok());
  EXPECT_EQ(scales, least);
  EXPECT_EQ(amax, none);
  std::fill(scales.begin(), scales.end(), -1.0f);
  ASSERT_TRUE(softmax_quantised(x, y, 1, {}, codes).ok());
  EXPECT_EQ(scales, least);
  EXPECT_TRUE(activate_quantised(activation::relu, x, y, 1, {}).ok());
  EXPECT_TRUE(softmax_quantised(const_view(nullptr, dtype::f32, {0, 4}), view(nullptr, dtype::i8, {0, 4}), 1, {},
                                {.row_scales = view(nullptr, dtype::f32, {0, 1})})
                  .ok());
}

TEST(quantised, the_same_codes_for_all_threads_slices_and_isas) {
  constexpr std::int64_t rows = 37, columns = 3000;
  const std::vector<float> a = inputs(rows * columns, 9), b = inputs(rows * columns, 10);
  const const_view in_a(a.data(), dtype::f32, {rows, columns}), in_b(b.data(), dtype::f32, {rows, columns});
  for (const dtype type : quantised_types)
    for (const bool by_rows : {false, true}) {
      const auto run_all = [&](options how, int slices) {
        bytes got(2 * a.size());
        std::vector<float> scales(static_cast<std::size_t>(rows));
        quantisation codes{.scale = by_rows ? 1 : 0.01f};
        if (by_rows) codes.row_scales = view(scales.data(), dtype::f32, {rows, 1});
        how.slices = slices;
        for (how.slice = 0; how.slice < slices; ++how.slice) {
          EXPECT_TRUE(
              activate_gated_quantised(gate::geglu, in_a, in_b, view(got.data(), type, {rows, columns}), 1, codes, how)
                  .ok());
          EXPECT_TRUE(
              softmax_quantised(in_a, view(got.data() + a.size(), type, {rows, columns}), 1, {}, codes, how).ok());
        }
        for (const float scale : scales) {
          const auto* p = reinterpret_cast<const std::uint8_t*>(&scale);
          got.insert(got.end(), p, p + 4);
        }
        return got;
      };
      const bytes wanted = run_all({}, 1);
      for (const isa_info& row : usable_isas()) {
        if (!row.fma) continue;
        options how = on(row);
        EXPECT_EQ(run_all(how, 1), wanted) << row.name;
        EXPECT_EQ(run_all(how, 5), wanted) << row.name;
        how.threads = threads_of(3);
        EXPECT_EQ(run_all(how, 1), wanted) << row.name;
        how.threads = backwards(64);
        EXPECT_EQ(run_all(how, 2), wanted) << row.name;
      }
    }
}

TEST(quantised, the_error_is_as_stated) {
  const std::vector<float> x = logits(100000, 50, 11);
  for (const dtype type : quantised_types)
    for (const float scale : {0.37f, 0.004f}) {
      const bytes codes = converted(type, const_view(x.data(), std::ssize(x)), scale, {});
      const double top = static_cast<double>(sigmax_reference::largest_number(type));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double v = static_cast<double>(x[i]), q = sigmax_reference::number_of(type, codes[i]);
        if (std::fabs(v) > top * static_cast<double>(scale)) continue;
        const int exponent = q == 0 ? -100 : std::ilogb(q);
        // To either side of q a step is at most that of its own binade.
        const double step = type == dtype::i8        ? 1
                            : type == dtype::f8_e4m3 ? std::ldexp(1.0, std::max(exponent, -6) - 3)
                                                     : std::ldexp(1.0, std::max(exponent, -14) - 2);
        ASSERT_LE(std::fabs(q * static_cast<double>(scale) - v),
                  step * static_cast<double>(scale) / 2 + std::fabs(v) * 0x1p-24)
            << name_of(type) << " " << v;
      }
    }
}

void refused(const status& s, status_code code, const char* words, const bytes& y) {
  EXPECT_EQ(s.code, code) << s.message;
  EXPECT_NE(std::string(s.message).find(words), std::string::npos) << s.message;
  EXPECT_EQ(y, bytes(y.size(), 0xaa));
}

TEST(quantised, what_is_wrong_is_said_before_a_byte_is_written) {
  using enum status_code;
  std::vector<float> x(12, 1.0f), each(12);
  bytes y(48, 0xaa);
  const const_view in(x.data(), dtype::f32, {3, 4});
  const view out(y.data(), dtype::f8_e4m3, {3, 4}), rows(each.data(), dtype::f32, {3, 1});
  const auto all = [&](const const_view& a, const view& to, int axis, const quantisation& codes, const options& how,
                       status_code code, const char* words) {
    refused(activate_quantised(activation::silu, a, to, axis, codes, how), code, words, y);
    refused(activate_gated_quantised(gate::swiglu, a, in, to, axis, codes, how), code, words, y);
    refused(softmax_quantised(a, to, axis, {}, codes, how), code, words, y);
  };
  for (const float scale : {0.0f, -1.0f, NAN, INFINITY, 1e-40f})
    all(in, out, 1, {.scale = scale}, {}, invalid_argument, "quantisation.scale");
  all(in, out, 1, {.scale = 2, .row_scales = rows}, {}, invalid_argument, "gives each row its own");
  all(in, out, 1, {.row_scales = view(nullptr, dtype::f32, {3, 1})}, {}, invalid_argument, "row_scales: data is null");
  all(in, out, 1, {.amax = view(nullptr, dtype::f32, {3, 1})}, {}, invalid_argument, "amax: data is null");
  all(in, out, 1, {.amax = view(each.data(), dtype::f16, {3, 1})}, {}, unsupported, "amax: must be f32");
  all(in, out, 1, {.row_scales = view(each.data(), dtype::f32, {1, 4})}, {}, shape_mismatch, "row_scales.shape");
  all(in, out, 1, {.row_scales = rows, .amax = rows}, {}, overlap, "amax overlaps quantisation.row_scales");
  all(in, view(y.data(), dtype::f32, {3, 4}), 1, {}, {}, unsupported, "y: must be f8_e4m3, f8_e5m2 or i8");
  all(in, view(y.data(), dtype::i8, {4, 3}), 1, {}, {}, shape_mismatch, "shape[0]");
  all(in, out, 2, {}, {}, invalid_argument, "axis 2");
  all(const_view(y.data(), dtype::f32, {3, 4}), out, 1, {}, {}, overlap, "y overlaps");
  all(const_view(y.data(), dtype::i8, {3, 4}), out, 1, {}, {}, unsupported, "must be f32, f16 or bf16; 8 bits");
  all(in, out, 1, {}, {.slices = 0}, invalid_argument, "slice");
  const view broadcast(y.data(), dtype::i8, std::vector<std::int64_t>{3, 4}, std::vector<std::int64_t>{0, 1});
  all(in, broadcast, 1, {}, {}, overlap, "share memory");
  // And 8 bits are for nothing else.
  refused(activate(activation::relu, in, out), unsupported, "8 bits", y);
  refused(activate_gated(gate::glu, in, in, out), unsupported, "8 bits", y);
  refused(softmax(in, out), unsupported, "8 bits", y);
  refused(softmax_fused(in, out, 1, {}), unsupported, "8 bits", y);
  refused(activation_gradient(activation::relu, in, in, out), unsupported, "8 bits", y);
  refused(softmax_gradient(in, in, out), unsupported, "8 bits", y);
  refused(top_k_gating(in, out, view(each.data(), dtype::i32, {3, 4}), 1), unsupported, "8 bits", y);
}

}  // namespace
}  // namespace sigmax_test
