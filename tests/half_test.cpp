// f16 and bf16: all 65 536 inputs of every activation against the correctly rounded oracle; mixed dtypes.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>
#include <random>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;
using half = each_activation;

template <class T>
std::vector<T> every_value() {
  std::vector<T> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

struct misrounded_inputs {
  int count = 0, far = 0;   ///< far: not even the neighbour of the right number
  int not_from_middle = 0;  ///< though the f32 result is not in the middle between the right number and this one
};

/// Zeros of either sign count as equal in gradients, where the sign of what is 0 by underflow is not promised.
template <class T, class Format>
misrounded_inputs misrounded(activation op, const isa_info& row, accuracy tier = accuracy::high,
                             bool gradient = false) {
  const auto x = every_value<T>();
  std::vector<T> y(x.size());
  options how = on(row);
  how.accuracy = tier;
  const std::vector<T> ones(x.size(), T{Format::encode(1)});
  std::vector<float> wide(x.size());
  const const_view in(x.data(), std::ssize(x)), dy(ones.data(), std::ssize(x));
  const auto call = [&](const view& out) {
    const status s = gradient ? activation_gradient(op, dy, in, out, how) : activate(op, in, out, how);
    EXPECT_TRUE(s.ok()) << s.message;
  };
  call(view(y.data(), std::ssize(y)));
  call(view(wide.data(), std::ssize(wide)));
  misrounded_inputs found;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double from = Format::decode(x[i].bits), got = Format::decode(y[i].bits),
                      exact = gradient ? reference::derivative(op, from) : reference::activation(op, from);
    const std::uint16_t right = Format::encode(exact);
    if (std::isnan(exact) ? std::isnan(got) : y[i].bits == right || (gradient && got == Format::decode(right)))
      continue;
    ++found.count;
    found.far += std::abs(y[i].bits - right) > 1;
    found.not_from_middle += got + Format::decode(right) != 2 * static_cast<long double>(wide[i]);
  }
  return found;
}

/// How many of f16 and bf16 the documents say are: README.md's last column, and both of kernels/README.md's table.
std::string documented(activation op) {
  const auto last_of = [&](const char* document, const char* heading, int columns) {
    std::ifstream file(document);
    const std::string start = "| `" + std::string(describe(op).name) + "` |";
    bool in_table = false;
    for (std::string line; std::getline(file, line);) {
      in_table = line.starts_with("|") && (in_table || line.find(heading) != line.npos);
      if (!in_table || !line.starts_with(start)) continue;
      std::size_t end = line.size();
      for (int i = 0; i <= columns; ++i) end = line.rfind('|', end - 1);
      return line.substr(end);
    }
    return std::string("|") + (columns == 1 ? " absent |" : " 0, 0 | 0, 0 |");
  };
  return last_of(SIGMAX_README, "misrounded f16, bf16 |", 1) +
         last_of(SIGMAX_KERNELS_README, "gradient f16, bf16 |", 2);
}

/// Made of sums and products, the last of which is rounded to odd before it becomes 16 bits wide.
bool is_piecewise(activation op) {
  const std::string_view formula = describe(op).formula;
  return std::ranges::none_of(std::initializer_list<std::string_view>{"/", "exp", "log", "tanh"},
                              [&](std::string_view rounded) { return formula.find(rounded) != formula.npos; });
}

// An f32 result of a transcendental function can be in the middle between two f16 numbers, or on its wrong side.
TEST_P(half, misrounds_what_is_documented) {
  const activation op = GetParam();
  const bool two_tiers = describe(op).bound_fast.has_value();
  for (const isa_info& row : usable_isas()) {
    const auto f16 = misrounded<float16, reference::float16_format>(op, row);
    const auto bf16 = misrounded<bfloat16, reference::bfloat16_format>(op, row);
    EXPECT_EQ(bf16.count, 0) << row.name;
    EXPECT_LE(f16.count, is_piecewise(op) ? 0 : 7) << row.name;
    EXPECT_EQ(f16.far, 0) << row.name;
    if (!row.fma) continue;  // other bits
    EXPECT_EQ(f16.not_from_middle, 0) << row.name;
    misrounded_inputs fast_f16, fast_bf16;
    if (two_tiers) {
      fast_f16 = misrounded<float16, reference::float16_format>(op, row, accuracy::fast);
      fast_bf16 = misrounded<bfloat16, reference::bfloat16_format>(op, row, accuracy::fast);
      EXPECT_EQ(fast_f16.far, 0) << row.name;
    }
    const auto gradient_f16 = misrounded<float16, reference::float16_format>(op, row, accuracy::high, true);
    const auto gradient_bf16 = misrounded<bfloat16, reference::bfloat16_format>(op, row, accuracy::high, true);
    EXPECT_EQ(gradient_f16.far + gradient_bf16.far, 0) << row.name;
    char counts[128];
    std::snprintf(counts, sizeof counts, "| %d, %d || %d, %d | %d, %d |", f16.count, bf16.count, fast_f16.count,
                  fast_bf16.count, gradient_f16.count, gradient_bf16.count);
    EXPECT_EQ(documented(op), counts) << row.name;
  }
}

/// Strided results come from the f32 form, contiguous ones where possible from a shorter one.
template <class T, class Format>
void expect_strided_equals_contiguous(activation op, const options& how, const std::vector<T>& x) {
  std::vector<T> y(x.size()), strided(2 * x.size());
  ASSERT_TRUE(activate(op, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), how).ok());
  view apart(strided.data(), std::ssize(x));
  apart.strides[0] = 2;
  ASSERT_TRUE(activate(op, const_view(x.data(), std::ssize(x)), apart, how).ok());
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!std::isnan(Format::decode(y[i].bits)) || !std::isnan(Format::decode(strided[2 * i].bits))) {
      ASSERT_EQ(strided[2 * i].bits, y[i].bits) << "bits " << x[i].bits;
    }
}

/// A vector with a value for which the short form does not do is computed again whatever else is in it.
template <class T, class Format>
void expect_strided_equals_contiguous(activation op, const options& how) {
  auto x = every_value<T>();
  expect_strided_equals_contiguous<T, Format>(op, how, x);
  x.resize(2 * x.size(), T{Format::encode(std::numeric_limits<long double>::quiet_NaN())});
  std::shuffle(x.begin(), x.end(), std::mt19937(1));
  expect_strided_equals_contiguous<T, Format>(op, how, x);
}

/// One argument that is far from the others, wherever it is and wherever a NaN is, has the result that it has alone.
template <class T, class Format>
void expect_far_beside_nan(activation op, const options& how) {
  constexpr int n = 64;  // two turns of the row that takes most
  for (const long double far : {-10.25L, -13.25L, -44.5L, -70.0L, -88.5L}) {
    std::vector<T> x(n, T{Format::encode(1)}), y(n);
    const T number{Format::encode(far)};
    T alone[2];
    view apart(alone, 1);
    apart.strides[0] = 2;
    ASSERT_TRUE(activate(op, const_view(&number, 1), apart, how).ok());
    for (int i = 0; i < n / 2; ++i)
      for (int at = 0; at < n / 2; ++at) {
        if (i == at) continue;
        x[i] = number, x[at] = T{Format::encode(std::numeric_limits<long double>::quiet_NaN())};
        ASSERT_TRUE(activate(op, const_view(x.data(), n), view(y.data(), n), how).ok());
        ASSERT_EQ(y[i].bits, alone[0].bits) << static_cast<double>(far) << " at " << i << ", NaN at " << at;
        x[i] = x[at] = T{Format::encode(1)};
      }
  }
}

TEST_P(half, far_arguments_are_seen_beside_nan) {
  for (const isa_info& row : usable_isas()) {
    expect_far_beside_nan<float16, reference::float16_format>(GetParam(), on(row));
    expect_far_beside_nan<bfloat16, reference::bfloat16_format>(GetParam(), on(row));
  }
}

TEST_P(half, strided_equals_contiguous) {
  const auto params = describe(GetParam()).parameters;
  for (const isa_info& row : usable_isas())
    for (const float factor : {1.0f, 0.3f, 7.0f, 0x1p-12f}) {  // of the first parameter, and one of the second
      if (params.empty() && factor != 1) continue;
      SCOPED_TRACE(std::string(row.name) + ", first parameter times " + std::to_string(factor));
      options how = on(row);
      if (factor != 1) how.parameters.first = factor * params[0].default_value;
      if (factor == 7 && params.size() > 1) how.parameters.second = params[1].default_value + 0.3f;
      expect_strided_equals_contiguous<float16, reference::float16_format>(GetParam(), how);
      expect_strided_equals_contiguous<bfloat16, reference::bfloat16_format>(GetParam(), how);
    }
}

SIGMAX_FOR_EACH_ACTIVATION(half);

TEST(half_conversion, oracle_round_trips_every_value) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    if (const auto v = reference::float16_format::decode(bits); !std::isnan(v)) {
      EXPECT_EQ(reference::float16_format::encode(v), bits);
    }
    if (const auto v = reference::bfloat16_format::decode(bits); !std::isnan(v)) {
      EXPECT_EQ(reference::bfloat16_format::encode(v), bits);
    }
  }
}

/// linear is the identity: what it does to a mixed pair is the conversion alone.
template <class To, class Format>
void check_conversion_from_f32(const isa_info& row) {
  const std::vector<float> x = sample(65537);
  std::vector<To> y(x.size());
  ASSERT_TRUE(
      activate(activation::linear, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row)).ok());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(Format::decode(y[i].bits)));
    } else {
      EXPECT_EQ(y[i].bits, Format::encode(x[i])) << x[i];
    }
  }
}
template <class From, class Format>
void check_conversion_to_f32(const isa_info& row) {
  const auto x = every_value<From>();
  std::vector<float> y(x.size());
  ASSERT_TRUE(
      activate(activation::linear, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row)).ok());
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_TRUE(same_bits(y[i], static_cast<float>(Format::decode(x[i].bits)))) << x[i].bits;
}

TEST(half_conversion, is_exact_on_every_row) {
  for (const isa_info& row : usable_isas()) {
    SCOPED_TRACE(row.name);
    check_conversion_from_f32<float16, reference::float16_format>(row);
    check_conversion_from_f32<bfloat16, reference::bfloat16_format>(row);
    check_conversion_to_f32<float16, reference::float16_format>(row);
    check_conversion_to_f32<bfloat16, reference::bfloat16_format>(row);
  }
}

TEST(half_conversion, another_dtype_or_stride_rounds_no_second_time) {
  for (const isa_info& row : usable_isas()) {
    const auto x = every_value<float16>();
    std::vector<bfloat16> other(x.size());
    std::vector<float16> y(x.size()), strided(2 * x.size());
    ASSERT_TRUE(activate(activation::leaky_relu, const_view(x.data(), std::ssize(x)),
                         view(other.data(), std::ssize(other)), on(row))
                    .ok());
    ASSERT_TRUE(
        activate(activation::leaky_relu, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row))
            .ok());
    view apart(strided.data(), std::ssize(x));
    apart.strides[0] = 2;
    ASSERT_TRUE(activate(activation::leaky_relu, const_view(x.data(), std::ssize(x)), apart, on(row)).ok());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double exact =
          reference::activation(activation::leaky_relu, reference::float16_format::decode(x[i].bits));
      if (std::isnan(exact)) continue;
      EXPECT_EQ(other[i].bits, reference::bfloat16_format::encode(exact)) << row.name << " bits " << x[i].bits;
      EXPECT_EQ(strided[2 * i].bits, y[i].bits) << row.name << " bits " << x[i].bits;
    }
  }
}

TEST(half_conversion, mixed_dtypes_equal_the_conversions_around_f32) {
  for (const isa_info& row : usable_isas()) {
    const auto x = every_value<float16>();
    std::vector<float> wide(x.size()), expected;
    std::vector<bfloat16> y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      wide[i] = static_cast<float>(reference::float16_format::decode(x[i].bits));
    expected = run(activation::gelu, wide, on(row));
    ASSERT_TRUE(
        activate(activation::gelu, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row)).ok());
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!std::isnan(expected[i])) {
        EXPECT_EQ(y[i].bits, reference::bfloat16_format::encode(expected[i]));
      }
  }
}

/// f32 in, T out, more of it than is kept in a cache and on no cache line: `times` the f32 results of `call`, rounded.
template <class T, class Format, class Call>
void check_streamed(std::int64_t distinct, Call call) {
  constexpr std::uint16_t guard = 0x1234;
  const std::int64_t times = (std::int64_t{17} << 20) / distinct + 1;
  std::vector<float> exact(static_cast<std::size_t>(distinct));
  std::vector<std::uint16_t> expected, memory(static_cast<std::size_t>(times * distinct) + 40);
  const auto same = [](std::uint16_t a, std::uint16_t b) {
    return a == b || (std::isnan(Format::decode(a)) && std::isnan(Format::decode(b)));
  };
  for (const isa_info& row : usable_isas()) {
    ASSERT_TRUE(call(1, exact.data(), dtype::f32, on(row)).ok());
    expected.clear();
    for (const float v : exact) expected.push_back(Format::encode(v));
    std::fill(memory.begin(), memory.end(), guard);
    std::uint16_t* const y = memory.data() + 1;
    ASSERT_TRUE(call(times, y, *dtype_of<T>, on(row)).ok());
    for (std::int64_t i = 0; i < times; ++i)
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), y + i * distinct, same)) << row.name << " " << i;
    ASSERT_EQ(memory[0], guard);
    ASSERT_TRUE(std::all_of(y + times * distinct, memory.data() + memory.size(), [](auto v) { return v == guard; }));
  }
}

TEST(half_conversion, streamed_gradients_are_those_of_f32_rounded) {
  constexpr std::int64_t rows = 9, columns = 1000, all = rows * columns, rows_again[] = {0, columns, 1};
  const std::vector<float> x = logits(all, 3, 7);
  std::vector<float> dy = logits(all, 3, 8), many_x, many_dy;
  dy[5] = std::bit_cast<float>(0x7fffffffu);  // a NaN to which 1 cannot be added
  dy[6] = INFINITY;
  const auto of_activation = [&](std::int64_t times, void* y, dtype type, const options& how) {
    many_x.resize(static_cast<std::size_t>(times * all)), many_dy.resize(many_x.size());
    for (std::size_t i = 0; i < many_x.size(); ++i) many_x[i] = x[i % x.size()], many_dy[i] = dy[i % dy.size()];
    const std::int64_t shape[] = {times * all};
    return activation_gradient(activation::leaky_relu, const_view(many_dy.data(), dtype::f32, shape),
                               const_view(many_x.data(), dtype::f32, shape), view(y, type, shape), how);
  };
  const auto of_softmax = [&](std::int64_t times, void* y, dtype type, const options& how) {
    const std::int64_t shape[] = {times, rows, columns};
    return softmax_gradient(const_view(dy.data(), dtype::f32, shape, rows_again),
                            const_view(x.data(), dtype::f32, shape, rows_again), view(y, type, shape), 2, 0.5f, how);
  };
  check_streamed<float16, reference::float16_format>(all, of_activation);
  check_streamed<bfloat16, reference::bfloat16_format>(all, of_activation);
  check_streamed<float16, reference::float16_format>(all, of_softmax);
  check_streamed<bfloat16, reference::bfloat16_format>(all, of_softmax);
}

}  // namespace
}  // namespace sigmax_test
