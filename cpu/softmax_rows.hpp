// What the loops over softmax rows and over their gradients share.
#pragma once

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <algorithm>

#include "../kernels/dispatch.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t scratch_floats = 8192;  // 32 KiB of stack
constexpr int widest_tile = 16;                // f32 columns in a cache line
constexpr int direct_tile = 8;                 // contiguous rows together, if each has at most
constexpr std::int64_t direct_columns = 512;   // so many columns: 16 KiB, half an L1 cache
constexpr std::int64_t smallest_task = 16384;  // elements, as for elementwise calls

/// Rows that are worked on together: those that share cache lines, or short ones, whose steps overlap.
inline int rows_together(std::int64_t stride, std::int64_t columns) noexcept {
  return stride != 1 && columns > 1 ? widest_tile : columns <= direct_columns ? direct_tile : 1;
}

/// A double as the sum of two floats; not a number unless it is finite.
struct factors {
  float high, low;
};
inline factors two_parts(double v) noexcept {
  const auto high = static_cast<float>(v);
  return {high, static_cast<float>(v - static_cast<double>(high))};
}

/// Rows cut for the caller's threads.
inline work_split split_rows(std::int64_t rows, std::int64_t columns, const options& how) noexcept {
  return split_work(rows, 1, std::max<std::int64_t>(1, smallest_task / std::max<std::int64_t>(1, columns)), how);
}

/// Once a call: makes non-temporal stores visible.
inline void order_streamed_stores() noexcept {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace sigmax
