// What the softmax kernels share: a row's terms, the scores of its elements, its numerators, and what follows once
// their sum is known. The forms and the edge cases are those of cpu/softmax.cpp.
#pragma once

#include "../kernels/activations/logistic.hpp"
#include "../kernels/activations/parameter.hpp"
#include "block_reduce.cuh"
#include "row_tile.cuh"
#include "softmax_math.hpp"
#include "softmax_policy.hpp"

namespace sigmax {
namespace {

SIGMAX_DEVICE float load_mask(const std::byte* p, dtype type) {
  if (type == dtype::boolean) return to_float(*reinterpret_cast<const boolean*>(p));
  return load_element(p, type);
}

SIGMAX_DEVICE std::byte* place_of(const softmax_arguments& a, std::int64_t row, softmax_operand which) {
  return a.data[which] + row_offset(a.rows, row, which);
}
SIGMAX_DEVICE float value_of(const softmax_arguments& a, std::int64_t row, softmax_operand which, float absent) {
  return a.data[which] != nullptr ? load_element(place_of(a, row, which), a.type[which]) : absent;
}
SIGMAX_DEVICE void set_value(const softmax_arguments& a, std::int64_t row, softmax_operand which, double v) {
  if (a.data[which] != nullptr) store_element(place_of(a, row, which), a.type[which], static_cast<float>(v));
}

/// A row on its way through a kernel. Without `fused` only the first three members are used.
struct softmax_row {
  const std::byte* x;
  std::byte* y;
  std::int64_t begin, end;  ///< columns that are not masked by their position
  const std::byte* mask;
  std::int64_t query;
  float scale, slope, sink;
  // With a loss:
  bool ignored;
  std::int64_t target;
  float target_score;
  double gradient;  ///< of the loss in the direction of x, but for the class
};

template <bool fused>
SIGMAX_DEVICE softmax_row begin_row(const softmax_arguments& a, std::int64_t row) {
  softmax_row r{};
  r.x = place_of(a, row, operand_x);
  if (a.data[operand_y] != nullptr) r.y = place_of(a, row, operand_y);
  r.end = a.columns;
  r.sink = no_score;
  if constexpr (!fused) return r;
  // Offsets beyond +-2^40 mask everything or nothing, as 2^40 does.
  constexpr std::int64_t far = std::int64_t{1} << 40;
  r.query = row_offset(a.rows, row, operand_query) + clamp(a.offset, -far, far);
  if (a.causal) {
    r.end = clamp(r.query + 1, 0, a.columns);
    if (a.window > 0) r.begin = clamp(r.query - (a.window < far ? a.window : far) + 1, 0, r.end);
  }
  r.scale = a.scale * value_of(a, row, operand_row_scale, 1);
  r.slope = value_of(a, row, operand_slopes, 0);
  r.sink = value_of(a, row, operand_sinks, no_score);
  if (a.data[operand_mask] != nullptr) r.mask = place_of(a, row, operand_mask);
  if (a.data[operand_targets] == nullptr) return r;
  const std::byte* const target = place_of(a, row, operand_targets);
  r.target = a.type[operand_targets] == dtype::i32 ? *reinterpret_cast<const std::int32_t*>(target)
                                                   : *reinterpret_cast<const std::int64_t*>(target);
  r.ignored = r.target == a.ignored;
  if (r.ignored) {
    r.end = 0;
    return r;
  }
  // Nobody has looked at the targets before: one that is no class makes a loss NaN and is no column.
  r.target_score = from_bits(0x7fc00000u);
  if (r.target >= 0 && r.target < a.columns) {
    const std::int64_t offset = r.target * a.x_stride * bytes_of(a.type[operand_x]);
    r.target_score = load_element(r.x + offset, a.type[operand_x]) * r.scale;
  }
  r.gradient = static_cast<double>(value_of(a, row, operand_dloss, 1)) * static_cast<double>(r.scale);
  return r;
}

/// The scores of n elements; column(i) is the place of the i-th along the axis, and is inside the row.
template <int n, class Column>
SIGMAX_DEVICE void score(const softmax_arguments& a, const softmax_row& r, float (&t)[n], Column column) {
#pragma unroll
  for (int i = 0; i < n; ++i) t[i] = t[i] * r.scale;
  if (a.softcap != 0) {
    const softcap_op cap{a.softcap};
#pragma unroll
    for (int i = 0; i < n; ++i) t[i] = cap(t[i]);
  }
  if (r.slope != 0) {
#pragma unroll
    for (int i = 0; i < n; ++i) t[i] = fma_exact(r.slope, static_cast<float>(column(i) - r.query), t[i]);
  }
  if (r.mask == nullptr) return;
  const std::int64_t step = a.mask_stride * bytes_of(a.type[operand_mask]);
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const std::int64_t c = column(i);
    if (c < r.begin || c >= r.end) continue;
    const float m = load_mask(r.mask + c * step, a.type[operand_mask]);
    t[i] = m > no_score ? t[i] + m : m == no_score ? no_score : m;
  }
}

/// NaN if one of them is.
SIGMAX_DEVICE float largest_or_nan(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float m;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(m) : "f"(a), "f"(b));
  return m;
#else
  return a != a || a > b ? a : b;
#endif
}
/// The same of a word of a vector: one f32, or two numbers of 16 bits each for itself.
SIGMAX_DEVICE std::uint32_t largest_pair(std::uint32_t a, std::uint32_t b, float) {
  return bits_of(largest_or_nan(from_bits(a), from_bits(b)));
}
template <class T>
SIGMAX_DEVICE std::uint32_t largest_pair(std::uint32_t a, std::uint32_t b, T) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t m;
  if constexpr (std::is_same_v<T, float16>)
    asm("max.NaN.f16x2 %0, %1, %2;" : "=r"(m) : "r"(a), "r"(b));
  else
    asm("max.NaN.bf16x2 %0, %1, %2;" : "=r"(m) : "r"(a), "r"(b));
  return m;
#else
  const auto half = [](std::uint32_t word, int shift) {
    return to_float(T{static_cast<std::uint16_t>(word >> shift)});
  };
  return pack_two<T>(largest_or_nan(half(a, 0), half(b, 0)), largest_or_nan(half(a, 16), half(b, 16)));
#endif
}

/// How numerators are computed; all of a row, its sink's included, in one way.
enum class numerator_form {
  fine,     ///< as good as f32, with a sum for a logarithm, or of more than most_in_two
  precise,  ///< the same, without `offset`, with a sum of two pieces
  near,     ///< by estimates, the largest score being near enough to 0 to be subtracted after the multiplication
  apart,    ///< by estimates of e^(t - shift), for a logarithm or where it is not
};

/// Numerators near are below 2^16, so that the exponents of those that count are, too, and rounded to 2^-21: up to the
/// largest |shift| its product and `exponent` are rounded by no more than 2^-11 each, for which 2^-9 leaves room.
inline constexpr int near_power = 16;
inline constexpr float largest_near = 0x1p13f, near_exponent = near_power - 0x1p-9f;

/// From the largest score on: what the row's elements are measured by.
struct row_scale {
  float max;    ///< the largest score, the sink's included, of those that are not NaN
  float shift;  ///< what is subtracted: max, or 0 where there is no score to subtract
  math::row_maximum<float> reference;
  float exponent;  ///< `near`: of 2, what t log2(e) is added to
  numerator_form form;
  bool precise;  ///< as the arguments say, or as the compiler knows
};
template <bool fused>
SIGMAX_DEVICE row_scale scale_of(const softmax_arguments& a, const softmax_row& r, float most, bool precise) {
  row_scale s;
  s.precise = precise;
  s.max = __builtin_fmaxf(most, r.sink);
  s.shift = fused && s.max == no_score && (a.zeros || r.ignored) ? 0.0f : s.max;
  s.reference = math::reduce_maximum(s.shift);
  s.exponent = near_exponent - s.shift * math::log2_e;
  s.form = precise ? a.fine || s.reference.offset != 0 ? numerator_form::fine : numerator_form::precise
           : a.near && abs(s.shift) <= largest_near ? numerator_form::near
                                                    : numerator_form::apart;
  return s;
}

/// 2^t within 2 ULP, 0 where that is below 2^-126 (PTX ISA, ex2.approx.ftz.f32).
SIGMAX_DEVICE float exp2_estimate(float t) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(t));
  return y;
#else
  return __builtin_exp2f(t);
#endif
}

/// Numerators: 2^25 e^(t - shift) or, if near, 2^16 e^(t - shift); but for a factor that all of a row share, if near or
/// precise (math::exp_below). Where results have 16 bits and nothing else is asked for, they need not be precise: the
/// estimate has an error of 2^-22, and the exponent's rounding one of 2^-21.5 or, below what f16 has normal numbers
/// for, 2^-24 of the exponent. So numerators and sum are within 2^-20.7 each, and results within 0.503 ULP. By
/// estimates a logarithm wants the largest one exact: its own result may be the others' sum alone.
template <bool offset = true, int n>
SIGMAX_DEVICE void numerators(const row_scale& s, numerator_form form, const float (&t)[n], float (&e)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
    if (form == numerator_form::fine || form == numerator_form::precise) {
      e[i] = math::exp_below<offset>(t[i], s.reference);
    } else if (form == numerator_form::near) {
      e[i] = exp2_estimate(fma_exact(t[i], math::log2_e, s.exponent));
    } else {
      const float d = t[i] - s.shift, estimate = exp2_estimate(fma_exact(d, math::log2_e, 25.0f));
      e[i] = d == 0 ? numerator_up : estimate;
    }
  }
}

/// Adds up numerators of one form.
template <int n>
SIGMAX_DEVICE void add(numerator_sum& sum, numerator_form form, const float (&e)[n]) {
  if (form == numerator_form::near)
    sum.add_in_two<near_power>(e);
  else if (form == numerator_form::precise)
    sum.add_in_two<numerator_power>(e);
  else
    sum.add(e, true);
}
SIGMAX_DEVICE exact_total total_of(const numerator_sum& sum, numerator_form form, std::uint32_t count) {
  return form == numerator_form::near      ? sum.total_of_two<near_power>(count)
         : form == numerator_form::precise ? sum.total_of_two<numerator_power>(count)
                                           : sum.total(count, count, count);
}

/// The total of a row from what each thread has of it; `first`, for one thread, adds the sink.
template <class Group>
SIGMAX_DEVICE exact_total total_of(const softmax_arguments& a, const softmax_row& r, const row_scale& s, Group& group,
                                   exact_total mine, bool nan, bool first) {
  if (first && a.data[operand_sinks] != nullptr) {
    numerator_sum sum;
    const float sink[1] = {r.sink};
    float e[1];
    numerators(s, s.form, sink, e);
    add(sum, s.form, e);
    mine.add(total_of(sum, s.form, 1));
    nan = nan || r.sink != r.sink;
  }
  return group.add(mine, nan);
}

/// What the last pass multiplies by or subtracts.
struct row_result {
  factors factor;
  float before;
  math::row_logarithm<float> logarithm;
  float shift, log_sum;  ///< of one that need not be precise
  float target;          ///< the result in the target's column, of a loss; only who writes it may trust it, in place
};

/// The loss of one row from the logarithm of its sum.
SIGMAX_DEVICE double loss_of(const softmax_arguments& a, const softmax_row& r, float shift, double log_sum,
                             double score_sum) {
  if (r.ignored) return 0;
  const double e = a.smoothing, m = static_cast<double>(shift);
  const double loss = e < 1 ? (1 - e) * (log_sum - (static_cast<double>(r.target_score) - m)) : 0;
  return e > 0 ? loss + e * (log_sum - (score_sum / static_cast<double>(a.columns) - m)) : loss;
}

/// Column `target` of a loss's gradient, where 1 is subtracted from a probability that may be all but 1: in double.
/// `sum` of numerators.
SIGMAX_DEVICE float target_gradient(const softmax_arguments& a, const softmax_row& r, const row_scale& s, double sum) {
  const double spread = a.smoothing / static_cast<double>(a.columns);
  const double numerator =
      static_cast<double>(math::exp_below<true>(r.target_score, s.reference)) * static_cast<double>(numerator_down);
  return static_cast<float>(r.gradient * ((numerator - sum) / sum + (a.smoothing - spread)));
}

/// Of numerators near, and the reciprocal of their sum: nothing else is asked for.
template <bool fused>
SIGMAX_DEVICE row_result finish_near(const softmax_arguments& a, float reciprocal) {
  row_result result{};
  result.before = 1;
  result.factor.high = fused ? reciprocal * a.output_scale : reciprocal;
  return result;
}

/// `first`: this thread speaks for the row. `total` as added up, not carried; of a given state nothing.
template <bool fused>
SIGMAX_DEVICE row_result finish_row(const softmax_arguments& a, const softmax_row& r, const row_scale& s,
                                    std::int64_t row, exact_total total, double score_sum, bool first) {
  const bool nan = total.low >= poison || s.shift == infinity || s.shift == no_score || s.shift != s.shift;
  total.carry();
  const bool given = fused && a.finish;
  const float not_a_number = from_bits(0x7fc00000u);
  const bool empty = fused && (total.top | total.high | total.low) == 0;
  if (s.form == numerator_form::near)
    return finish_near<fused>(a, nan ? not_a_number : empty ? 0.0f : reciprocal_of_two<near_power>(total));
  row_result result{};
  result.before = 1;
  const bool plain =
      !fused || (!a.partial && !given && a.data[operand_max] == nullptr && a.data[operand_sum] == nullptr &&
                 a.data[operand_lse] == nullptr && a.data[operand_targets] == nullptr && a.output_scale == 1);
  if (plain && !a.logarithm) {
    result.factor = s.form == numerator_form::precise ? reciprocal_of_units(units_of(total)) : reciprocal_of(total);
    if (!s.precise) result.factor.low = 0;
    if (nan || empty) result.factor = {nan ? not_a_number : 0.0f, 0};
    return result;
  }
  // Of numerators, and relative to e^shift.
  const float of_max = s.precise ? math::exp_below<true>(s.shift, s.reference) * numerator_down : 1.0f;
  const float rest = s.precise ? math::rest_of_maximum(s.shift, s.reference) : 0.0f;
  double sum = as_sum(total), relative = math::relative_to_max(sum, of_max, rest);
  if (given) {
    relative = static_cast<double>(value_of(a, row, operand_sum, 1));
    sum = relative * static_cast<double>(of_max);
  }
  if (nan) sum = relative = static_cast<double>(not_a_number);
  const bool needs_logarithm = a.logarithm || a.data[operand_lse] != nullptr || a.data[operand_loss] != nullptr;
  const double log_sum = needs_logarithm ? log_of(relative) : 0;
  if constexpr (fused) {
    if (first && !given) {
      set_value(a, row, operand_max, static_cast<double>(s.max) + 0.0);  // -0 is 0
      set_value(a, row, operand_sum, relative);
      set_value(a, row, operand_lse, static_cast<double>(s.shift) + log_sum);
      if (a.data[operand_loss] != nullptr) set_value(a, row, operand_loss, loss_of(a, r, s.shift, log_sum, score_sum));
    }
    // Without any score the numerators are 0, and -inf as logarithms: nothing may be made of them.
    if (sum == 0 || r.ignored) return result;
  }
  if (a.logarithm) {
    const factors parts = two_parts(log_sum);
    result.logarithm = math::reduce_logarithm(s.shift, parts.high, parts.low);
    result.shift = s.shift, result.log_sum = parts.high;
    return result;
  }
  const double scale = a.data[operand_dloss] != nullptr ? r.gradient : static_cast<double>(a.output_scale);
  if (fused && a.data[operand_dloss] != nullptr) result.target = target_gradient(a, r, s, sum);
  result.factor = two_parts(scale / sum);
  result.before = numerator_down;
  return result;
}

/// Scores become logarithms.
template <int n>
SIGMAX_DEVICE void finish_logarithms(const row_result& result, bool precise, float (&t)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i)
    t[i] = precise ? math::log_below(t[i], result.logarithm) : (t[i] - result.shift) - result.log_sum;
}
/// Numerators become probabilities.
template <bool fused, int n>
SIGMAX_DEVICE void finish_numerators(const row_result& result, bool precise, float (&t)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
    if (fused) t[i] = t[i] * result.before;
    t[i] = precise ? scaled(t[i], result.factor) : t[i] * result.factor.high;
  }
}
/// Numerators, or scores if it is a logarithm, become results; column(i) is the place of the i-th along the axis.
template <bool fused, int n, class Column>
SIGMAX_DEVICE void finish_elements(const softmax_arguments& a, const softmax_row& r, const row_result& result,
                                   float (&t)[n], Column column) {
  if (a.logarithm) return finish_logarithms(result, a.precise, t);
  finish_numerators<fused>(result, a.precise, t);
  if (!fused || a.data[operand_dloss] == nullptr || r.ignored) return;
  const auto less = static_cast<float>(-r.gradient * (a.smoothing / static_cast<double>(a.columns)));
#pragma unroll
  for (int i = 0; i < n; ++i) t[i] = column(i) == r.target ? result.target : t[i] + less;
}

}  // namespace
}  // namespace sigmax
