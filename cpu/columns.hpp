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
    for (int i = 0; i < lanes / 2; ++i) {
      b[2 * i] = xsimd::zip_lo(a[i], a[i + lanes / 2]);
      b[2 * i + 1] = xsimd::zip_hi(a[i], a[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) a[i] = b[i];
  }
}

void to_columns(const float* x, std::int64_t stride, int rows, std::int64_t n, float* t) noexcept {
  for (int v = 0; v < side_by_side; v += lanes)
    for (std::int64_t c = 0; c < n; c += lanes) {
      const std::int64_t count = n - c < lanes ? n - c : lanes;
      vec a[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        const float* const p = x + (v + r < rows ? v + r : 0) * stride + c;  // what is not there repeats the first row
        a[r] = count == lanes ? vec::load_unaligned(p) : load_partial(p, count).first;
      }
      transpose(a);
      for (int i = 0; i < count; ++i) a[i].store_unaligned(t + (c + i) * side_by_side + v);
    }
}

void from_columns(const float* t, float* y, std::int64_t stride, int rows, std::int64_t n) noexcept {
  for (int v = 0; v < rows; v += lanes)
    for (std::int64_t c = 0; c < n; c += lanes) {
      const std::int64_t count = n - c < lanes ? n - c : lanes;
      vec a[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) a[i] = vec::load_unaligned(t + (c + (i < count ? i : 0)) * side_by_side + v);
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

void max_rows(const float* x, std::int64_t stride, int rows, std::int64_t n, float* max) noexcept {
  alignas(64) float found[side_by_side * lanes], t[side_by_side * lanes];
  for (int r = 0; r < rows; ++r) {
    const float* const p = x + r * stride;
    vec m(-infinity);
    for (std::int64_t i = 0; i + lanes <= n; i += lanes) {
      const vec v = vec::load_unaligned(p + i);
      m = larger(m, v);
    }
    if (n % lanes != 0) {
      alignas(64) float rest[lanes];
      m.store_aligned(rest);
      for (std::int64_t i = n / lanes * lanes, l = 0; i < n; ++i, ++l) rest[l] = p[i] > rest[l] ? p[i] : rest[l];
      m = vec::load_aligned(rest);
    }
    m.store_aligned(found + r * lanes);
  }
  to_columns(found, lanes, rows, lanes, t);
  max_columns(t, lanes, max);
}

/// The last steps of row_total, for rows side by side: `used` of the lanes that are kept hold something.
SIGMAX_FN void total_columns(const float* high, const float* low, int used, double* total) {
  double sums[kept][side_by_side];
  for (int l = 0; l < used; ++l)
    for (int r = 0; r < side_by_side; ++r)
      sums[l][r] = static_cast<double>(high[l * side_by_side + r]) + static_cast<double>(low[l * side_by_side + r]);
  for (int half = kept / 2; half > 0; half /= 2)
    for (int l = 0; l < half && l + half < used; ++l)
      for (int r = 0; r < side_by_side; ++r) sums[l][r] += sums[l + half][r];
  for (int r = 0; r < side_by_side; ++r) total[r] = sums[0][r];
}

/// A row with no more than one value for each virtual lane.
template <accuracy tier>
SIGMAX_FN void exp_sum_short(const float* x, float* y, std::int64_t n, float max, float* h, float* l) {
  vec high[group], low[group];
  const numerator<tier> numerator_of{vec(max)};
#pragma GCC unroll 16
  for (int g = 0; g < group; ++g) {
    const std::int64_t count = n - g * lanes;
    high[g] = low[g] = vec(0.0f);
    if (count >= lanes) {
      high[g] = numerator_of(vec::load_unaligned(x + g * lanes));
      if (y != nullptr) high[g].store_unaligned(y + g * lanes);
    } else if (count > 0) {
      const vec e = numerator_of(padded(load_partial(x + g * lanes, count), count, vec(max)).first);
      high[g] = padded({e, e}, count, vec(0.0f)).first;
      if (y != nullptr) store_partial(y + g * lanes, {e, e}, count);
    }
  }
  fold(high, low, h, l);
}

template <accuracy tier>
void exp_sum_rows(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, int rows, std::int64_t n,
                  const float* max, double* total) noexcept {
  alignas(64) float h[side_by_side * kept], l[side_by_side * kept];
  alignas(64) float high[side_by_side * kept], low[side_by_side * kept];
  for (int r = 0; r < rows; ++r) {
    const float* const in = x + r * x_stride;
    float* const out = y != nullptr ? y + r * y_stride : nullptr;
    if (n <= softmax_lanes) {
      exp_sum_short<tier>(in, out, n, max[r], h + r * kept, l + r * kept);
    } else {
      softmax_sum sum;
      sum.begin(numerators_start);
      row_exp_sum<tier>(in, out, n, max[r], sum);
      fold(sum, numerators_start, h + r * kept, l + r * kept);
    }
  }
  to_columns(h, kept, rows, kept, high);
  to_columns(l, kept, rows, kept, low);
  total_columns(high, low, kept, total);
}

/// For one chunk: row_total of the same 64 virtual lanes, each of which is a vector here.
template <accuracy tier>
void exp_sum_columns(const float* t, float* e, std::int64_t n, const float* max, double* total) noexcept {
  const int used = n < softmax_lanes ? static_cast<int>(n) : softmax_lanes;
  alignas(64) float high[softmax_lanes * side_by_side], low[softmax_lanes * side_by_side];
  for (int v = 0; v < side_by_side; v += lanes) {
    const numerator<tier> numerator_of(vec::load_unaligned(max + v));
    const bool single = n <= softmax_lanes;  // values in a lane
    for (std::int64_t c = 0; c < n; ++c) {
      const vec y = numerator_of(vec::load_unaligned(t + c * side_by_side + v));
      if (e != nullptr) y.store_unaligned(e + c * side_by_side + v);
      const std::int64_t at = c % softmax_lanes * side_by_side + v;
      vec h = y, l(0.0f);
      if (!single) {
        h = c < used ? vec(numerators_start) : vec::load_aligned(high + at);
        if (c >= used) l = vec::load_aligned(low + at);
        add<true>(h, l, y);
        if (c + softmax_lanes >= n) take_off(h, l, vec(numerators_start));
      }
      h.store_aligned(high + at);
      l.store_aligned(low + at);
    }
    for (int half = softmax_lanes / 2; half >= kept; half /= 2)
      for (int at = v; at < half * side_by_side && at + half * side_by_side < used * side_by_side; at += side_by_side) {
        vec h = vec::load_aligned(high + at), l = vec::load_aligned(low + at);
        add_exact(h, l, vec::load_aligned(high + at + half * side_by_side));
        h.store_aligned(high + at);
        (l + vec::load_aligned(low + at + half * side_by_side)).store_aligned(low + at);
      }
  }
  total_columns(high, low, used < kept ? used : kept, total);
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
  for (int v = 0; v < side_by_side; v += lanes) {
    vec_int best(taken), where(0);
    for (std::int64_t c = 0; c < n; ++c) {
      const vec_int key = vec_int::load_unaligned(k + c * side_by_side + v);
      where = xsimd::select(key > best, vec_int(static_cast<std::int32_t>(c)), where);
      best = xsimd::max(best, key);
    }
    xsimd::bitwise_cast<float>(in_order(best)).store_unaligned(value + v);
    where.store_unaligned(place + v);
  }
  for (int r = 0; r < side_by_side; ++r) k[place[r] * side_by_side + r] = taken;
}

template <accuracy tier>
inline constexpr softmax_steps steps = {any_scores<tier>,      row_exp_sum<tier>,   row_scale<tier>,
                                        row_exp_scale<tier>,   row_shift<tier>,     exp_sum_rows<tier>,
                                        exp_sum_columns<tier>, scale_columns<tier>, shift_columns<tier>};

}  // namespace
}  // namespace sigmax
