// The steps of a softmax row over contiguous f32.
#pragma once

#include <algorithm>

#include "softmax_lanes.hpp"
#include "softmax_scores.hpp"

namespace sigmax {
namespace {

/// Numerators of the elements x of a row, or of as many rows as a vector has lanes. `offset`: false if the maximum is
/// known to be smaller in size than math::large_maximum.
template <accuracy tier, bool offset>
struct numerator {
  static constexpr bool together = tier == accuracy::fast;
  math::row_maximum<vec> row;
  numerator() = default;
  explicit SIGMAX_FN numerator(vec max) : row(math::reduce_maximum(max)) {}
  explicit SIGMAX_FN numerator(const math::row_maximum<vec>& max) : row(max) {}
  using reduced = math::reduced<vec>;
  SIGMAX_FN reduced reduce(vec x) const {
    if constexpr (tier == accuracy::high) return math::reduce_below<offset>(x, row);
    const vec c = at_least(offset ? x - row.offset : x, row.lowest), t = fma(c, vec(math::log2_e), row.bias);
    // With one part of ln 2 a numerator is wrong by as many times 2^-29 as its k differs from the maximum's; without
    // FMA the product would be rounded.
    const vec k = t - row.bias,
              r = has_fma ? fma(k, vec(-math::ln2), c) : fma(k, vec(-math::ln2_low), fma(k, vec(-math::ln2_high), c));
    return {power_of_two(t), r};
  }
  SIGMAX_FN vec finish(reduced e) const {
    return tier == accuracy::high ? math::exp_below(e) : e.scale * math::exp_reduced_fast(e.r);
  }
  SIGMAX_FN vec operator()(vec x) const { return finish(reduce(x)); }
  /// Sums of two numerators have no larger exponent than the fast form's start, which is all that Fast2Sum asks for.
  SIGMAX_FN vec start(vec max) const { return together ? vec(2 * numerator_up) : start_above((*this)(max)); }
};
SIGMAX_FN bool is_small(float max) { return -math::large_maximum < max && max < math::large_maximum; }
SIGMAX_FN bool all_small(const float* max, int rows) {
  bool all = true;
  for (int r = 0; r < rows; ++r) all = all && is_small(max[r]);
  return all;
}
/// Calls loop(numerator) for a row.
template <accuracy tier, class F>
SIGMAX_FN void with_numerator(float max, F loop) {
  if (is_small(max))
    loop(numerator<tier, false>(vec(max)));
  else
    loop(numerator<tier, true>(vec(max)));
}

/// (x - max) - (high + low); under accuracy::fast without the second part and corrections, for x - max and -high have
/// the same sign and nothing cancels.
template <accuracy tier>
struct shifted {
  math::row_logarithm<vec> row;
  shifted() = default;
  SIGMAX_FN shifted(vec max, vec high, vec low) : row(math::reduce_logarithm(max, high, low)) {}
  SIGMAX_FN vec operator()(vec x) const { return math::log_below(x, row); }
};
template <>
struct shifted<accuracy::fast> {
  vec max, high;
  shifted() = default;
  SIGMAX_FN shifted(vec m, vec h, vec) : max(m), high(h) {}
  SIGMAX_FN vec operator()(vec x) const { return (x - max) - high; }
};

/// x (high + low), of which the fast form takes the first part alone.
template <accuracy tier>
SIGMAX_FN vec scaled(vec x, vec high, vec low) {
  return tier == accuracy::fast ? x * high : fma(x, high, x * low);
}

/// `next`: what will be read soon, of short rows to the L1 cache, of long ones to L2, for in L1 they would drive out
/// what is being read.
template <nearness soon, class Score, class F, class G>
SIGMAX_FN void exp_sum(const float* x, float* y, const float* next, std::int64_t n, float max, Score score,
                       F numerator_of, softmax_sum& sum, const float* begin, G& meanwhile) {
  using reduced = typename F::reduced;
  const auto reduce = [ =, m = vec(max) ](std::int64_t i, std::int64_t count) __attribute__((always_inline)) {
    for (int at = 0; at < pair_size; at += 16) __builtin_prefetch(next + i + at, 0, soon);
    const pair v = count == pair_size ? score(load(x + i), i, pair_size)
                                      : padded(score(load_partial(x + i, count), i, count), count, m);
    return std::pair<reduced, reduced>(numerator_of.reduce(v.first), numerator_of.reduce(v.second));
  };
  const auto value = [ =, &meanwhile ](const std::pair<reduced, reduced>& e, std::int64_t i, std::int64_t count,
                                       auto&& add_pair) __attribute__((always_inline)) {
    if (F::together) meanwhile(i, count);  // no steps that overlap would wait for it
    pair v = {numerator_of.finish(e.first), numerator_of.finish(e.second)};
    if (!F::together) meanwhile(i, count);
    if (count == pair_size) {
      if (y != nullptr) store<false>(y + i, v);
    } else {
      if (y != nullptr) store_partial(y + i, v, count);
      v = padded(v, count, vec(0.0f));
    }
    add_pair(v);
  };
  sum_row<true, F::together>(n, sum, begin, reduce, value);
}

/// Looks at row r of those that come, a pair at a time. With none to come it looks at the row at hand: that takes less
/// time than to ask each time.
template <class Score>
struct look_ahead {
  const float* x;
  Score score;
  nan_search<Score> nan;
  vec most;
  SIGMAX_FN look_ahead(const coming_rows& rows, int r, const float* at_hand, Score its_score)
      : x(at_hand), score(its_score), most(-infinity) {
    if (rows.x == nullptr) return;
    x = rows.x + r * rows.stride;
    score = score_of<Score>(rows.terms, r);
  }
  SIGMAX_FN void operator()(std::int64_t i, std::int64_t count) {
    const pair v = count == pair_size
                       ? score.ordered(load(x + i), i, pair_size)
                       : padded(score.ordered(load_partial(x + i, count), i, count), count, vec(-infinity));
    most = larger(most, larger(v.first, v.second));
    nan.take(v);
  }
  SIGMAX_FN void keep(coming_rows& rows, int r) const {
    if (rows.x == nullptr) return;
    float max = largest_score(xsimd::reduce_max(most), std::is_same_v<Score, plain_score> ? nullptr : rows.terms + r);
    if (nan.found()) max = std::numeric_limits<float>::quiet_NaN();
    const bool keeps = rows.begun && !(rows.max[r] <= max) && max == max;
    rows.max[r] = keeps ? rows.max[r] : max;
  }
};

/// Row r leaves, a pair at a time: the last step of its logarithms or of its numerators.
template <accuracy tier, class Score, bool logarithm>
struct drain_row {
  const float* from;
  float* y;
  Score score;
  vec high, low;
  shifted<tier> shift;
  SIGMAX_FN drain_row(const outgoing_rows& rows, int r)
      : from(rows.from + r * rows.from_stride),
        y(rows.y + r * rows.y_stride),
        score(score_of<Score>(rows.terms, r)),
        high(rows.high[r]),
        low(rows.low[r]),
        shift(vec(rows.max[r]), high, low) {}
  SIGMAX_FN pair at(std::int64_t i, std::int64_t count = pair_size) const {
    pair v = count == pair_size ? load(from + i) : load_partial(from + i, count);
    if constexpr (logarithm) {
      v = score(v, i, count);
      return {shift(v.first), shift(v.second)};
    }
    return {scaled<tier>(v.first, high, low), scaled<tier>(v.second, high, low)};
  }
  /// Of n columns those before `begin` and from `end` on, both less than a pair.
  SIGMAX_FN void ends(std::int64_t begin, std::int64_t end, std::int64_t n) const {
    const std::int64_t from_to[2][2] = {{0, begin}, {end, n}};
    for (const auto& [i, to] : from_to)
      if (i < to) store_partial(y + i, at(i, to - i), to - i);
  }
};
struct no_drain {
  SIGMAX_FN void operator()(std::int64_t, std::int64_t) const {}
};
/// Calls loop(meanwhile), where row r of `before` leaves; its terms are of the score's kind. `looking`: where it does
/// so if there is one, and those that come are looked at, too, while row x with n columns of that score is at hand.
/// Else rows leave to memory, in whole lines.
template <accuracy tier, bool looking, class Score, class F>
SIGMAX_FN void with_drain(outgoing_rows& before, int r, const float* x, std::int64_t n, Score score, F loop) {
  const auto either = [&](auto with) __attribute__((always_inline)) {
    if (before.logarithm)
      with(drain_row<tier, Score, true>(before, r));
    else
      with(drain_row<tier, Score, false>(before, r));
  };
  if constexpr (looking) {
    look_ahead<Score> look(before.coming, r, x, score);
    if (r >= before.rows) {
      loop(look);
    } else {
      either([&](const auto& drain) __attribute__((always_inline)) {
        const bool streaming = before.streaming;
        // Streamed stores are of whole lines. What lies before and behind them leaves first: where it waits the row at
        // hand may be put.
        const std::int64_t leaving = std::min(n, before.columns),
                           begin = streaming ? elements_to_alignment(drain.y, leaving) : 0,
                           end = begin + (leaving - begin) / pair_size * pair_size;
        drain.ends(begin, end, leaving);
        auto both = [&](std::int64_t i, std::int64_t count) __attribute__((always_inline)) {
          look(i, count);
          if (begin + i >= end) return;
          const pair v = drain.at(begin + i);
          if (streaming)
            store<true>(drain.y + begin + i, v);
          else
            store<false>(drain.y + begin + i, v);
        };
        loop(both);
      });
    }
    look.keep(before.coming, r);
  } else {
    either([&](const auto& drain) __attribute__((always_inline)) {
      auto stream = [&](std::int64_t i, std::int64_t) __attribute__((always_inline)) {
        store<true>(drain.y + i, drain.at(i));
      };
      loop(stream);
    });
  }
}
/// The same alone.
template <accuracy tier, bool looking, class Score>
SIGMAX_FN void drain_alone(outgoing_rows& before, int r, const float* x, std::int64_t n, Score score) {
  with_drain<tier, looking>(
      before, r, x, n, score, [&](auto& meanwhile) __attribute__((always_inline)) {
        for (std::int64_t i = 0; i < n; i += pair_size) meanwhile(i, std::min<std::int64_t>(n - i, pair_size));
      });
}

/// exp_sum of one row, or a part of it, with any maximum, while nothing leaves. With loops for one kind of score only:
/// a function with all of them keeps too little in registers.
template <accuracy tier, class Score>
__attribute__((noinline)) void exp_sum_alone(const float* x, float* y, const float* next, std::int64_t n, float max,
                                             Score score, softmax_sum& sum) noexcept {
  no_drain none;
  with_numerator<tier>(
      max, [&](auto e) __attribute__((always_inline)) {
        if (!sum.begun) sum.begin(e.start(vec(max)).get(0));
        exp_sum<to_l2>(x, y, next, n, max, score, e, sum, nullptr, none);
      });
}

void row_fill(float* y, std::int64_t n, float v, bool streaming) noexcept {
  std::int64_t i = 0;
  if (streaming) {
    i = elements_to_alignment(y, n);
    std::fill_n(y, i, v);
    for (; i + pair_size <= n; i += pair_size) store<true>(y + i, {vec(v), vec(v)});
  }
  std::fill(y + i, y + n, v);
}

template <accuracy tier>
void rows_scale(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, int rows, std::int64_t n,
                const float* high, const float* low, bool streaming) noexcept {
  for (int r = 0; r < rows; ++r)
    map(
        x + r * x_stride, y + r * y_stride, n, streaming,
        [ h = vec(high[r]), l = vec(low[r]) ](std::int64_t, pair v, std::int64_t) __attribute__((always_inline)) {
          return pair{scaled<tier>(v.first, h, l), scaled<tier>(v.second, h, l)};
        });
}
template <accuracy tier>
void row_scale(const float* x, float* y, std::int64_t n, float high, float low, bool streaming) noexcept {
  rows_scale<tier>(x, 0, y, 0, 1, n, &high, &low, streaming);
}

template <accuracy tier>
void row_exp_scale(const float* x, float* y, std::int64_t n, float max, float high, float low, const score_terms* terms,
                   bool streaming) noexcept {
  const vec m(max), h(high), l(low);
  with_score(
      terms, [&](auto score) __attribute__((always_inline)) {
        with_numerator<tier>(
            max, [&](auto e) __attribute__((always_inline)) {
              map(
                  x, y, n, streaming, [=](std::int64_t i, pair v, std::int64_t count) __attribute__((always_inline)) {
                    v = score(v, i, count);
                    if (count < pair_size) v = padded(v, count, m);
                    return pair{scaled<tier>(e(v.first), h, l), scaled<tier>(e(v.second), h, l)};
                  });
            });
      });
}

template <accuracy tier>
void rows_shift(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, int rows, std::int64_t n,
                const float* max, const float* high, const float* low, const score_terms* terms,
                bool streaming) noexcept {
  with_score(
      terms, [&](auto kind) __attribute__((always_inline)) {
        for (int r = 0; r < rows; ++r) {
          const auto score = score_of<decltype(kind)>(terms, r);
          const shifted<tier> f{vec(max[r]), vec(high[r]), vec(low[r])};
          map(
              x + r * x_stride, y + r * y_stride, n,
              streaming, [=](std::int64_t i, pair v, std::int64_t count) __attribute__((always_inline)) {
                v = score(v, i, count);
                return pair{f(v.first), f(v.second)};
              });
        }
      });
}
template <accuracy tier>
void row_shift(const float* x, float* y, std::int64_t n, float max, float high, float low, const score_terms* terms,
               bool streaming) noexcept {
  rows_shift<tier>(x, 0, y, 0, 1, n, &max, &high, &low, terms, streaming);
}

/// A row leaves as 16 bits.
template <accuracy tier, class T>
void row_rounded(const float* x, void* y, std::int64_t n, bool logarithm, float max, float high, float low,
                 bool streaming) noexcept {
  // All of such a row are NaN, some with a pattern that rounds to another number.
  if (high != high) {
    T nan;
    from_float(high, nan);
    std::fill_n(static_cast<T*>(y), n, nan);
    return;
  }
  auto* const out = static_cast<ordered<T>*>(y);
  const vec h(high), l(low);
  if (logarithm)
    map(
        x, out, n, streaming,
        [ =, f = shifted<tier>(vec(max), h, l) ](std::int64_t, pair v, std::int64_t) __attribute__((always_inline)) {
          return pair{f(v.first), f(v.second)};
        });
  else
    map(
        x, out, n, streaming, [=](std::int64_t, pair v, std::int64_t) __attribute__((always_inline)) {
          return pair{scaled<tier>(v.first, h, l), scaled<tier>(v.second, h, l)};
        });
}

/// v - (high + low), for finite ones only
SIGMAX_FN vec minus_parts(vec v, vec high, vec low) {
  vec d = v - high;
  vec b = d - v;
  return d + (((v - (d - b)) - (high + b)) - low);
}

/// One element of the gradient from g = dy and y = v.
template <bool logarithm>
struct gradient_step {
  vec scale, high, low;
  SIGMAX_FN vec operator()(vec g, vec v) const {
    if constexpr (logarithm) {
      const vec e = math::exp(v);
      return scale * fma(negate(e), high, fma(negate(e), low, g));
    } else {
      return scale * v * minus_parts(g, high, low);
    }
  }
};
template <bool logarithm>
void row_gradient(const float* dy, const float* y, float* dx, std::int64_t n, float scale, float high, float low,
                  bool streaming) noexcept {
  const gradient_step<logarithm> one{vec(scale), vec(high), vec(low)};
  map(
      y, dx, n, streaming, [=](std::int64_t i, pair v, std::int64_t count) __attribute__((always_inline)) {
        if (streaming) prefetch(dy + i, pair_size);  // of the rows that come
        const pair g = count == pair_size ? load(dy + i) : load_partial(dy + i, count);
        return pair{one(g.first, v.first), one(g.second, v.second)};
      });
}

}  // namespace
}  // namespace sigmax
