// The floating-point environment is neither changed nor relied on.
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <cfenv>

#include "every_call.hpp"
#include "harness.hpp"

namespace sigmax_test {
namespace {

#if defined(__SSE2__)

constexpr unsigned flags = 0x3f, invalid = 0x01, divided_by_zero = 0x04;  // of MXCSR, as are these:
constexpr unsigned defaults = 0x1f80, flush = 0x9fc0 /* FTZ and DAZ */, upwards = 0x5f80;

/// What call() makes of this control word; afterwards the default one is back.
template <class Call>
unsigned control_after(unsigned control, Call call) {
  _mm_setcsr(control);
  call();
  const unsigned after = _mm_getcsr();
  _mm_setcsr(defaults);
  return after;
}

// Flags may be raised, as arithmetic does, but none that stands is cleared.
TEST(environment, control_bits_and_standing_flags_survive_every_call) {
  const std::vector<float> x = sample(1 << 20), one(x.size(), 1.0f);
  std::vector<float> y(x.size());
  const auto n = std::ssize(x);
  const const_view in(x.data(), n), ones(one.data(), n);
  const view out(y.data(), n);
  for (unsigned control : {defaults, flush, upwards, defaults | flags})
    for (const isa_info& row : usable_isas())
      for (activation op : all_activations()) {
        bool ok = false;
        const unsigned after = control_after(control, [&] {
          ok = activate(op, in, out, on(row)).ok() && activation_gradient(op, ones, in, out, on(row)).ok() &&
               softmax(in, out, 0, on(row)).ok() && log_softmax(in, out, 0, on(row)).ok();
        });
        ASSERT_TRUE(ok);
        ASSERT_EQ(after & ~flags, control & ~flags) << describe(op).name << " on " << row.name;
        ASSERT_EQ(after & control, control) << describe(op).name << " on " << row.name;
      }
}

TEST(environment, control_bits_and_standing_flags_survive_the_row_calls) {
  tensors t(9, 70);
  for (unsigned control : {defaults, flush, upwards, defaults | flags})
    for (const isa_info& row : usable_isas())
      for (const named_call& call : every_call()) {
        bool ok = false;
        const unsigned after = control_after(control, [&] { ok = call.run(t, on(row)).ok(); });
        ASSERT_TRUE(ok);
        ASSERT_EQ(after & ~flags, control & ~flags) << call.name << " on " << row.name;
        ASSERT_EQ(after & control, control) << call.name << " on " << row.name;
      }
}

// A caller that traps these is not interrupted by numbers; NaN and infinities may raise the first.
TEST(environment, finite_inputs_raise_neither_invalid_nor_divided_by_zero) {
  std::vector<float> x;
  for (float v : sample(1 << 14))
    if (std::isfinite(v)) x.push_back(v);
  for (std::ptrdiff_t dropped : {0, 1, 7})  // partial vectors of several lengths
    for (const isa_info& row : usable_isas())
      for (activation op : all_activations()) {
        const std::vector<float> some(x.begin(), x.end() - dropped);
        const unsigned after = control_after(defaults, [&] { run(op, some, on(row)); });
        EXPECT_EQ(after & (invalid | divided_by_zero), 0u) << describe(op).name << " on " << row.name;
        const unsigned later = control_after(defaults, [&] { run_derivative(op, some, on(row)); });
        EXPECT_EQ(later & (invalid | divided_by_zero), 0u) << describe(op).name << "' on " << row.name;
      }
}

TEST(environment, finite_rows_raise_neither_invalid_nor_divided_by_zero) {
  for (const isa_info& row : usable_isas())
    for (accuracy tier : tiers)
      for (std::int64_t n : {1, 3, 7, 16, 17, 31, 33, 63, 64, 65, 100, 515, 1000})
        for (std::int64_t rows : {1, 3, 5, 17})
          for (float level : {-1e30f, -1000.0f, 0.0f, 1000.0f, 1e30f}) {
            const options how = on(row, tier);
            std::vector<float> x(static_cast<std::size_t>(n * rows)), y(x), w(x);
            std::vector<std::int32_t> experts(x.size()), targets(static_cast<std::size_t>(rows), 0);
            for (std::size_t i = 0; i < x.size(); ++i) x[i] = level + static_cast<float>(i % 37) / 4;
            const const_view in(x.data(), dtype::f32, {rows, n}), target(targets.data(), dtype::i32, {rows, 1});
            const view out(y.data(), dtype::f32, {rows, n}), loss(w.data(), dtype::f32, {rows, 1});
            bool ok = true;
            const unsigned after = control_after(defaults, [&] {
              softmax_form form{.scale = 0.5f};
              ok = softmax_fused(in, out, 1, form, how).ok() && log_softmax(in, out, 1, how).ok() &&
                   softmax(in, out, 1, how).ok() && softmax_gradient(in, out, out, 1, 1, how).ok() &&
                   cross_entropy(in, target, loss, 1, {}, how).ok() &&
                   (n > 1000 || top_k_gating(in, view(w.data(), dtype::f32, {rows, (n + 1) / 2}),
                                             view(experts.data(), dtype::i32, {rows, (n + 1) / 2}), 1, {}, how)
                                    .ok());
            });
            ASSERT_TRUE(ok);
            ASSERT_EQ(after & (invalid | divided_by_zero), 0u)
                << row.name << ": " << rows << " x " << n << " at " << level;
          }
}

// Lanes that are no row's must not be weighed with what only decides the choice.
TEST(environment, biased_gates_raise_neither) {
  for (const isa_info& row : usable_isas())
    for (accuracy tier : tiers)
      for (std::int64_t rows : {1, 5, 16}) {
        std::vector<float> x(static_cast<std::size_t>(8 * rows)), w(x), bias(8, 0.5f);
        std::vector<std::int32_t> experts(x.size());
        for (std::size_t i = 0; i < x.size(); ++i)
          x[i] = -250 - static_cast<float>(i % 8) * 355 - (i % 8 == 7 ? 1e30f : 0.0f);
        const std::int64_t shape[] = {rows, 8}, every_row[] = {0, 1};
        gating_form form{.renormalise = false};
        form.bias = const_view(bias.data(), dtype::f32, shape, every_row);
        bool ok = false;
        const unsigned after = control_after(defaults, [&] {
          ok = top_k_gating(const_view(x.data(), dtype::f32, shape), view(w.data(), dtype::f32, {rows, 4}),
                            view(experts.data(), dtype::i32, {rows, 4}), 1, form, on(row, tier))
                   .ok();
        });
        ASSERT_TRUE(ok);
        EXPECT_EQ(after & (invalid | divided_by_zero), 0u) << row.name << ", " << rows << " rows";
      }
}

// What pads a short vector must not be e^(0 - max).
TEST(environment, low_rows_raise_neither) {
  for (const isa_info& row : usable_isas())
    for (accuracy tier : tiers)
      for (float level = -1; level > -1e37f; level *= 1.0137f)
        for (std::int64_t rows : {1, 5}) {
          std::vector<float> x(static_cast<std::size_t>(3 * rows), level), y(x);
          const const_view in(x.data(), dtype::f32, {rows, 3});
          const view out(y.data(), dtype::f32, {rows, 3});
          const unsigned after = control_after(defaults, [&] {
            softmax_form form{.scale = 0.5f};
            ASSERT_TRUE(softmax(in, out, 1, on(row, tier)).ok() && softmax_fused(in, out, 1, form, on(row, tier)).ok());
          });
          ASSERT_EQ(after & (invalid | divided_by_zero), 0u) << row.name << " at " << level;
        }
}

// FTZ and DAZ take subnormal inputs, results and what is lost of a product next to them, and nothing else.
TEST(environment, flushing_modes_change_small_numbers_only) {
  constexpr float same = 0x1p-90f;    // from here on the same bits
  constexpr float close = 0x1p-124f;  // from here on within 2 units in the last place
  constexpr float lost = 0x1p-125f;   // what a result may change by below that
  const std::vector<float> x = sample(1 << 14);
  for (const isa_info& row : usable_isas())
    for (activation op : all_activations())
      for (const auto f : {run, run_derivative}) {
        const char* what = f == run ? " " : "' ";
        const std::vector<float> expected = f(op, x, on(row));
        const float at_zero = f(op, {0.0f}, on(row))[0];
        std::vector<float> y;
        control_after(flush, [&] { y = f(op, x, on(row)); });
        for (std::size_t i = 0; i < x.size(); ++i) {
          if (same_bits(y[i], expected[i])) continue;
          if (std::fabs(x[i]) < 0x1p-126f && y[i] == at_zero) continue;  // a subnormal input may count as zero
          const float size = std::fmin(std::fabs(x[i]), std::fabs(expected[i])), change = std::fabs(y[i] - expected[i]);
          EXPECT_LT(size, same) << describe(op).name << what << row.name << " at " << x[i];
          EXPECT_LE(change, size < close ? lost : 0x1p-22f * std::fabs(expected[i]))
              << describe(op).name << what << row.name << " at " << x[i] << ": " << y[i] << ", not " << expected[i];
        }
      }
}

// Conversions are integer work or exempt from the modes: f16 subnormals survive DAZ.
TEST(environment, f16_subnormals_survive_flushing_modes) {
  for (const isa_info& row : usable_isas()) {
    std::vector<float16> x(1023);
    for (std::size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<std::uint16_t>(i + 1);
    std::vector<float> y(x.size());
    _mm_setcsr(flush);
    const bool ok =
        activate(activation::relu, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), on(row)).ok();
    _mm_setcsr(defaults);
    ASSERT_TRUE(ok);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], std::ldexp(static_cast<float>(i + 1), -24)) << row.name;
  }
}

#endif

// What the C library says of it, on every machine: on x86 that of the x87, which MXCSR has no part in.
TEST(environment, rounding_mode_survives_every_call) {
  tensors t(9, 70);
  for (const isa_info& row : usable_isas())
    for (const named_call& call : every_call()) {
      ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
      const bool ok = call.run(t, on(row)).ok();
      const int after = std::fegetround();
      std::fesetround(FE_TONEAREST);
      ASSERT_TRUE(ok) << call.name << " on " << row.name;
      ASSERT_EQ(after, FE_UPWARD) << call.name << " on " << row.name;
    }
}

}  // namespace
}  // namespace sigmax_test
