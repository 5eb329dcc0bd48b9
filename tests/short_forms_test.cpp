// The short forms of cuda/short_forms.hpp over all 16-bit inputs, with their estimates off by all that is documented,
// one way, the other, and a way that changes from input to input: where both ends round to one number, it is that of
// the long form; and of a gate's factor the long form lies between the ends, with estimates off by twice as much. The
// sure forms of cuda/sure_forms.hpp the same, most of them with twice as much. That the long form is right is shown
// elsewhere: half_test.cpp, on the CPU.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace {
/// Of which estimate, by how much of its bound; 2: by the bits of its argument.
int error_of_exp2 = 0, error_of_reciprocal = 0;
double times = 1;
double estimate_error(int error, float of) {
  return times * (error != 2 ? error : std::bit_cast<std::uint32_t>(of) * 2654435761u % 2048 / 1023.5 - 1);
}
}  // namespace
#define SIGMAX_ESTIMATE_ERROR(estimate, of) ::estimate_error(::error_of_##estimate, of)
#include "../cuda/sure_forms.hpp"

#include <gtest/gtest.h>

#include "simt/emulator.hpp"

#include "../cuda/elementwise.cuh"

namespace sigmax {
namespace {

template <class T>
std::uint32_t rounded(float x) {
  T y;
  from_float(x, y);
  return y.bits;
}
bool is_nan(float x) { return x != x; }

struct counts {
  int undecided = 0, wrong = 0, outside = 0;
  float at = 0;
};

/// `op` over all inputs of T, by the estimates as they are off now.
template <class T, class Op>
counts over_all(const Op& op, bool factor) {
  counts c;
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const float x = to_float(T{static_cast<std::uint16_t>(u)}), y = op(x);
    const between ends = factor ? gate_factor(op, x) : short_form(op, x);
    const std::uint32_t from = rounded<T>(ends.from), to = rounded<T>(ends.to);
    const bool open = from != to && !(is_nan(ends.from) && is_nan(ends.to));
    c.undecided += open && std::fabs(x) < 4 && x != 0 ? 1 : 0;
    if (!open && from != rounded<T>(y) && !(is_nan(ends.from) && is_nan(y))) ++c.wrong, c.at = x;
    if (factor && !is_nan(ends.from) && !is_nan(ends.to) &&
        !(std::fmin(ends.from, ends.to) <= y && y <= std::fmax(ends.from, ends.to)))
      ++c.outside, c.at = x;
  }
  return c;
}

/// `factor`: of a gate, with estimates off by twice their bound.
template <class Op>
void expect_right(const char* name, const Op& op, bool factor = false) {
  times = factor ? 2 : 1;
  for (error_of_exp2 = -1; error_of_exp2 <= 2; ++error_of_exp2)
    for (error_of_reciprocal = -1; error_of_reciprocal <= 2; ++error_of_reciprocal)
      for (const bool half : {false, true}) {
        const counts c = half ? over_all<float16>(op, factor) : over_all<bfloat16>(op, factor);
        if (error_of_exp2 == 0 && error_of_reciprocal == 0)
          std::printf("  %-12s %s: %d left open in (-4, 4)\n", name, half ? "f16" : "bf16", c.undecided);
        EXPECT_EQ(c.wrong, 0) << name << (half ? " f16" : " bf16") << ", one at " << c.at << ", estimates off by "
                              << error_of_exp2 << ", " << error_of_reciprocal;
        EXPECT_EQ(c.outside, 0) << name << (half ? " f16" : " bf16") << ", one at " << c.at << ", estimates off by "
                                << error_of_exp2 << ", " << error_of_reciprocal;
      }
  times = 1;
}

/// How often x is in a normal distribution.
template <class T>
double share_of(std::uint16_t bits) {
  const double x = to_float(T{bits});
  const double next = to_float(T{static_cast<std::uint16_t>(bits + 1)});
  return std::fabs(x) < 10 ? std::fabs(next - x) * std::exp(-0.5 * x * x) / 2.5066 : 0;
}

/// The word that kernels of T store, over all inputs: by sure and close forms, those left open included. Estimates are
/// off by up to `most` times their bound.
template <class T, class Op>
void expect_words(const char* name, const Op& op, double most = 1) {
  if constexpr (has_close_form<Op, T>)
    if (is_default(op)) {
      int open = 0;
      double share = 0;
      for (std::uint32_t u = 0; u < 65536; ++u) {
        const T x{static_cast<std::uint16_t>(u)};
        const between ends = close_form(op, to_float(x), T{});
        if (is_nan(to_float(x)) || rounded<T>(ends.from) == rounded<T>(ends.to)) continue;
        ++open, share += share_of<T>(x.bits);
      }
      std::printf("  %-12s %s: %d left open, %.4f %% of a normal distribution\n", name,
                  std::is_same_v<T, float16> ? "f16" : "bf16", open, 100 * share);
    }
  const auto same = [](std::uint32_t a, std::uint32_t b) {
    const float x = to_float(T{static_cast<std::uint16_t>(a)}), y = to_float(T{static_cast<std::uint16_t>(b)});
    return a == b || (is_nan(x) && is_nan(y));
  };
  std::vector<std::uint32_t> expected(65536);
  for (std::uint32_t u = 0; u < 65536; ++u)
    expected[u] = rounded<T>(evaluate<accuracy::high>(op, true, to_float(T{static_cast<std::uint16_t>(u)})));
  for (const double part : {1.0, 1 / most})
    for (error_of_exp2 = -1; error_of_exp2 <= 2; ++error_of_exp2)
      for (error_of_reciprocal = -1; error_of_reciprocal <= 2; ++error_of_reciprocal) {
        times = most * part;
        int wrong = 0;
        float at = 0;
        for (std::uint32_t u = 0; u < 65536; u += 8) {
          float x[8];
          for (std::uint32_t k = 0; k < 8; ++k) x[k] = to_float(T{static_cast<std::uint16_t>(u + k)});
          const vector got = evaluate_16_bits(op, T{}, x);
          for (std::uint32_t k = 0; k < 8; ++k)
            if (!same(got.word[k / 2] >> k % 2 * 16 & 0xffffu, expected[u + k])) ++wrong, at = x[k];
        }
        EXPECT_EQ(wrong, 0) << name << ", one at " << at << ", estimates off by " << error_of_exp2 << ", "
                            << error_of_reciprocal << ", " << times << " times";
      }
  times = 1;
}

TEST(short_forms, words_of_bf16) {
  using T = bfloat16;
  expect_words<T>("gelu", gelu_op{}, 2);
  expect_words<T>("gelu_tanh", gelu_tanh_op{}, 2);
  expect_words<T>("silu", silu_op{}, 1.25);
  expect_words<T>("quick_gelu", quick_gelu_op{}, 1.25);
  expect_words<T>("hard_sigmoid", hard_sigmoid_op{});
  expect_words<T>("hard_sigmoid", hard_sigmoid_op{0.2f, 0.5f});
  expect_words<T>("hard_swish", hard_swish_op{});
  expect_words<T>("exp", exp_op{}, 2);
  expect_words<T>("selu", selu_op{}, 2);
  expect_words<T>("log_sigmoid", log_sigmoid_op{}, 2);
  expect_words<T>("tanh", tanh_op{}, 2);
  expect_words<T>("tanhshrink", tanhshrink_op{}, 2);
  expect_words<T>("mish", mish_op{}, 2);
  expect_words<T>("softsign", softsign_op{}, 2);
  expect_words<T>("sigmoid", sigmoid_op{});
  for (const float p : {1.0f, 1.5f}) {
    expect_words<T>("elu", elu_op{p}, 2);
    expect_words<T>("celu", celu_op{p}, 2);
    expect_words<T>("softplus", softplus_op{p}, p == 1 ? 2 : 1);
  }
  for (const float p : {softcap_op{}.cap, 30.0f}) expect_words<T>("softcap", softcap_op{p}, p == 30 ? 1 : 2);
  for (const float p : {squareplus_op{}.b, 1.0f}) expect_words<T>("squareplus", squareplus_op{p}, p == 1 ? 1 : 2);
}
TEST(short_forms, words_of_f16) {
  using T = float16;
  expect_words<T>("gelu", gelu_op{}, 1.25);
  expect_words<T>("gelu_tanh", gelu_tanh_op{}, 1.25);
  expect_words<T>("silu", silu_op{}, 1.25);
  expect_words<T>("silu", silu_op{1.5f});
  expect_words<T>("quick_gelu", quick_gelu_op{}, 1.25);
  expect_words<T>("hard_sigmoid", hard_sigmoid_op{});
  expect_words<T>("hard_sigmoid", hard_sigmoid_op{0.2f, 0.5f});
  expect_words<T>("hard_swish", hard_swish_op{});
  expect_words<T>("exp", exp_op{}, 1.25);
  expect_words<T>("selu", selu_op{}, 2);
  expect_words<T>("log_sigmoid", log_sigmoid_op{}, 1.25);
  expect_words<T>("tanh", tanh_op{}, 2);
  expect_words<T>("tanhshrink", tanhshrink_op{}, 1.25);
  expect_words<T>("mish", mish_op{}, 1.25);
  expect_words<T>("softsign", softsign_op{});
  expect_words<T>("sigmoid", sigmoid_op{}, 1.25);
  for (const float p : {1.0f, 1.5f}) {
    expect_words<T>("elu", elu_op{p}, 2);
    expect_words<T>("celu", celu_op{p}, 2);
    expect_words<T>("softplus", softplus_op{p}, p == 1 ? 1.25 : 1);
  }
  for (const float p : {softcap_op{}.cap, 30.0f}) expect_words<T>("softcap", softcap_op{p}, p == 30 ? 1 : 2);
  for (const float p : {squareplus_op{}.b, 1.0f}) expect_words<T>("squareplus", squareplus_op{p}, p == 1 ? 1 : 1.25);
}

constexpr float factors[] = {smallest_factor, 0.03f, 0.7f, 1, 1.5f, 1.702f, 1.9999999f, 7, largest_factor};

TEST(short_forms, sigmoid) { expect_right("sigmoid", sigmoid_op{}, true); }
TEST(short_forms, silu) {
  for (float beta : factors)
    for (const bool factor : {false, true}) expect_right("silu", silu_op{beta}, factor);
}
TEST(short_forms, quick_gelu) {
  for (const bool factor : {false, true}) expect_right("quick_gelu", quick_gelu_op{}, factor);
}
TEST(short_forms, gelu_tanh) {
  for (const bool factor : {false, true}) expect_right("gelu_tanh", gelu_tanh_op{}, factor);
}
TEST(short_forms, gelu) {
  for (const bool factor : {false, true}) expect_right("gelu", gelu_op{}, factor);
}
TEST(short_forms, squareplus) {
  for (float b : {0x1p-40f, 0.3f, 1.0f, 4.0f, 1000.0f, 0x1p40f}) expect_right("squareplus", squareplus_op{b});
}
TEST(short_forms, softplus) {
  for (float beta : factors) expect_right("softplus", softplus_op{beta});
}
TEST(short_forms, softcap) {
  for (float cap : factors) expect_right("softcap", softcap_op{cap});
  expect_right("softcap", softcap_op{});
}

/// Products of a gate, with factors that bring back what is almost lost, or lose it.
TEST(short_forms, products_with_gelu) {
  const act_and_mul<gelu_op> gate{};
  for (const float b : {infinity, -infinity, 0.0f, -0.0f, 65504.0f, 0x1p-24f, 1.5f, from_bits(0x7fc00000u)})
    for (std::uint32_t u = 0; u < 65536; ++u) {
      const float a = to_float(float16{static_cast<std::uint16_t>(u)});
      const float first[8] = {a, a, a, a, a, a, a, a}, second[8] = {b, b, b, b, b, b, b, b};
      const float y = gate(a, b);
      const std::uint32_t got = evaluate_16_bits(gate, float16{}, first, second).word[0] >> 16;
      ASSERT_TRUE(is_nan(y) ? is_nan(to_float(float16{static_cast<std::uint16_t>(got)})) : got == rounded<float16>(y))
          << a << ' ' << b;
    }
}

}  // namespace
}  // namespace sigmax
