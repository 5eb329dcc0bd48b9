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
      m = select(x > m, x, m);
    }
    m.store_unaligned(max + v);
  }
}

/// For one chunk: row_total of the same 64 virtual lanes, each of which is a vector here.
template <accuracy tier>
void exp_sum_columns(const float* t, float* e, std::int64_t n, const float* max, double* total) noexcept {
  constexpr int kept = 16;
  const int used = n < softmax_lanes ? static_cast<int>(n) : softmax_lanes;
  for (int v = 0; v < side_by_side; v += lanes) {
    const vec m = vec::load_unaligned(max + v);
    vec high[softmax_lanes], low[softmax_lanes];
    for (std::int64_t c = 0; c < n; ++c) {
      const vec y = exp_minus<tier>(vec::load_unaligned(t + c * side_by_side + v), m);
      if (e != nullptr) y.store_unaligned(e + c * side_by_side + v);
      if (c < used)
        high[c] = y, low[c] = vec(0.0f);
      else
        add<tier>(high[c % softmax_lanes], low[c % softmax_lanes], y);
    }
    for (int half = softmax_lanes / 2; half >= kept; half /= 2)
      for (int l = 0; l < half && l + half < used; ++l) {
        add_exact(high[l], low[l], high[l + half]);
        low[l] = low[l] + low[l + half];
      }
    double sums[kept][lanes];
    for (int l = 0; l < kept && l < used; ++l) {
      alignas(64) float h[lanes], r[lanes];
      high[l].store_aligned(h);
      low[l].store_aligned(r);
      for (int i = 0; i < lanes; ++i) sums[l][i] = static_cast<double>(h[i]) + static_cast<double>(r[i]);
    }
    for (int half = kept / 2; half > 0; half /= 2)
      for (int l = 0; l < half && l + half < used; ++l)
        for (int i = 0; i < lanes; ++i) sums[l][i] += sums[l + half][i];
    for (int i = 0; i < lanes; ++i) total[v + i] = sums[0][i];
  }
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
        return shift<tier>(x, vec::load_unaligned(max + v), vec::load_unaligned(high + v),
                           vec::load_unaligned(low + v));
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
inline constexpr softmax_steps steps = {any_scores<tier>,    row_exp_sum<tier>,  row_scale<tier>,
                                        row_exp_scale<tier>, row_shift<tier>,    exp_sum_columns<tier>,
                                        scale_columns<tier>, shift_columns<tier>};

}  // namespace
}  // namespace sigmax
