// The short forms of cuda/short_forms.hpp over all 16-bit inputs, with their estimates off by all that is documented,
// one way, the other, and a way that changes from input to input: where both ends round to one number, it is that of
// the long form; and of a gate's factor the long form lies between the ends, with estimates off by twice as much. The
// sure forms of cuda/sure_forms.hpp the same, most of them with twice as much. Of derivatives the long form lies
// between the ends, so any product does, which is asked of some, and of gates' gradients. That the long form is right
// is shown elsewhere: half_test.cpp, on the CPU.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
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

#include "../cuda/gates.cuh"

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

/// Runs f with estimates off by up to `most` times their bound.
template <class F>
void with_errors(double most, F f) {
  times = most;
  for (error_of_exp2 = -1; error_of_exp2 <= 2; ++error_of_exp2)
    for (error_of_reciprocal = -1; error_of_reciprocal <= 2; ++error_of_reciprocal) f();
  error_of_exp2 = error_of_reciprocal = 0, times = 1;
}
std::string errors() {
  return ", estimates off by " + std::to_string(error_of_exp2) + ", " + std::to_string(error_of_reciprocal);
}

template <class T>
bool same_word(std::uint32_t got, float expected) {
  return got == rounded<T>(expected) || (is_nan(expected) && is_nan(to_float(T{static_cast<std::uint16_t>(got)})));
}
/// Whether y is not between the ends, -0 being less than +0. One that is NaN leaves open what it is multiplied by, but
/// for what makes the other NaN as well.
bool outside(const between& ends, float y) {
  const auto order = [](float v) { return std::bit_cast<std::int32_t>(v) ^ (std::signbit(v) ? 0x7fffffff : 0); };
  if (is_nan(y)) return !is_nan(ends.from) || !is_nan(ends.to);
  if (is_nan(ends.from) || is_nan(ends.to)) {
    const float v = is_nan(ends.from) ? ends.to : ends.from;
    return is_nan(v) || (v == 0 && y != 0) || (std::isinf(v) && !std::isinf(y));
  }
  return order(y) < std::min(order(ends.from), order(ends.to)) || order(y) > std::max(order(ends.from), order(ends.to));
}

/// Factors of all kinds, and in steps of a sample of mantissas: `numbers` has the latter.
template <class T>
std::vector<float> factors_of() {
  constexpr bool half = std::is_same_v<T, float16>;
  std::vector<float> f = {1, -1, 0.5f, -0.0f, 0, infinity, -infinity, from_bits(0x7fc00000u)};
  for (const int bits :
       {0x0001, 0x8003, half ? 0x03ff : 0x007f, half ? 0x0401 : 0x0081, half ? 0x7bff : 0x7f7f, half ? 0x3c01 : 0x3f81,
        half ? 0xbfff : 0xbfff, half ? 0x3d55 : 0x3fd5, half ? 0x2e67 : 0x3d27})
    f.push_back(to_float(T{static_cast<std::uint16_t>(bits)}));
  return f;
}

template <class Op>
between slope_of(const Op& op, float x) {
  if constexpr (has_tangent_form<Op>)
    return tangent_form(op, x).slope;
  else
    return slope_form(op, x);
}

/// Of dy op'(x): with any x of T, and dy of all kinds.
template <class T, class Op>
void expect_gradient(const char* name, const Op& op, double most) {
  constexpr const char* type = std::is_same_v<T, float16> ? " f16" : " bf16";
  std::vector<float> x(65536), slope(65536), value(65536);
  for (std::uint32_t u = 0; u < 65536; ++u)
    x[u] = to_float(T{static_cast<std::uint16_t>(u)}), slope[u] = op.derivative(x[u]), value[u] = op(x[u]);
  with_errors(most, [&] {
    int wrong = 0;
    float at = 0;
    for (std::uint32_t u = 0; u < 65536; ++u) {
      bool bad = outside(slope_of(op, x[u]), slope[u]);
      if constexpr (has_tangent_form<Op>) bad = bad || outside(tangent_form(op, x[u]).value, value[u]);
      if (bad) ++wrong, at = x[u];
    }
    EXPECT_EQ(wrong, 0) << name << type << " has not its derivative between, or its value, at " << at << errors();
  });
  double open = 0, all = 0;
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const between ends = slope_of(op, x[u]);
    if (const double share = share_of<T>(static_cast<std::uint16_t>(u)); share > 0)
      for (float dy = 1; dy < 2; dy += 1.0f / 32, all += share)
        open += rounded<T>(ends.from * dy) != rounded<T>(ends.to * dy) ? share : 0;
  }
  std::printf("  %-12s%s: %.4f %% of a normal distribution left open\n", name, type, 100 * open / all);
  if constexpr (has_slope_form<Op>)
    for (const float factor : factors_of<T>()) {
      float dy[8];
      std::fill_n(dy, 8, factor);
      // That the slope is between its ends is known for every pair of errors: these are off alike.
      for (error_of_exp2 = error_of_reciprocal = -1; error_of_exp2 <= 2; ++error_of_exp2, ++error_of_reciprocal) {
        float at = 0;
        int wrong = 0;
        for (std::uint32_t u = 0; u < 65536; u += 8) {
          const float(&eight)[8] = *reinterpret_cast<const float(*)[8]>(&x[u]);
          const vector got = gradient_16_bits(op, T{}, dy, eight);
          for (std::uint32_t k = 0; k < 8; ++k)
            if (!same_word<T>(got.word[k / 2] >> k % 2 * 16 & 0xffffu, factor * slope[u + k])) ++wrong, at = x[u + k];
        }
        EXPECT_EQ(wrong, 0) << name << type << ", one at " << at << ", dy " << factor << errors();
      }
      error_of_exp2 = error_of_reciprocal = 0;
    }
}
template <class Op>
void expect_gradients(const char* name, const Op& op, double most = 1) {
  expect_gradient<bfloat16>(name, op, most);
  expect_gradient<float16>(name, op, most);
}

TEST(short_forms, gradient_of_silu) {
  for (const float beta : factors) expect_gradients("silu", silu_op{beta}, 1.25);
}
TEST(short_forms, gradient_of_quick_gelu) { expect_gradients("quick_gelu", quick_gelu_op{}, 1.25); }
TEST(short_forms, gradient_of_gelu_tanh) { expect_gradients("gelu_tanh", gelu_tanh_op{}, 1.25); }
TEST(short_forms, tangent_of_gelu) { expect_gradients("gelu", gelu_op{}, 1.25); }
TEST(short_forms, gradient_of_softcap) {
  for (const float cap : factors) expect_gradients("softcap", softcap_op{cap});
  expect_gradients("softcap", softcap_op{});
}
TEST(short_forms, gradient_of_squareplus) {
  for (const float b : {0x1p-40f, 0.3f, 1.0f, 4.0f, 1000.0f, 0x1p40f}) expect_gradients("squareplus", squareplus_op{b});
}

/// Both results of a gate, for any number of T that its activation takes.
template <class T, class Gate>
void expect_gate_gradient(const char* name, const Gate& gate, bool acts_on_b) {
  const dtype type = std::is_same_v<T, float16> ? dtype::f16 : dtype::bf16;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto number = [&] { return to_float(T{static_cast<std::uint16_t>(rounded<T>(normal(random)))}); };
  int open = 0, all = 1 << 18;
  for (int i = 0; i < all; ++i) {
    const float dy = number(), a = number(), b = number();
    const partials<between> d = gradient_form(gate, dy, a, b);
    open += rounded<T>(d.a.from) != rounded<T>(d.a.to) || rounded<T>(d.b.from) != rounded<T>(d.b.to) ? 1 : 0;
  }
  std::printf("  %-12s%s: %.3f %% of normal distributions left open\n", name, type == dtype::f16 ? " f16" : " bf16",
              100.0 * open / all);
  const std::vector<float> other = factors_of<T>();
  for (std::size_t i = 0; i < other.size() * 2; ++i) {
    const float up = i % 5 == 4 ? (i % 2 ? 7.0f : -8.0f) : other[i % other.size()], dy = other[i * 7 % other.size()];
    const auto operands = [&](std::uint32_t u, float(&one)[3]) {
      one[0] = dy, one[1] = one[2] = up;
      one[acts_on_b ? 2 : 1] = to_float(T{static_cast<std::uint16_t>(u)});
    };
    std::vector<float> expected[2] = {std::vector<float>(65536), std::vector<float>(65536)};
    for (std::uint32_t u = 0; u < 65536; ++u) {
      float one[3], both[2];
      operands(u, one);
      gate_gradient<Gate>{gate}(one, both);
      expected[0][u] = both[0], expected[1][u] = both[1];
    }
    with_errors(1, [&] {
      float at = 0;
      int wrong = 0;
      for (std::uint32_t u = 0; u < 65536; u += 8) {
        float one[3], x[3][8];
        vector packed[3], y[2];
        for (std::uint32_t k = 0; k < 8; ++k) {
          operands(u + k, one);
          for (int operand = 0; operand < 3; ++operand) x[operand][k] = one[operand];
        }
        for (int k = 0; k < 3; ++k) packed[k] = pack(x[k], T{});
        gate_gradient<Gate>{gate}(packed, x, y, type);
        for (std::uint32_t k = 0; k < 8; ++k)
          for (int o = 0; o < 2; ++o)
            if (!same_word<T>(y[o].word[k / 2] >> k % 2 * 16 & 0xffffu, expected[o][u + k]))
              ++wrong, at = x[acts_on_b ? 2 : 1][k];
      }
      EXPECT_EQ(wrong, 0) << name << ", one at " << at << ", the other " << up << ", dy " << dy << errors();
    });
  }
}
template <class Gate>
void expect_gate_gradients(const char* name, const Gate& gate, bool acts_on_b = false) {
  expect_gate_gradient<bfloat16>(name, gate, acts_on_b);
  expect_gate_gradient<float16>(name, gate, acts_on_b);
}

TEST(short_forms, gradient_of_swiglu) { expect_gate_gradients("swiglu", swiglu_gate{}); }
TEST(short_forms, gradient_of_mul_and_silu) { expect_gate_gradients("mul_and_silu", mul_and_silu_gate{}, true); }
TEST(short_forms, gradient_of_geglu) { expect_gate_gradients("geglu", geglu_gate{}); }
TEST(short_forms, gradient_of_geglu_tanh) { expect_gate_gradients("geglu_tanh", geglu_tanh_gate{}); }
TEST(short_forms, gradient_of_swiglu_oai) { expect_gate_gradients("swiglu_oai", swiglu_oai_gate{}); }
TEST(short_forms, gradient_of_swiglu_oai_by_b) {
  expect_gate_gradients("swiglu_oai", swiglu_oai_gate{1.5f, 3.0f}, true);
}

}  // namespace
}  // namespace sigmax
