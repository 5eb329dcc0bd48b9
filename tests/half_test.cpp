// f16 and bf16: all 65 536 inputs of every activation against the correctly rounded oracle; mixed dtypes.
#include <cstdio>

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

template <class T, class Format>
int misrounded(activation op, const isa_info& row) {
  const auto x = every_value<T>();
  std::vector<T> y(x.size());
  const status s = activate(op, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row));
  EXPECT_TRUE(s.ok()) << s.message;
  int count = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double exact = reference::activation(op, Format::decode(x[i].bits));
    const bool right = std::isnan(exact) ? std::isnan(Format::decode(y[i].bits)) : y[i].bits == Format::encode(exact);
    if (right) continue;
    ++count;
    // Never further off than the neighbour of the right value.
    EXPECT_LE(std::abs(y[i].bits - Format::encode(exact)), 1)
        << row.name << " at bits " << x[i].bits << " got " << y[i].bits;
  }
  return count;
}

/// Made of sums and products, the last of which is rounded to odd before it becomes 16 bits wide.
bool is_piecewise(activation op) {
  using enum activation;
  switch (op) {
    case linear:
    case relu:
    case relu6:
    case clip:
    case leaky_relu:
    case thresholded_relu:
    case squared_relu:
    case shrink:
    case hard_sigmoid:
    case hard_swish: return true;
    default: return false;
  }
}

TEST_P(half, bf16_is_correctly_rounded) {
  for (const isa_info& row : usable_isas())
    EXPECT_EQ((misrounded<bfloat16, reference::bfloat16_format>(GetParam(), row)), 0) << row.name;
}

// An f32 result of a transcendental function can be on the wrong side of the middle between two f16 numbers.
TEST_P(half, f16_is_misrounded_for_at_most_7_inputs) {
  for (const isa_info& row : usable_isas()) {
    const int count = misrounded<float16, reference::float16_format>(GetParam(), row);
    std::printf("  %-16s %-7s f16 misrounded %d of 63488\n", describe(GetParam()).name.data(), row.name, count);
    EXPECT_LE(count, is_piecewise(GetParam()) ? 0 : 7) << row.name;
  }
}

/// Strided results come from the f32 form, contiguous ones where possible from a shorter one.
template <class T, class Format>
void expect_strided_equals_contiguous(activation op, const isa_info& row) {
  const auto x = every_value<T>();
  std::vector<T> y(x.size()), strided(2 * x.size());
  ASSERT_TRUE(activate(op, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row)).ok());
  view apart(strided.data(), std::ssize(x));
  apart.strides[0] = 2;
  ASSERT_TRUE(activate(op, const_view(x.data(), std::ssize(x)), apart, on(row)).ok());
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!std::isnan(Format::decode(y[i].bits)) || !std::isnan(Format::decode(strided[2 * i].bits))) {
      ASSERT_EQ(strided[2 * i].bits, y[i].bits) << row.name << " bits " << x[i].bits;
    }
}

TEST_P(half, strided_equals_contiguous) {
  for (const isa_info& row : usable_isas()) {
    expect_strided_equals_contiguous<float16, reference::float16_format>(GetParam(), row);
    expect_strided_equals_contiguous<bfloat16, reference::bfloat16_format>(GetParam(), row);
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

}  // namespace
}  // namespace sigmax_test
