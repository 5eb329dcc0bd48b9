// From the elements of a contiguous f32 row to its scores, and the largest of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "elementwise.hpp"
// After batch.hpp, whose vocabulary their templates use.
#include "../kernels/activations/logistic.hpp"
#include "../kernels/kernel_table.hpp"

namespace sigmax {
namespace {

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

/// The scores of elements i, i + 1, ... of a row, from v, the elements themselves; `ordered`: numbers in the same
/// order, of whose largest largest_score makes that of the scores.
struct plain_score {
  SIGMAX_FN pair ordered(pair v, std::int64_t, std::int64_t) const { return v; }
  SIGMAX_FN vec operator()(vec v, std::int64_t, std::int64_t) const { return v; }
  SIGMAX_FN pair operator()(pair v, std::int64_t, std::int64_t) const { return v; }
};
struct scale_score {
  vec scale;
  /// Products are rounded, but stay in the order of the elements, or of their negatives.
  SIGMAX_FN pair ordered(pair v, std::int64_t, std::int64_t) const {
    const vec_bits sign = bits_of(scale) & vec_bits(0x80000000u);
    return {from_bits(bits_of(v.first) ^ sign), from_bits(bits_of(v.second) ^ sign)};
  }
  SIGMAX_FN vec operator()(vec v, std::int64_t, std::int64_t) const { return v * scale; }
  SIGMAX_FN pair operator()(pair v, std::int64_t, std::int64_t) const { return {v.first * scale, v.second * scale}; }
};
/// Of rows in which no such score is NaN: then v + -inf is -inf, and nothing has to be selected. A scale of 1 changes
/// no bit, and the loops are there once.
struct mask_score {
  vec scale;
  const float* mask;
  SIGMAX_FN vec operator()(vec v, std::int64_t i, std::int64_t count) const {
    return added(v, count >= lanes ? vec::load_unaligned(mask + i) : load_partial(mask + i, count).first);
  }
  SIGMAX_FN pair operator()(pair v, std::int64_t i, std::int64_t count) const {
    const pair m = count >= pair_size ? load(mask + i) : load_partial(mask + i, count);
    return {added(v.first, m.first), added(v.second, m.second)};
  }
  SIGMAX_FN vec added(vec v, vec m) const { return v * scale + m; }
  SIGMAX_FN pair ordered(pair v, std::int64_t i, std::int64_t count) const { return (*this)(v, i, count); }
};
SIGMAX_FN float largest_score(float v, const score_terms* terms) {
  if (terms == nullptr || terms->mask != nullptr) return v;
  const float product = v * std::fabs(terms->scale);
  return product == product ? product : terms->scale == 0 && v > 0 ? 0.0f : -infinity;  // 0 times infinity is no score
}
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
  const vec scale(terms.scale), slope(terms.slope);
  const softcap_op cap{terms.softcap};
  const auto score = [&](vec v, vec distance, vec mask) __attribute__((always_inline)) {
    v = v * scale;
    if constexpr (capped) v = tier == accuracy::fast ? cap.fast(v) : cap(v);
    if constexpr (sloped) v = fma_exact(slope, distance, v);
    if constexpr (masked) v = masked_score(v, mask);
    return v;
  };
  alignas(64) float distances[pair_size];
  const auto distances_from = [&](std::int64_t first) __attribute__((always_inline)) {
    for (int l = 0; l < pair_size; ++l) distances[l] = static_cast<float>(first + l);
    return load(distances);
  };
  // Sums of floats are exact below 2^24; farther away each integer is rounded by itself.
  const bool near = std::abs(terms.distance) + n < (std::int64_t{1} << 24);
  pair distance = distances_from(terms.distance);
  const auto scores = [&](pair v, pair mask) __attribute__((always_inline)) {
    return pair{score(v.first, distance.first, mask.first), score(v.second, distance.second, mask.second)};
  };
  vec a(bound), b(bound);
  std::int64_t i = 0;
  for (; i + pair_size <= n; i += pair_size) {
    const pair v = scores(load(x + i), masked ? load(terms.mask + i) : pair{});
    store<false>(t + i, v);
    if (sloped && near) distance = {distance.first + vec(pair_size), distance.second + vec(pair_size)};
    if (sloped && !near) distance = distances_from(terms.distance + i + pair_size);
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  if (i < n) {
    const pair mask = masked ? load_partial(terms.mask + i, n - i) : pair{};
    pair v = scores(load_partial(x + i, n - i), mask);
    store_partial(t + i, v, n - i);
    v = padded(v, n - i, vec(bound));
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  return xsimd::reduce_max(larger(a, b));  // of no NaN
}

template <accuracy tier>
float any_scores(const float* x, float* t, std::int64_t n, const score_terms& terms, float bound) noexcept {
  using loop = float (*)(const float*, float*, std::int64_t, const score_terms&, float) noexcept;
  static constexpr loop loops[2][2][2] = {
      {{row_scores<tier, false, false, false>, row_scores<tier, false, false, true>},
       {row_scores<tier, false, true, false>, row_scores<tier, false, true, true>}},
      {{row_scores<tier, true, false, false>, row_scores<tier, true, false, true>},
       {row_scores<tier, true, true, false>, row_scores<tier, true, true, true>}}};
  return loops[terms.softcap != 0][terms.slope != 0][terms.mask != nullptr](x, t, n, terms, bound);
}

/// Whether a score is NaN, where that matters; their sum tells. It is also NaN, but rarely, where scores of both signs
/// are infinite or near the largest float.
template <class Score>
struct nan_search {
  SIGMAX_FN void take(pair) {}
  SIGMAX_FN bool found() const { return false; }
};
template <>
struct nan_search<mask_score> {
  pair sum{vec(0.0f), vec(0.0f)};
  SIGMAX_FN void take(pair v) { sum = {sum.first + v.first, sum.second + v.second}; }
  SIGMAX_FN bool found() const {
    const vec s = sum.first + sum.second;
    return xsimd::any(s != s);
  }
};

/// Lane by lane the largest of `bound` and the scores of a row.
template <class Score>
SIGMAX_FN vec lanes_max(const float* x, std::int64_t n, Score score, vec bound, nan_search<Score>& nan) {
  vec a(bound), b(bound);
  const auto take = [&](pair v) __attribute__((always_inline)) {
    a = larger(a, v.first);
    b = larger(b, v.second);
    nan.take(v);
  };
  std::int64_t i = 0;
  for (; i + pair_size <= n; i += pair_size) take(score(load(x + i), i, pair_size));
  if (i < n) take(padded(score(load_partial(x + i, n - i), i, n - i), n - i, bound));
  return larger(a, b);
}

float row_max(const float* x, std::int64_t n, const score_terms* terms, float bound) noexcept {
  with_score(
      terms, [&](auto score) __attribute__((always_inline)) {
        nan_search<decltype(score)> nan;
        bound = xsimd::reduce_max(lanes_max(x, n, score, vec(bound), nan));  // of no NaN
        if (nan.found()) bound = std::numeric_limits<float>::quiet_NaN();
      });
  return bound;
}

/// The same of elements of 16 bits, which go to t as f32 unless it is null.
template <class T>
float row_max_widened(const void* x, float* t, std::int64_t n, float bound) noexcept {
  const auto* const p = static_cast<const ordered<T>*>(x);
  vec a(bound), b(bound);
  std::int64_t i = 0;
  for (; i + pair_size <= n; i += pair_size) {
    const pair v = load(p + i);
    if (t != nullptr) store<false>(t + i, v);
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  if (i < n) {
    pair v = load_partial(p + i, n - i);
    if (t != nullptr) store_partial(t + i, v, n - i);
    v = padded(v, n - i, vec(bound));
    a = larger(a, v.first);
    b = larger(b, v.second);
  }
  return xsimd::reduce_max(larger(a, b));  // of no NaN
}

}  // namespace
}  // namespace sigmax
