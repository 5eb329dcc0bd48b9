// Short rows: 16 of them side by side, entry c of row r at [16 c + r], so that a vector holds one column of several
// rows and nothing is added or compared across a vector. The sums are those of kernels/softmax_state.hpp.
#pragma once

#include <limits>

#include "softmax.hpp"

namespace sigmax {
namespace {

static_assert(side_by_side % lanes == 0);

/// Every stage interleaves the two halves of the rows; after log2(lanes) of them rows are columns.
SIGMAX_FN void transpose(vec (&a)[lanes]) {
  for (int stage = 1; stage < lanes; stage *= 2) {
    vec b[lanes];
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < lanes / 2; ++i) {
      b[2 * i] = xsimd::zip_lo(a[i], a[i + lanes / 2]);
      b[2 * i + 1] = xsimd::zip_hi(a[i], a[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) a[i] = b[i];
  }
}

/// Where a block of columns begins, as many as a vector has lanes if there are: the last one is done together with some
/// before it, once more, which is cheaper than a part of a vector.
SIGMAX_FN std::int64_t block_at(std::int64_t c, std::int64_t n) { return n >= lanes && n - c < lanes ? n - lanes : c; }
/// Whether columns are so few that one by one is the fastest, where storing a part of a vector takes a detour through
/// the stack.
SIGMAX_FN bool one_by_one(std::int64_t n) { return lanes <= 8 && n < lanes; }

void to_columns(const float* x, std::int64_t stride, int rows, std::int64_t n, float* t, std::int64_t step) noexcept {
  // What is not there repeats the first row.
  if (one_by_one(n)) {
    for (int r = 0; r < side_by_side; ++r)
      for (std::int64_t c = 0; c < n; ++c) t[c * step + r] = x[(r < rows ? r : 0) * stride + c];
    return;
  }
  for (int v = 0; v < side_by_side; v += lanes)
    for (std::int64_t done = 0; done < n; done += lanes) {
      const std::int64_t c = block_at(done, n), count = n < lanes ? n : lanes;
      vec a[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        const float* const p = x + (v + r < rows ? v + r : 0) * stride + c;
        a[r] = count == lanes ? vec::load_unaligned(p) : load_partial(p, count).first;
      }
      transpose(a);
      for (int i = 0; i < count; ++i) a[i].store_unaligned(t + (c + i) * step + v);
    }
}

void from_columns(const float* t, std::int64_t step, float* y, std::int64_t stride, int rows, std::int64_t n) noexcept {
  if (one_by_one(n)) {
    for (int r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < n; ++c) y[r * stride + c] = t[c * step + r];
    return;
  }
  for (int v = 0; v < rows; v += lanes)
    for (std::int64_t done = 0; done < n; done += lanes) {
      const std::int64_t c = block_at(done, n), count = n < lanes ? n : lanes;
      vec a[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) a[i] = vec::load_unaligned(t + (c + (i < count ? i : 0)) * step + v);
      transpose(a);
      for (int r = 0; r < lanes && v + r < rows; ++r) {
        float* const p = y + (v + r) * stride + c;
        if (count == lanes)
          a[r].store_unaligned(p);
        else
          store_partial(p, {a[r], a[r]}, count);
      }
    }
}

void max_columns(const float* t, std::int64_t n, float* max) noexcept {
  for (int v = 0; v < side_by_side; v += lanes) {
    vec m(-infinity);
    for (std::int64_t c = 0; c < n; ++c) {
      const vec x = vec::load_unaligned(t + c * side_by_side + v);
      m = larger(m, x);
    }
    m.store_unaligned(max + v);
  }
}

void max_rows(const float* x, std::int64_t stride, int rows, std::int64_t n, const score_terms* terms,
              float* max) noexcept {
  bool poisoned = false;
  alignas(64) float found[side_by_side * lanes], t[side_by_side * lanes];
  with_score(
      terms, [&](auto kind) __attribute__((always_inline)) {
        nan_search<decltype(kind)> nan;
        for (std::int64_t r = 0; r < rows; ++r)
          lanes_max(x + r * stride, n, score_of<decltype(kind)>(terms, r), vec(-infinity), nan)
              .store_aligned(found + r * lanes);
        poisoned = nan.found();
      });
  to_columns(found, lanes, rows, lanes, t, side_by_side);
  max_columns(t, lanes, max);
  if (poisoned) std::fill_n(max, rows, std::numeric_limits<float>::quiet_NaN());
}

/// The numerators of up to side_by_side rows, prepared for all of them at once: one by one each row would wait for its
/// own.
template <accuracy tier>
struct row_numerators {
  alignas(64) float terms[3][side_by_side];
  alignas(64) float starts[side_by_side];  ///< unless rows are short
  bool offset = false;

  __attribute__((noinline)) row_numerators(const float* max, int rows, bool is_short) {
    for (int v = 0; v < rows; v += lanes) {
      const vec m = vec::load_unaligned(max + v);
      const auto row = math::reduce_maximum(m);
      if (!is_short) numerator<tier, true>(row).start(m).store_aligned(starts + v);
      row.offset.store_aligned(terms[0] + v);
      row.bias.store_aligned(terms[1] + v);
      row.lowest.store_aligned(terms[2] + v);
      offset = offset || xsimd::any(row.offset != vec(0.0f));
    }
  }
  template <bool with_offset>
  SIGMAX_FN numerator<tier, with_offset> of(int r) const {
    const auto term = [&](int i) __attribute__((always_inline)) { return vec(terms[i][r]); };
    return numerator<tier, with_offset>(math::row_maximum<vec>{term(0), term(1), term(2)});
  }
};

/// A row of no more than a turn, each of whose values or, `together`, sums of two is a lane.
template <class Score, class F>
SIGMAX_FN void exp_short(const float* x, float* y, std::int64_t n, float max, Score score, F numerator_of,
                         float* lane) {
  constexpr int used = F::together ? softmax_lanes : softmax_turn;
  const auto keep = [=](vec e, int at) __attribute__((always_inline)) {
    if (at >= used) e = vec::load_aligned(lane + at - used) + e;
    e.store_aligned(lane + at % used);
  };
  int at = 0;
  for (; at + pair_size <= n; at += pair_size) {
    const pair v = score(load(x + at), at, pair_size), e{numerator_of(v.first), numerator_of(v.second)};
    if (y != nullptr) store<false>(y + at, e);
    keep(e.first, at);
    keep(e.second, at + lanes);
  }
  for (; at < softmax_turn; at += lanes) {
    const std::int64_t count = n - at;
    if (count <= 0 && at >= used) return;
    vec e(0.0f);
    if (count >= lanes) {
      e = numerator_of(score(vec::load_unaligned(x + at), at, lanes));
      if (y != nullptr) e.store_unaligned(y + at);
    } else if (count > 0) {
      const vec v = score(load_partial(x + at, count).first, at, count);
      e = numerator_of(padded({v, v}, count, vec(max)).first);
      if (y != nullptr) store_partial(y + at, {e, e}, count);
      e = padded({e, e}, count, vec(0.0f)).first;
    }
    keep(e, at);
  }
}

/// The totals of rows whose lanes are `step` floats apart, times `factor`, stored as vectors, for so they are read
/// next: a load of what was stored in parts waits until these are in the cache, behind all other stores
/// (cpu/README.md).
template <int used>
__attribute__((noinline)) void rows_total(const float* high, const float* low, std::size_t step, int rows,
                                          const float* starts, float factor, double* total) noexcept {
  constexpr int width = lanes / 2;
  for (int first = 0; first < rows; first += width) {
    vec_double v[width];
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) {
      v[i] = vec_double(1.0);
      if (const int r = first + i; r < rows) {
        const std::size_t at = static_cast<std::size_t>(r) * step;
        v[i] = lanes_met<used>(high + at, low != nullptr ? low + at : nullptr, starts[r]);
      }
    }
    // Those that are left meet in the same order, of two rows at a time.
#pragma GCC unroll 3
    for (int half = width / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) v[i] = xsimd::zip_lo(v[i], v[i + half]) + xsimd::zip_hi(v[i], v[i + half]);
    (v[0] * vec_double(static_cast<double>(factor))).store_unaligned(total + first);
  }
}

/// exp_sum of rows whose maxima are small in size, while those before leave and those that come are looked at. Sums
/// that are yet to begin do so at `starts`, which are filled.
template <accuracy tier, class Score>
__attribute__((noinline)) void exp_sum_looking(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                                               const float* next, int rows, std::int64_t n, const float* max,
                                               const score_terms* terms, float* starts, softmax_sum* sum,
                                               outgoing_rows& before) noexcept {
  for (int r = 0; r < rows; ++r) {
    const float* const in = x + r * x_stride;
    float* const out = y != nullptr ? y + r * y_stride : nullptr;
    const Score score = score_of<Score>(terms, r);
    const numerator<tier, false> e{vec(max[r])};
    if (!sum[r].begun) starts[r] = e.start(vec(max[r])).get(0);
    with_drain<tier, true>(
        before, r, in, n, score, [&](auto& meanwhile) __attribute__((always_inline)) {
          exp_sum<to_l2>(in, out, next + r * x_stride, n, max[r], score, e, sum[r], sum[r].begun ? nullptr : starts + r,
                         meanwhile);
        });
  }
}

template <accuracy tier>
void row_exp_sum(const float* x, float* y, const float* next, std::int64_t n, float max, const score_terms* terms,
                 softmax_sum& sum, outgoing_rows* before) noexcept {
  with_score(
      terms, [&](auto score) __attribute__((always_inline)) {
        using Score = decltype(score);
        if (before != nullptr && is_small(max)) {
          if (!sum.begun) sum.begin(numerator<tier, false>(vec(max)).start(vec(max)).get(0));
          return exp_sum_looking<tier, Score>(x, 0, y, 0, next, 1, n, &max, terms, nullptr, &sum, *before);
        }
        if (before != nullptr) drain_alone<tier, true>(*before, 0, x, n, score);  // rare: not worth a loop for both
        exp_sum_alone<tier>(x, y, next, n, max, score, sum);
      });
}

/// Numerators first, then all sums: what is in flight at a time is then independent.
template <accuracy tier, bool draining, class Score>
__attribute__((noinline)) void exp_sum_rows_of(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                                               const float* next, int rows, std::int64_t n, const float* max,
                                               const score_terms* terms, double* total,
                                               outgoing_rows* before) noexcept {
  constexpr int used = numerator<tier, false>::together ? softmax_lanes : softmax_turn;
  const bool is_short = n <= softmax_turn, looking = draining && n >= looking_columns;
  constexpr std::size_t sum_step = sizeof(softmax_sum) / sizeof(float);
  softmax_sum sum[side_by_side];
  if (looking && all_small(max, rows)) {
    float starts[side_by_side];
    exp_sum_looking<tier, Score>(x, x_stride, y, y_stride, next, rows, n, max, terms, starts, sum, *before);
    return rows_total<softmax_lanes>(sum[0].high, sum[0].low, sum_step, rows, starts, numerator_down, total);
  }
  const row_numerators<tier> numerators(max, rows, is_short);
  if (draining && numerators.offset) {  // rare: not worth loops for both
    for (int r = 0; r < rows; ++r) {
      const Score score = score_of<Score>(terms, r);
      if (looking)
        drain_alone<tier, true>(*before, r, x + r * x_stride, n, score);
      else if (r < before->rows)
        drain_alone<tier, false>(*before, r, x + r * x_stride, n, score);
    }
    return exp_sum_rows_of<tier, false, Score>(x, x_stride, y, y_stride, next, rows, n, max, terms, total, nullptr);
  }
  alignas(64) float lane[side_by_side][softmax_turn];  // of short rows
  for (int r = 0; r < rows; ++r) {
    const float* const in = x + r * x_stride;
    float* const out = y != nullptr ? y + r * y_stride : nullptr;
    const float *const soon = next + r * x_stride, *const start = &numerators.starts[r];
    const Score score = score_of<Score>(terms, r);
    const auto e = numerators.template of<false>(r);
    const bool leaves = draining && r < before->rows;
    if (is_short) {
      for (std::int64_t i = 0; i < n; i += 16) __builtin_prefetch(soon + i);
      if (leaves) drain_alone<tier, false>(*before, r, in, n, score);
      if (numerators.offset)
        exp_short(in, out, n, max[r], score, numerators.template of<true>(r), lane[r]);
      else
        exp_short(in, out, n, max[r], score, e, lane[r]);
    } else if (numerators.offset || leaves != draining) {
      exp_sum_alone<tier>(in, out, soon, n, max[r], score, sum[r]);
    } else if constexpr (draining) {
      with_drain<tier, false>(
          *before, r, in, n, score, [&](auto& meanwhile) __attribute__((always_inline)) {
            exp_sum<to_l1>(in, out, soon, n, max[r], score, e, sum[r], start, meanwhile);
          });
    } else {
      no_drain none;
      exp_sum<to_l1>(in, out, soon, n, max[r], score, e, sum[r], start, none);
    }
  }
  if (is_short)
    rows_total<used>(lane[0], nullptr, softmax_turn, rows, numerators.starts, numerator_down, total);
  else
    rows_total<softmax_lanes>(sum[0].high, sum[0].low, sum_step, rows, numerators.starts, numerator_down, total);
}

template <accuracy tier>
void exp_sum_rows(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, const float* next, int rows,
                  std::int64_t n, const float* max, const score_terms* terms, double* total,
                  outgoing_rows* before) noexcept {
  with_score(
      terms, [&](auto score) __attribute__((always_inline)) {
        using Score = decltype(score);
        const auto loop = before == nullptr ? exp_sum_rows_of<tier, false, Score> : exp_sum_rows_of<tier, true, Score>;
        loop(x, x_stride, y, y_stride, next, rows, n, max, terms, total, before);
      });
}

/// The totals of side_by_side rows from the sums of their lanes, as rows_total makes them; a row's lane is `step`
/// behind the one before it. `low` null: each of the `used` lanes is a value.
__attribute__((noinline)) void totals_across(const float* high, const float* low, std::int64_t step, int used,
                                             const float* start, float unit, double* total) noexcept {
  constexpr int rows = side_by_side, met = 16;  // down to so many the low parts meet in float
  static constexpr float nothing[rows] = {};
  alignas(64) double sum[softmax_turn][rows];
  for (int l = 0; l < used; ++l)
    for (int r = 0; r < rows; ++r) sum[l][r] = static_cast<double>(high[l * step + r]);
  for (int half = softmax_turn / 2; half > 0; half /= 2) {
    for (int l = 0; l < half && l + half < used; ++l)
      for (int r = 0; r < rows; ++r) sum[l][r] += sum[l + half][r];
    if (low == nullptr || half != met) continue;
    for (int l = 0; l < met && l < used; ++l) {
      const float* const other = l + met < used ? low + (l + met) * step : nothing;
      for (int r = 0; r < rows; ++r)
        sum[l][r] = (sum[l][r] - static_cast<double>(start[r]) * 2) +  // exact
                    static_cast<double>(low[l * step + r] + other[r]);
    }
  }
  for (int r = 0; r < rows; ++r) total[r] = sum[0][r] * static_cast<double>(unit);
}

/// For one chunk: row_total of the same virtual lanes, each of which is a vector here.
template <accuracy tier>
void exp_sum_columns(const float* t, float* e, std::int64_t n, const float* max, double* total) noexcept {
  const bool is_short = n <= softmax_turn;
  const int used = is_short ? static_cast<int>(n) : softmax_lanes;
  alignas(64) float high[softmax_turn * side_by_side], low[softmax_turn * side_by_side], starts[side_by_side];
  for (int v = 0; v < side_by_side; v += lanes) {
    const vec m = vec::load_unaligned(max + v);
    const numerator<tier, true> numerator_of(m);
    vec start(0.0f);
    if (!is_short) start = numerator_of.start(m);
    start.store_aligned(starts + v);
    for (std::int64_t c = 0; c < n; ++c) {
      const vec y = numerator_of(vec::load_unaligned(t + c * side_by_side + v));
      if (e != nullptr) y.store_unaligned(e + c * side_by_side + v);
      const std::int64_t at = c % (is_short ? softmax_turn : softmax_lanes) * side_by_side + v;
      vec h = y, l(0.0f);
      if (!is_short) {
        h = c < used ? start : vec::load_aligned(high + at);
        if (c >= used) l = vec::load_aligned(low + at);
        add<true>(h, l, y);
      }
      h.store_aligned(high + at);
      if (!is_short) l.store_aligned(low + at);
    }
  }
  totals_across(high, is_short ? nullptr : low, side_by_side, used, starts, numerator_down, total);
}

template <accuracy tier>
void relative_to_max(const float* max, double* total) noexcept {
  alignas(64) float of_max[side_by_side], rest[side_by_side];
  for (int v = 0; v < side_by_side; v += lanes) {
    const vec m = vec::load_unaligned(max + v);
    const numerator<tier, true> numerator_of(m);
    (numerator_of(m) * vec(numerator_down)).store_aligned(of_max + v);
    if (tier == accuracy::high) math::rest_of_maximum(m, numerator_of.row).store_aligned(rest + v);
  }
  for (int r = 0; r < side_by_side; ++r)
    total[r] = tier == accuracy::high ? math::relative_to_max(total[r], of_max[r], rest[r])
                                      : total[r] / static_cast<double>(of_max[r]);
}

template <class F>
SIGMAX_FN void in_parts(const double* v, float* high, float* low, F f) {
  for (int r = 0; r < side_by_side; ++r) {
    const factors parts = two_parts(f(v[r]));
    high[r] = parts.high, low[r] = parts.low;
  }
}
void logarithms(const double* total, float* high, float* low) noexcept {
  in_parts(
      total, high, low, [](double s) __attribute__((always_inline)) { return log_of(s); });
}
void quotients(double numerator, const double* total, float* high, float* low) noexcept {
  in_parts(
      total, high, low, [=](double s) __attribute__((always_inline)) { return numerator / s; });
}

template <class F>
SIGMAX_FN void map_columns(float* t, std::int64_t n, F f) {
  for (std::int64_t c = 0; c < n; ++c)
    for (int v = 0; v < side_by_side; v += lanes) {
      float* const p = t + c * side_by_side + v;
      f(vec::load_unaligned(p), v).store_unaligned(p);
    }
}
template <accuracy tier>
void scale_columns(float* t, std::int64_t n, const float* high, const float* low) noexcept {
  map_columns(
      t, n, [=](vec x, int v) __attribute__((always_inline)) {
        return scaled<tier>(x, vec::load_unaligned(high + v), vec::load_unaligned(low + v));
      });
}
template <accuracy tier>
void shift_columns(float* t, std::int64_t n, const float* max, const float* high, const float* low) noexcept {
  map_columns(
      t, n, [=](vec x, int v) __attribute__((always_inline)) {
        return shifted<tier>(vec::load_unaligned(max + v), vec::load_unaligned(high + v),
                             vec::load_unaligned(low + v))(x);
      });
}

using vec_int = xsimd::batch<std::int32_t, arch>;
inline constexpr std::int32_t taken = std::numeric_limits<std::int32_t>::min();  // below the key of -inf

/// Between floats and integers in the same order: -0 is +0, and NaN is above all.
SIGMAX_FN vec_int in_order(vec_int u) { return u ^ ((u >> 31) & vec_int(0x7fffffff)); }

void columns_to_keys(float* t, std::int64_t n) noexcept {
  map_columns(
      t, n, [](vec x, int) __attribute__((always_inline)) {
        const vec_int key = in_order(xsimd::bitwise_cast<std::int32_t>(x + vec(0.0f)));
        return xsimd::bitwise_cast<float>(
            xsimd::select(xsimd::batch_bool_cast<std::int32_t>(x == x), key, vec_int(0x7fffffff)));
      });
}

void take_largest(float* keys, std::int64_t n, float* value, std::int32_t* place) noexcept {
  auto* const k = reinterpret_cast<std::int32_t*>(keys);
  constexpr int parts = side_by_side / lanes;
  vec_int best[parts], where[parts], column(0);
  for (int p = 0; p < parts; ++p) best[p] = vec_int(taken), where[p] = vec_int(0);
  for (std::int64_t c = 0; c < n; ++c, column += vec_int(1))
    for (std::int64_t p = 0; p < parts; ++p) {
      const vec_int key = vec_int::load_unaligned(k + c * side_by_side + p * lanes);
      where[p] = xsimd::select(key > best[p], column, where[p]);
      best[p] = xsimd::max(best[p], key);
    }
  for (std::int64_t p = 0; p < parts; ++p) {
    xsimd::bitwise_cast<float>(in_order(best[p])).store_unaligned(value + p * lanes);
    where[p].store_unaligned(place + p * lanes);
  }
  for (int r = 0; r < side_by_side; ++r) k[place[r] * side_by_side + r] = taken;
}

}  // namespace
}  // namespace sigmax
