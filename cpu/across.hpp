// Rows of a softmax that lie side by side in memory, where they lie: a vector holds one column of several of them. The
// bits are those of each row alone.
#pragma once

#include "columns.hpp"

namespace sigmax {
namespace {

/// Columns between what is worked on and what is asked for; in each of them across_rows take eight lines.
constexpr std::int64_t columns_ahead = 8;

/// Calls work(c, count) for n columns of x, up to `most` at a time, while later ones come nearer, and behind the last
/// one those of `then`.
template <std::int64_t most, class T, class F>
SIGMAX_FN void for_columns(const T* x, std::int64_t step, const T* then, int rows, std::int64_t n, F work) {
  constexpr int line = 64 / sizeof(T);
  const std::int64_t ahead = n < columns_ahead ? n : columns_ahead;
  for (std::int64_t c = 0, count; c < n; c += count) {
    count = n - c < most ? 1 : most;
    for (std::int64_t i = c + ahead; i < c + ahead + count; ++i)
      for (int v = 0; v < rows; v += line) __builtin_prefetch((i < n ? x + i * step : then + (i - n) * step) + v);
    work(c, count);
  }
}

template <accuracy tier, class T>
void softmax_across(const void* from, std::int64_t x_step, void* to, std::int64_t y_step, int rows, std::int64_t n,
                    bool logarithm, bool streaming, float* room) noexcept {
  using numerators = numerator<tier, true>;
  constexpr bool together = numerators::together, f32 = std::is_same_v<T, float>;
  const auto* const x = static_cast<const ordered<T>*>(from);
  auto* const y = static_cast<ordered<T>*>(to);
  const bool is_short = n <= softmax_turn;
  const int all = is_short && !together ? softmax_turn : softmax_lanes, used = static_cast<int>(n < all ? n : all);
  constexpr int vectors = across_rows / lanes;
  alignas(64) float max[across_rows], start[across_rows], waiting[together ? softmax_lanes * across_rows : 1];
  // Exponentials are kept as lanes of which each has one, or in y; else they are computed again.
  const bool in_lanes = !logarithm && n <= all, in_y = f32 && !logarithm && !in_lanes && !streaming;
  float* const high = room;  // lanes, or `used` values of short rows
  float* const low = room + std::int64_t{softmax_lanes} * rows;

  for (int v = 0; v < rows; v += lanes) vec(-infinity).store_aligned(max + v);
  for_columns<4>(
      x, x_step, x, rows, n, [&](std::int64_t c, std::int64_t count) __attribute__((always_inline)) {
        for (int v = 0; v < rows; v += lanes) {
          vec m = vec::load_aligned(max + v);
          for (std::int64_t i = c; i < c + count; ++i) m = larger(m, load_half(x + i * x_step + v));
          m.store_aligned(max + v);
        }
      });

  numerators numerator_of[vectors];
  for (int v = 0; v < rows; v += lanes) {
    const vec m = vec::load_aligned(max + v);
    numerator_of[v / lanes] = numerators(m);
    if (is_short) continue;
    const vec begin = numerator_of[v / lanes].start(m);
    begin.store_aligned(start + v);
    for (std::int64_t l = 0; l < used; ++l) {
      begin.store_aligned(high + l * rows + v);
      vec(0.0f).store_aligned(low + l * rows + v);
    }
  }
  const auto numerator_at = [&](std::int64_t c, int v) __attribute__((always_inline)) {
    return numerator_of[v / lanes](load_half(x + c * x_step + v));
  };
  for_columns<1>(
      x, x_step, x, rows, n, [&](std::int64_t c, std::int64_t) __attribute__((always_inline)) {
        const std::int64_t lane = (c & (all - 1)) * rows;
        const bool second = together && c % softmax_turn >= softmax_lanes,
                   waits = together && !second && c + softmax_lanes < n;
        for (int v = 0; v < rows; v += lanes) {
          vec e = numerator_at(c, v);
          if constexpr (f32)
            if (in_y) e.store_unaligned(y + c * y_step + v);
          if (waits) {
            e.store_aligned(waiting + lane + v);
            continue;
          }
          if (second) e = vec::load_aligned(waiting + lane + v) + e;
          vec h = e;
          if (!is_short) {
            h = vec::load_aligned(high + lane + v);
            vec l = vec::load_aligned(low + lane + v);
            add<true>(h, l, e);
            l.store_aligned(low + lane + v);
          }
          h.store_aligned(high + lane + v);
        }
      });

  alignas(64) float factor[across_rows], rest[across_rows];
  for (int r = 0; r < rows; r += side_by_side) {
    double total[side_by_side];
    totals_across(high + r, is_short ? nullptr : low + r, rows, used, start + r, total);
    if (logarithm) {
      relative_to_max<tier>(max + r, total);
      logarithms(total, factor + r, rest + r);
    } else {
      quotients(static_cast<double>(numerator_down), total, factor + r, rest + r);
    }
  }
  const auto finish = [&](const auto* soon, std::int64_t step, auto result) __attribute__((always_inline)) {
    for_columns<1>(
        soon, step, x + rows, rows, n, [&](std::int64_t c, std::int64_t) __attribute__((always_inline)) {
          for (int v = 0; v < rows; v += lanes) {
            vec value = result(c, v);
            if constexpr (!f32) value = select(value == value, value, vec(std::numeric_limits<float>::quiet_NaN()));
            if (streaming)
              store_half<true>(y + c * y_step + v, value);
            else
              store_half<false>(y + c * y_step + v, value);
          }
        });
  };
  const auto scaled_by_row = [&](vec e, int v) __attribute__((always_inline)) {
    return scaled<tier>(e, vec::load_aligned(factor + v), vec::load_aligned(rest + v));
  };
  if (logarithm) {
    shifted<tier> shift[vectors];
    for (int v = 0; v < rows; v += lanes)
      shift[v / lanes] = {vec::load_aligned(max + v), vec::load_aligned(factor + v), vec::load_aligned(rest + v)};
    finish(
        x, x_step, [&](std::int64_t c, int v) __attribute__((always_inline)) {
          return shift[v / lanes](load_half(x + c * x_step + v));
        });
  } else if (in_lanes) {
    finish(
        x, x_step, [&](std::int64_t c, int v) __attribute__((always_inline)) {
          return scaled_by_row(vec::load_aligned(high + c * rows + v), v);
        });
  } else if (in_y) {
    if constexpr (f32)
      finish(
          y, y_step, [&](std::int64_t c, int v) __attribute__((always_inline)) {
            return scaled_by_row(vec::load_unaligned(y + c * y_step + v), v);
          });
  } else {
    finish(
        x, x_step, [&](std::int64_t c, int v) __attribute__((always_inline)) {
          return scaled_by_row(numerator_at(c, v), v);
        });
  }
}

template <accuracy tier>
inline constexpr softmax_steps steps = {any_scores<tier>,
                                        row_exp_sum<tier>,
                                        row_scale<tier>,
                                        row_exp_scale<tier>,
                                        row_shift<tier>,
                                        rows_scale<tier>,
                                        rows_shift<tier>,
                                        exp_sum_rows<tier>,
                                        exp_sum_columns<tier>,
                                        relative_to_max<tier>,
                                        scale_columns<tier>,
                                        shift_columns<tier>,
                                        {row_rounded<tier, float16>, row_rounded<tier, bfloat16>},
                                        {softmax_across<tier, float>, softmax_across<tier, float16>,
                                         softmax_across<tier, bfloat16>}};

}  // namespace
}  // namespace sigmax
