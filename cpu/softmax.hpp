// The steps of a softmax row over contiguous f32; kernels/softmax_state.hpp fixes the order of every addition.
#pragma once

#include <algorithm>
#include <array>

#include "elementwise.hpp"
// After batch.hpp, whose vocabulary their templates use.
#include "../kernels/activations/logistic.hpp"
#include "../kernels/kernel_table.hpp"

namespace sigmax {
namespace {

/// e^(x - max) unit for the elements x of a row, or of as many rows as a vector has lanes. `offset` is only for
/// accuracy::high: false if the maximum is known to be smaller in size than
/// math::large_maximum.
template <accuracy tier, bool offset>
struct numerator {
  static constexpr float unit = math::numerator_up;
  static constexpr bool rare = offset, halved = false;
  math::row_maximum<vec> row;
  explicit SIGMAX_FN numerator(vec max) : row(math::reduce_maximum(max)) {}
  explicit SIGMAX_FN numerator(const math::row_maximum<vec>& reduced) : row(reduced) {}
  SIGMAX_FN vec operator()(vec x) const { return math::exp_below<offset>(x, row); }
};
template <bool offset>
struct numerator<accuracy::fast, offset> {
  static constexpr float unit = 1;
  static constexpr bool rare = false, halved = true;
  vec max;
  explicit SIGMAX_FN numerator(vec m) : max(m) {}
  SIGMAX_FN vec operator()(vec x) const { return math::exp_below_fast(x, max); }
};
/// Calls loop(numerator) for a row.
template <accuracy tier, class F>
SIGMAX_FN void with_numerator(float max, F loop) {
  if (tier == accuracy::fast || (-math::large_maximum < max && max < math::large_maximum))
    loop(numerator<tier, false>(vec(max)));
  else
    loop(numerator<tier, true>(vec(max)));
}

/// (x - max) - (high + low); under accuracy::fast without the second part and corrections, for x - max and -high have
/// the same sign and nothing cancels.
template <accuracy tier>
struct shifted {
  math::row_logarithm<vec> row;
  SIGMAX_FN shifted(vec max, vec high, vec low) : row(math::reduce_logarithm(max, high, low)) {}
  SIGMAX_FN vec operator()(vec x) const { return math::log_below(x, row); }
};
template <>
struct shifted<accuracy::fast> {
  vec max, high;
  SIGMAX_FN shifted(vec m, vec h, vec) : max(m), high(h) {}
  SIGMAX_FN vec operator()(vec x) const { return (x - max) - high; }
};

/// The first `count` elements of v, and `rest` behind them. That is max before an e^(x - max), which of a zero could
/// overflow and raise flags.
SIGMAX_FN pair padded(pair v, std::int64_t count, vec rest) {
  alignas(64) float number[pair_size];
  for (int l = 0; l < pair_size; ++l) number[l] = static_cast<float>(l);
  const pair at = load(number);
  const vec n(static_cast<float>(count));
  return {select(at.first < n, v.first, rest), select(at.second < n, v.second, rest)};
}

SIGMAX_FN vec masked_score(vec v, vec mask) {
  const vec nothing(-infinity);
  return select(mask == nothing, nothing, v + mask);  // whatever v is
}

/// The scores of elements i, i + 1, ... of a row, from v, the elements themselves.
struct plain_score {
  SIGMAX_FN vec operator()(vec v, std::int64_t, std::int64_t) const { return v; }
  SIGMAX_FN pair operator()(pair v, std::int64_t, std::int64_t) const { return v; }
};
struct scale_score {
  vec scale;
  SIGMAX_FN vec operator()(vec v, std::int64_t, std::int64_t) const { return v * scale; }
  SIGMAX_FN pair operator()(pair v, std::int64_t, std::int64_t) const { return {v.first * scale, v.second * scale}; }
};
struct mask_score {
  vec scale;
  const float* mask;
  SIGMAX_FN vec operator()(vec v, std::int64_t i, std::int64_t count) const {
    return masked_score(v * scale,
                        count >= lanes ? vec::load_unaligned(mask + i) : load_partial(mask + i, count).first);
  }
  SIGMAX_FN pair operator()(pair v, std::int64_t i, std::int64_t count) const {
    const pair m = count >= pair_size ? load(mask + i) : load_partial(mask + i, count);
    return {masked_score(v.first * scale, m.first), masked_score(v.second * scale, m.second)};
  }
};
/// Of row r.
template <class Score>
SIGMAX_FN Score score_of(const score_terms* terms, std::int64_t r = 0) {
  if constexpr (std::is_same_v<Score, plain_score>)
    return {};
  else if constexpr (std::is_same_v<Score, scale_score>)
    return {vec(terms[r].scale)};
  else
    return {vec(terms[r].scale), terms[r].mask};
}
/// Calls loop(score) with the one that `terms` describe.
template <class F>
SIGMAX_FN void with_score(const score_terms* terms, F loop) {
  if (terms == nullptr)
    loop(plain_score{});
  else if (terms->mask == nullptr)
    loop(score_of<scale_score>(terms));
  else
    loop(score_of<mask_score>(terms));
}

/// Scores of a row, and the largest of them and bound. One loop for each choice of terms.
template <accuracy tier, bool capped, bool sloped, bool masked>
float row_scores(const float* x, float* t, std::int64_t n, const score_terms& terms, float bound) noexcept {
  alignas(64) float numbers[pair_size];
  for (int l = 0; l < pair_size; ++l) numbers[l] = static_cast<float>(l);
  const vec scale(terms.scale), slope(terms.slope);
  const softcap_op cap{terms.softcap};
  const auto score = [&](vec v, vec distance, vec mask) __attribute__((always_inline)) {
    v = v * scale;
    if constexpr (capped) v = tier == accuracy::fast ? cap.fast(v) : cap(v);
    if constexpr (sloped) v = fma_exact(slope, distance, v);
    if constexpr (masked) v = masked_score(v, mask);
    return v;
  };
  pair distance = load(numbers);  // exact as long as it is below 2^24
  distance = {distance.first + vec(terms.distance), distance.second + vec(terms.distance)};
  const auto scores = [&](pair v, pair mask) __attribute__((always_inline)) {
    return pair{score(v.first, distance.first, mask.first), score(v.second, distance.second, mask.second)};
  };
  vec a(bound), b(bound);
  std::int64_t i = 0;
  for (; i + pair_size <= n; i += pair_size) {
    const pair v = scores(load(x + i), masked ? load(terms.mask + i) : pair{});
    store<false>(t + i, v);
    if constexpr (sloped) distance = {distance.first + vec(pair_size), distance.second + vec(pair_size)};
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  if (i < n) {
    const pair mask = masked ? load_partial(terms.mask + i, n - i) : pair{};
    store_partial(t + i, scores(load_partial(x + i, n - i), mask), n - i);
  }
  a = larger(a, b);
  alignas(64) float largest_of[lanes];
  a.store_aligned(largest_of);
  for (int l = 0; l < lanes; ++l) bound = largest_of[l] > bound ? largest_of[l] : bound;
  for (; i < n; ++i) bound = t[i] > bound ? t[i] : bound;
  return bound;
}

template <accuracy tier>
float any_scores(const float* x, float* t, std::int64_t n, const score_terms& terms, float bound) noexcept {
  using loop = float (*)(const float*, float*, std::int64_t, const score_terms&, float) noexcept;
  constexpr loop loops[2][2][2] = {{{row_scores<tier, false, false, false>, row_scores<tier, false, false, true>},
                                    {row_scores<tier, false, true, false>, row_scores<tier, false, true, true>}},
                                   {{row_scores<tier, true, false, false>, row_scores<tier, true, false, true>},
                                    {row_scores<tier, true, true, false>, row_scores<tier, true, true, true>}}};
  return loops[terms.softcap != 0][terms.slope != 0][terms.mask != nullptr](x, t, n, terms, bound);
}

/// Lane by lane the largest of `bound` and the scores of a row.
template <class Score>
SIGMAX_FN vec lanes_max(const float* x, std::int64_t n, Score score, vec bound) {
  vec a(bound), b(bound);
  std::int64_t i = 0;
  for (; i + pair_size <= n; i += pair_size) {
    const pair v = score(load(x + i), i, pair_size);
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  if (i < n) {
    const pair v = padded(score(load_partial(x + i, n - i), i, n - i), n - i, bound);
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  return larger(a, b);
}

float row_max(const float* x, std::int64_t n, const score_terms* terms, float bound) noexcept {
  with_score(
      terms, [&](auto score) __attribute__((always_inline)) {
        bound = xsimd::reduce_max(lanes_max(x, n, score, vec(bound)));  // of no NaN
      });
  return bound;
}

SIGMAX_FN void add_exact(vec& high, vec& low, vec x) {
  vec s = high + x;
  vec b = s - high;
  low = low + ((high - (s - b)) + (x - b));
  high = s;
}

/// Adds to a lane; `started`: where it began is above every value.
template <bool started>
SIGMAX_FN void add(vec& high, vec& low, vec x) {
  if constexpr (started) {
    vec s = high + x;
    low = low + (x - (s - high));
    high = s;
  } else {
    add_exact(high, low, x);
  }
}

/// A pair of the virtual lanes, in registers.
struct lane_pair {
  pair high, low;
  explicit SIGMAX_FN lane_pair(vec start) : high{start, start}, low{vec(0.0f), vec(0.0f)} {}
  explicit SIGMAX_FN lane_pair(const softmax_sum& sum, int l)
      : high{vec::load_aligned(sum.high + l), vec::load_aligned(sum.high + l + lanes)},
        low{vec::load_aligned(sum.low + l), vec::load_aligned(sum.low + l + lanes)} {}
  template <bool started>
  SIGMAX_FN void take(pair v) {
    add<started>(high.first, low.first, v.first);
    add<started>(high.second, low.second, v.second);
  }
  SIGMAX_FN void keep(softmax_sum& sum, int l) const {
    high.first.store_aligned(sum.high + l);
    high.second.store_aligned(sum.high + l + lanes);
    low.first.store_aligned(sum.low + l);
    low.second.store_aligned(sum.low + l + lanes);
  }
};

/// Adds value(i, count), the `count` values from i on, for all n of a chunk. Beyond `count` a pair must hold zeros.
/// `begin`: the sum is yet to begin, at *begin, and n is more than softmax_lanes.
template <bool started, class F>
SIGMAX_FN void sum_row(std::int64_t n, softmax_sum& sum, const float* begin, F value) {
  const auto lanes_from = [&](int l) __attribute__((always_inline)) {
    return begin != nullptr ? lane_pair(vec(*begin)) : lane_pair(sum, l);
  };
  const auto adding_to = [](lane_pair & t) __attribute__((always_inline)) {
    return [&](pair v) __attribute__((always_inline)) { t.template take<started>(v); };
  };
  if constexpr (softmax_lanes == 2 * pair_size) {  // all lanes stay in registers
    lane_pair even = lanes_from(0), odd = lanes_from(pair_size);
    std::int64_t i = 0;
    for (; i + softmax_lanes <= n; i += softmax_lanes) {
      value(i, std::int64_t{pair_size}, adding_to(even));
      value(i + pair_size, std::int64_t{pair_size}, adding_to(odd));
    }
    if (i < n) value(i, std::min<std::int64_t>(n - i, pair_size), adding_to(even));
    if (i + pair_size < n) value(i + pair_size, n - i - pair_size, adding_to(odd));
    even.keep(sum, 0);
    odd.keep(sum, pair_size);
    return;
  }
  // A piece of the row that stays in the L1 cache, and of that one pair of lanes after the other.
  for (std::int64_t start = 0; start < n; start += softmax_block) {
    const std::int64_t end = start + softmax_block < n ? start + softmax_block : n;
    for (int l = 0; l < softmax_lanes && start + l < end; l += pair_size) {
      lane_pair t = start == 0 ? lanes_from(l) : lane_pair(sum, l);
      std::int64_t i = start + l;
      for (; i + pair_size <= end; i += softmax_lanes) value(i, std::int64_t{pair_size}, adding_to(t));
      if (i < end) value(i, end - i, adding_to(t));
      t.keep(sum, l);
    }
  }
}

/// The same with half of the lanes: what is half a turn apart is added before it goes to its lane.
template <class F>
SIGMAX_FN void sum_row_halved(std::int64_t n, softmax_sum& sum, const float* begin, F value) {
  constexpr int half = softmax_lanes / 2;
  static_assert(half % pair_size == 0);
  for (std::int64_t start = 0; start < n; start += softmax_block) {
    const std::int64_t end = half > pair_size && start + softmax_block < n ? start + softmax_block : n;
    for (int l = 0; l < half && start + l < end; l += pair_size) {
      lane_pair t = start == 0 && begin != nullptr ? lane_pair(vec(*begin)) : lane_pair(sum, l);
      pair a, b;
      std::int64_t i = start + l;
      const auto take_a = [&](pair v) __attribute__((always_inline)) { a = v; };
      const auto take_b = [&](pair v) __attribute__((always_inline)) { b = v; };
      for (; i + half + pair_size <= end; i += softmax_lanes) {
        value(i, std::int64_t{pair_size}, take_a);
        value(i + half, std::int64_t{pair_size}, take_b);
        t.template take<true>({a.first + b.first, a.second + b.second});
      }
      if (i < end) {
        b = {vec(0.0f), vec(0.0f)};
        value(i, std::min<std::int64_t>(end - i, pair_size), take_a);
        if (i + half < end) value(i + half, end - i - half, take_b);
        t.template take<true>({a.first + b.first, a.second + b.second});
      }
      t.keep(sum, l);
    }
    if (half == pair_size) break;  // that was all
  }
}

/// x (high + low), of which the fast form takes the first part alone.
template <accuracy tier>
SIGMAX_FN vec scaled(vec x, vec high, vec low) {
  return tier == accuracy::fast ? x * high : fma(x, high, x * low);
}

template <class Score, class F, class G>
SIGMAX_FN void exp_sum(const float* x, float* y, const float* next, std::int64_t n, float max, Score score,
                       F numerator_of, softmax_sum& sum, const float* begin, G drain) {
  const auto value =
      [ =, m = vec(max) ](std::int64_t i, std::int64_t count, auto&& add_pair) __attribute__((always_inline)) {
    for (int at = 0; at < pair_size; at += 16) __builtin_prefetch(next + i + at);
    pair v = count == pair_size ? score(load(x + i), i, pair_size)
                                : padded(score(load_partial(x + i, count), i, count), count, m);
    v = {numerator_of(v.first), numerator_of(v.second)};
    drain(i);
    if (count == pair_size) {
      if (y != nullptr) store<false>(y + i, v);
    } else {
      if (y != nullptr) store_partial(y + i, v, count);
      v = padded(v, count, vec(0.0f));
    }
    add_pair(v);
  };
  if constexpr (F::halved)
    sum_row_halved(n, sum, begin, value);
  else
    sum_row<true>(n, sum, begin, value);
}
/// The last step of a row's elements: of logarithms or of numerators.
template <accuracy tier, class Score>
struct last_shift {
  Score score;
  shifted<tier> shift;
  SIGMAX_FN last_shift(const outgoing_rows& rows, int r, Score s)
      : score(s), shift(vec(rows.max[r]), vec(rows.high[r]), vec(rows.low[r])) {}
  SIGMAX_FN pair operator()(pair v, std::int64_t i) const {
    v = score(v, i, pair_size);
    return {shift(v.first), shift(v.second)};
  }
};
template <accuracy tier>
struct last_scale {
  vec high, low;
  SIGMAX_FN last_scale(const outgoing_rows& rows, int r) : high(rows.high[r]), low(rows.low[r]) {}
  SIGMAX_FN pair operator()(pair v, std::int64_t) const {
    return {scaled<tier>(v.first, high, low), scaled<tier>(v.second, high, low)};
  }
};
/// Streams out row r, a pair at a time.
template <class Step>
struct drain_row {
  const float* from;
  float* y;
  Step step;
  SIGMAX_FN drain_row(const outgoing_rows& rows, int r, Step last)
      : from(rows.from + r * rows.from_stride), y(rows.y + r * rows.y_stride), step(last) {}
  SIGMAX_FN void operator()(std::int64_t i) const { store<true>(y + i, step(load(from + i), i)); }
};
struct no_drain {
  SIGMAX_FN void operator()(std::int64_t) const {}
};
/// Calls loop(drain), which drains row r of `before` if there is one; its terms are of the score's kind.
template <accuracy tier, class Score, class F>
SIGMAX_FN void with_drain(const outgoing_rows* before, int r, Score, F loop) {
  if (before == nullptr || r >= before->rows) return loop(no_drain{});
  if (!before->logarithm) return loop(drain_row(*before, r, last_scale<tier>(*before, r)));
  loop(drain_row(*before, r, last_shift<tier, Score>(*before, r, score_of<Score>(before->terms, r))));
}

/// exp_sum while row r of `before` is drained; before it, where both at once are not worth a loop of their own.
template <accuracy tier, class Score, class F>
SIGMAX_FN void exp_sum_draining(const float* x, float* y, const float* next, std::int64_t n, float max, Score score,
                                F numerator_of, softmax_sum& sum, const float* begin, const outgoing_rows* before,
                                int r) {
  with_drain<tier>(
      before, r, score, [&](auto drain) __attribute__((always_inline)) {
        if constexpr (F::rare)
          for (std::int64_t i = 0; i < n; i += pair_size) drain(i);
        else
          exp_sum(x, y, next, n, max, score, numerator_of, sum, begin, drain);
      });
  if constexpr (F::rare) exp_sum(x, y, next, n, max, score, numerator_of, sum, begin, no_drain{});
}

/// With loops for one kind of score only: a function with all of them keeps too little in registers.
template <accuracy tier, class Score>
__attribute__((noinline)) void exp_sum_of(const float* x, float* y, const float* next, std::int64_t n, float max,
                                          const score_terms* terms, softmax_sum& sum,
                                          const outgoing_rows* before) noexcept {
  const Score score = score_of<Score>(terms);
  with_numerator<tier>(
      max, [&](auto e) __attribute__((always_inline)) {
        exp_sum_draining<tier>(x, y, next, n, max, score, e, sum, nullptr, before, 0);
      });
}
template <accuracy tier>
void row_exp_sum(const float* x, float* y, const float* next, std::int64_t n, float max, const score_terms* terms,
                 softmax_sum& sum, const outgoing_rows* before) noexcept {
  with_score(
      terms, [&](auto score) __attribute__((always_inline)) {
        exp_sum_of<tier, decltype(score)>(x, y, next, n, max, terms, sum, before);
      });
}

/// With b null, of a alone. What the products lose to rounding is added, too.
void row_dot(const float* a, const float* b, std::int64_t n, softmax_sum& sum) noexcept {
  sum_row<false>(
      n, sum, nullptr, [=](std::int64_t i, std::int64_t count, auto&& add_pair) __attribute__((always_inline)) {
        const auto part = [&](const float* p) __attribute__((always_inline)) {
          return count == pair_size ? load(p + i) : load_partial(p + i, count);
        };
        const pair u = part(a);
        if (b == nullptr) return add_pair(u);
        const pair v = part(b), product{u.first * v.first, u.second * v.second};
        add_pair(product);
        add_pair({fma_exact(u.first, v.first, negate(product.first)),
                  fma_exact(u.second, v.second, negate(product.second))});
      });
}

using vec_double = xsimd::batch<double, arch>;

/// What is left of v where the upper half of its lanes has met the lower one, until `least` are.
template <class V>
SIGMAX_FN void meet(V* v, int count, int least) {
#pragma GCC unroll 8
  for (int half = count / 2; half * static_cast<int>(V::size) >= least; half /= 2)
#pragma GCC unroll 16
    for (int g = 0; g < half; ++g) v[g] = v[g] + v[g + half];
}

/// Lane l of `used` meets l + 32, l + 16, ... l + 1, in double; the low parts do so in float as far as 16 lanes, which
/// rounds what is 2^-24 of the whole. `low` null: each lane is a value, and started at none.
template <int used>
SIGMAX_FN double lanes_total(const float* high, const float* low, float start) {
  constexpr int width = lanes / 2, count = used / width, single = 16;
  static_assert(lanes <= single && used >= single);
  vec_double sum[count];
#pragma GCC unroll 16
  for (int l = 0; l < used; l += lanes) {
    vec v = vec::load_aligned(high + l);
    if (low != nullptr) v = v - vec(start);  // exact
    const auto h = xsimd::widen(v);
    sum[l / width] = h[0], sum[l / width + 1] = h[1];
  }
  meet(sum, count, single);
  if (low != nullptr) {
    vec rest[used / lanes];
#pragma GCC unroll 16
    for (int l = 0; l < used; l += lanes) rest[l / lanes] = vec::load_aligned(low + l);
    meet(rest, used / lanes, single);
#pragma GCC unroll 4
    for (int l = 0; l < single; l += lanes) {
      const auto r = xsimd::widen(rest[l / lanes]);
      sum[l / width] = sum[l / width] + r[0], sum[l / width + 1] = sum[l / width + 1] + r[1];
    }
  }
  meet(sum, single / width, width);
  alignas(64) double last[width];
  sum[0].store_aligned(last);
#pragma GCC unroll 4
  for (int half = width / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) last[l] += last[l + half];
  return last[0];
}

double row_total(const softmax_sum& sum, float start) noexcept {
  return lanes_total<softmax_lanes>(sum.high, sum.low, start);
}

template <class F>
SIGMAX_FN void map_row(const float* x, float* y, std::int64_t n, bool streaming, F f) {
  if (streaming)
    map<true>(x, y, n, f);
  else
    map<false>(x, y, n, f);
}

void row_fill(float* y, std::int64_t n, float v, bool streaming) noexcept {
  std::int64_t i = 0;
  if (streaming) {
    const auto misplaced = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(y) % (lanes * sizeof(float)));
    if (misplaced != 0) i = std::min(n, lanes - misplaced / std::int64_t{sizeof(float)});
    std::fill_n(y, i, v);
    for (; i + pair_size <= n; i += pair_size) store<true>(y + i, {vec(v), vec(v)});
  }
  std::fill(y + i, y + n, v);
}

template <accuracy tier>
void rows_scale(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, int rows, std::int64_t n,
                const float* high, const float* low, bool streaming) noexcept {
  for (int r = 0; r < rows; ++r)
    map_row(
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
              map_row(
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
          map_row(
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

/// v - (high + low), for finite ones only
SIGMAX_FN vec minus_parts(vec v, vec high, vec low) {
  vec d = v - high;
  vec b = d - v;
  return d + (((v - (d - b)) - (high + b)) - low);
}

template <bool logarithm>
void row_gradient(const float* dy, const float* y, float* dx, std::int64_t n, float scale, float high, float low,
                  bool streaming) noexcept {
  const vec s(scale), h(high), l(low);
  const auto one = [=](vec g, vec v) __attribute__((always_inline)) {
    if constexpr (logarithm) {
      const vec e = math::exp(v);
      return s * fma(negate(e), h, fma(negate(e), l, g));
    } else {
      return s * v * minus_parts(g, h, l);
    }
  };
  map_row(
      y, dx, n, streaming, [=](std::int64_t i, pair v, std::int64_t count) __attribute__((always_inline)) {
        const pair g = count == pair_size ? load(dy + i) : load_partial(dy + i, count);
        return pair{one(g.first, v.first), one(g.second, v.second)};
      });
}

}  // namespace
}  // namespace sigmax
