// Rows of a softmax that lie side by side in memory, where they lie: a vector holds one column of several of them. The
// bits are those of each row alone.
#pragma once

#include "columns.hpp"

namespace sigmax {
namespace {

/// Columns between what is worked on and what is asked for; in each of them across_rows take eight lines.
constexpr std::int64_t columns_ahead = 8;

/// Columns that are read: column c of the rows at x + c step, and behind the last one those of the next rows.
template <class T>
struct columns_of {
  const T* x;
  std::int64_t step;
  const T* next;
  SIGMAX_FN void ask_for(std::int64_t c, std::int64_t n, int rows) const {
    const T* const column = c < n ? x + c * step : next + (c - n) * step;
    for (int v = 0; v < rows; v += 64 / sizeof(T)) __builtin_prefetch(column + v);
  }
};
/// Calls work(c, count) for n columns, up to `most` at a time, while later ones come nearer.
template <std::int64_t most, class F, class... Columns>
SIGMAX_FN void for_columns(int rows, std::int64_t n, F work, const Columns&... read) {
  const std::int64_t ahead = n < columns_ahead ? n : columns_ahead;
  for (std::int64_t c = 0, count; c < n; c += count) {
    count = n - c < most ? 1 : most;
    for (std::int64_t i = c + ahead; i < c + ahead + count; ++i) (read.ask_for(i, n, rows), ...);
    work(c, count);
  }
}

/// A NaN, which comes from one of as many bits or from an operation, survives.
template <class T>
SIGMAX_FN void store_across(T* p, vec v, bool streaming) {
  if (streaming)
    store_half<true>(p, v);
  else
    store_half<false>(p, v);
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
  const columns_of<ordered<T>> again{x, x_step, x}, following{x, x_step, x + rows};
  for_columns<4>(
      rows, n,
      [&](std::int64_t c, std::int64_t count) __attribute__((always_inline)) {
        for (int v = 0; v < rows; v += lanes) {
          vec m = vec::load_aligned(max + v);
          for (std::int64_t i = c; i < c + count; ++i) m = larger(m, load_half(x + i * x_step + v));
          m.store_aligned(max + v);
        }
      },
      again);

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
      rows, n,
      [&](std::int64_t c, std::int64_t) __attribute__((always_inline)) {
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
      },
      again);

  alignas(64) float factor[across_rows], rest[across_rows];
  for (int r = 0; r < rows; r += side_by_side) {
    double total[side_by_side];
    totals_across(high + r, is_short ? nullptr : low + r, rows, used, start + r, numerator_down, total);
    if (logarithm) {
      relative_to_max<tier>(max + r, total);
      logarithms(total, factor + r, rest + r);
    } else {
      quotients(static_cast<double>(numerator_down), total, factor + r, rest + r);
    }
  }
  const auto finish = [&](auto result) __attribute__((always_inline)) {
    for_columns<1>(
        rows, n,
        [&](std::int64_t c, std::int64_t) __attribute__((always_inline)) {
          for (int v = 0; v < rows; v += lanes) {
            store_across(y + c * y_step + v, result(c, v), streaming);
          }
        },
        following);
  };
  const auto scaled_by_row = [&](vec e, int v) __attribute__((always_inline)) {
    return scaled<tier>(e, vec::load_aligned(factor + v), vec::load_aligned(rest + v));
  };
  if (logarithm) {
    shifted<tier> shift[vectors];
    for (int v = 0; v < rows; v += lanes)
      shift[v / lanes] = {vec::load_aligned(max + v), vec::load_aligned(factor + v), vec::load_aligned(rest + v)};
    finish([&](std::int64_t c, int v)
               __attribute__((always_inline)) { return shift[v / lanes](load_half(x + c * x_step + v)); });
  } else if (in_lanes) {
    finish([&](std::int64_t c, int v)
               __attribute__((always_inline)) { return scaled_by_row(vec::load_aligned(high + c * rows + v), v); });
  } else if (in_y) {
    if constexpr (f32)
      finish([&](std::int64_t c, int v)
                 __attribute__((always_inline)) { return scaled_by_row(vec::load_unaligned(y + c * y_step + v), v); });
  } else {
    finish([&](std::int64_t c, int v) __attribute__((always_inline)) { return scaled_by_row(numerator_at(c, v), v); });
  }
}

template <bool logarithm, class T>
SIGMAX_FN void gradient_of(const columns_of<T>& dy, const columns_of<T>& y, T* dx, std::int64_t dx_step, int rows,
                           std::int64_t n, float scale, bool streaming, float* room) {
  const int used = static_cast<int>(n < softmax_lanes ? n : softmax_lanes);
  const bool single = n <= softmax_lanes;  // a value a lane
  float *const high = room, *const low = room + std::int64_t{used} * rows;
  if (!single) std::fill_n(room, std::int64_t{2} * used * rows, 0.0f);
  const auto sum = [&](std::int64_t c, std::int64_t) __attribute__((always_inline)) {
    const std::int64_t lane = c % softmax_lanes * rows;
    for (int v = 0; v < rows; v += lanes) {
      const vec g = load_half(dy.x + c * dy.step + v);
      vec value = g, rest(0.0f);
      if constexpr (!logarithm) {
        const vec p = load_half(y.x + c * y.step + v);
        value = g * p, rest = fma_exact(g, p, negate(value));
      }
      vec h = value, l = rest + (value - value);  // as additions to 0 leave it, also of infinities
      if (!single) {
        h = vec::load_aligned(high + lane + v), l = vec::load_aligned(low + lane + v);
        add_exact(h, l, value);
        if constexpr (!logarithm) add_exact(h, l, rest);
      }
      h.store_aligned(high + lane + v);
      l.store_aligned(low + lane + v);
    }
  };
  const columns_of<T> dy_again{dy.x, dy.step, dy.x}, y_again{y.x, y.step, y.x};
  if constexpr (logarithm)
    for_columns<1>(rows, n, sum, dy_again);
  else
    for_columns<1>(rows, n, sum, dy_again, y_again);

  alignas(64) float sum_high[across_rows], sum_low[across_rows], none[side_by_side] = {};
  for (int r = 0; r < rows; r += side_by_side) {
    double total[side_by_side];
    totals_across(high + r, low + r, rows, used, none, 1, total);
    in_parts(
        total, sum_high + r, sum_low + r, [](double t) __attribute__((always_inline)) { return t; });
  }
  for_columns<1>(
      rows, n,
      [&](std::int64_t c, std::int64_t) __attribute__((always_inline)) {
        for (int v = 0; v < rows; v += lanes) {
          const gradient_step<logarithm> one{vec(scale), vec::load_aligned(sum_high + v),
                                             vec::load_aligned(sum_low + v)};
          store_across(dx + c * dx_step + v, one(load_half(dy.x + c * dy.step + v), load_half(y.x + c * y.step + v)),
                       streaming);
        }
      },
      dy, y);
}
template <class T>
void gradient_across(const void* dy, std::int64_t dy_step, const void* y, std::int64_t y_step, void* dx,
                     std::int64_t dx_step, int rows, std::int64_t n, bool logarithm, float scale, bool streaming,
                     float* room) noexcept {
  const auto columns = [&](const void* p, std::int64_t step) __attribute__((always_inline)) {
    const auto* const x = static_cast<const ordered<T>*>(p);
    return columns_of<ordered<T>>{x, step, x + rows};
  };
  const auto loop = logarithm ? gradient_of<true, ordered<T>> : gradient_of<false, ordered<T>>;
  loop(columns(dy, dy_step), columns(y, y_step), static_cast<ordered<T>*>(dx), dx_step, rows, n, scale, streaming,
       room);
}

template <accuracy tier>
inline constexpr softmax_steps steps = {
    any_scores<tier>,
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
    {softmax_across<tier, float>, softmax_across<tier, float16>, softmax_across<tier, bfloat16>}};

}  // namespace
}  // namespace sigmax
