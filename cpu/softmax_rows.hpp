// What the loops over softmax rows and over their gradients share.
#pragma once

#include <algorithm>

#include "../kernels/dispatch.hpp"
#include "order_stores.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t scratch_floats = 8192;  // 32 KiB of stack
constexpr int widest_tile = 16;                // f32 columns in a cache line
static_assert(side_by_side == widest_tile);
constexpr std::int64_t direct_columns = 4096;  // the sums of rows together are formed in one step up to here
constexpr std::int64_t narrow_columns = 32;    // rows side by side, if each has at most so many columns
constexpr std::int64_t narrow_rows_least = 4;  // and there are so many of them
constexpr std::int64_t smallest_task = 16384;  // elements, as for elementwise calls

/// Rows that are worked on together: those that share cache lines; or short ones, whose steps overlap. Longer ones
/// would fall out of the L1 cache between the steps, for which there is less to overlap (cpu/README.md).
/// Contiguous rows that are copied get no more than `room` floats.
inline int rows_together(std::int64_t stride, std::int64_t columns, bool copied, std::int64_t room) noexcept {
  if (stride != 1 && columns > 1) return widest_tile;
  const int rows = columns <= 1024 ? 16 : columns <= 2048 ? 8 : columns <= 4096 ? 4 : 1;
  return copied && columns > 0 ? static_cast<int>(std::clamp<std::int64_t>(room / columns, 1, rows)) : rows;
}

/// Whether an operand's rows, `stride` from column to column, lie side by side in memory.
inline bool lie_across(const loop_nest& rows, int operand, std::int64_t stride) noexcept {
  return stride != 1 && rows.stride[operand][rows.rank - 1] == 1;
}
/// Of `rows` such rows calls across(cursor, count) for those that fill cache lines, up to across_rows at a time, and
/// rest(cursor, count) for what is left.
template <class F, class G>
void for_rows_across(nest_cursor cursor, int rows, F across, G rest) noexcept {
  for (int count; rows >= side_by_side; rows -= count, cursor.advance(count)) {
    count = std::min(across_rows, rows / side_by_side * side_by_side);
    across(cursor, count);
  }
  if (rows > 0) rest(cursor, rows);
}

/// Calls work(cursor, count) for rows [begin, end), as many at a time as the plan works on together.
template <class Plan, class F>
void for_tiles(const Plan& plan, std::int64_t begin, std::int64_t end, F work) noexcept {
  nest_cursor cursor(plan.rows, begin);
  while (begin < end) {
    const auto rows = static_cast<int>(std::min<std::int64_t>({plan.tile, cursor.run(), end - begin}));
    work(cursor, rows);
    cursor.advance(rows);
    begin += rows;
  }
}

/// Cuts the rows for the caller's threads, or their chunks where there are fewer rows than threads.
inline row_split split_rows(std::int64_t rows, std::int64_t columns, const options& how) noexcept {
  row_split split{};
  split.rows = split_work(rows, 1, std::max<std::int64_t>(1, smallest_task / std::max<std::int64_t>(1, columns)), how);
  split.chunk = softmax_chunk(columns);
  split.chunks = columns / split.chunk + (columns % split.chunk != 0);
  split.parts = 1;
  const std::int64_t threads = how.threads.run != nullptr ? how.threads.concurrency : 1;
  // All threads wait for each other after every pass: not for less than two chunks each.
  const std::int64_t parts = std::min(threads, split.chunks / 2);
  const std::int64_t mine = split.rows.end - split.rows.begin;
  if (mine > 0 && mine < threads && parts > split.rows.tasks) split.parts = parts;
  return split;
}

/// Neighbouring rows of a tensor in memory; distances in elements.
struct row_block {
  std::byte* data;
  dtype type;
  std::int64_t step, stride;  ///< from row to row, and along the row
  int rows;

  std::byte* at(int r, std::int64_t i) const noexcept { return data + (r * step + i * stride) * size_of(type); }
};
constexpr std::int64_t columns_at_once = 64;

/// Whether rows lie side by side, a column of them at a time: along another axis than the last. Each of their lines is
/// read and written once then, for those of neighbouring columns often share a cache set.
inline bool side_by_side_in(const row_block& x) noexcept { return x.step == 1 && x.stride != 1 && x.rows > 1; }

/// Whether they lie one behind the other, n columns each, and fill no more than a buffer.
inline bool packed(const row_block& x, std::int64_t n) noexcept {
  return x.stride == 1 && x.step == n && n <= columns_at_once;
}

/// n columns of rows, each of which goes to t contiguously, `step` behind the one before it.
inline void read_rows(const kernel_table& k, const row_block& x, std::int64_t n, float* t, std::int64_t step) noexcept {
  const auto gather = k.gather[static_cast<std::size_t>(x.type)];
  if (!side_by_side_in(x)) {
    for (int r = 0; r < x.rows; ++r) gather(x.at(r, 0), x.stride, n, t + r * step);
    return;
  }
  if (x.type == dtype::f32 && x.rows == side_by_side)
    return k.from_columns(reinterpret_cast<const float*>(x.data), x.stride, t, step, x.rows, n);
  alignas(64) float buffer[side_by_side * columns_at_once];
  for (std::int64_t i = 0; i < n; i += columns_at_once) {
    const std::int64_t count = std::min(columns_at_once, n - i);
    for (std::int64_t c = 0; c < count; ++c) gather(x.at(0, i + c), 1, x.rows, buffer + c * side_by_side);
    k.from_columns(buffer, side_by_side, t + i, step, x.rows, count);
  }
}
inline void write_rows(const kernel_table& k, const float* t, std::int64_t step, const row_block& y, std::int64_t n,
                       bool streaming = false) noexcept {
  const auto scatter = k.scatter[static_cast<std::size_t>(y.type)];
  const auto scatter_row = k.scatter_row[static_cast<std::size_t>(y.type)];
  if (!side_by_side_in(y)) {
    for (int r = 0; r < y.rows; ++r)
      if (y.stride == 1 && n >= columns_at_once)
        scatter_row(t + r * step, y.at(r, 0), n, streaming);
      else
        scatter(t + r * step, y.at(r, 0), y.stride, n);
    return;
  }
  if (y.type == dtype::f32 && y.rows == side_by_side)
    return k.to_columns(t, step, y.rows, n, reinterpret_cast<float*>(y.data), y.stride);
  alignas(64) float buffer[side_by_side * columns_at_once];
  for (std::int64_t i = 0; i < n; i += columns_at_once) {
    const std::int64_t count = std::min(columns_at_once, n - i);
    k.to_columns(t + i, step, y.rows, count, buffer, side_by_side);
    for (std::int64_t c = 0; c < count; ++c) scatter(buffer + c * side_by_side, y.at(0, i + c), 1, y.rows);
  }
}

/// n columns of up to side_by_side rows, side by side.
inline void read_columns(const kernel_table& k, const row_block& x, std::int64_t n, float* t) noexcept {
  if (x.type == dtype::f32 && (x.stride == 1 || n == 1))
    return k.to_columns(reinterpret_cast<const float*>(x.data), x.step, x.rows, n, t, side_by_side);
  const auto gather = k.gather[static_cast<std::size_t>(x.type)];
  if (side_by_side_in(x)) {
    for (std::int64_t i = 0; i < n; ++i, t += side_by_side) {
      gather(x.at(0, i), 1, x.rows, t);
      std::fill(t + x.rows, t + side_by_side, t[0]);  // as to_columns does
    }
    return;
  }
  alignas(64) float buffer[side_by_side * columns_at_once];
  if (packed(x, n)) {
    gather(x.data, 1, x.rows * n, buffer);
    return k.to_columns(buffer, n, x.rows, n, t, side_by_side);
  }
  for (std::int64_t i = 0; i < n; i += columns_at_once) {
    const std::int64_t count = std::min(columns_at_once, n - i);
    for (int r = 0; r < x.rows; ++r) gather(x.at(r, i), x.stride, count, buffer + r * columns_at_once);
    k.to_columns(buffer, columns_at_once, x.rows, count, t + i * side_by_side, side_by_side);
  }
}
inline void write_columns(const kernel_table& k, const float* t, const row_block& y, std::int64_t n) noexcept {
  if (y.type == dtype::f32 && (y.stride == 1 || n == 1))
    return k.from_columns(t, side_by_side, reinterpret_cast<float*>(y.data), y.step, y.rows, n);
  const auto scatter = k.scatter[static_cast<std::size_t>(y.type)];
  if (side_by_side_in(y)) {
    for (std::int64_t i = 0; i < n; ++i) scatter(t + i * side_by_side, y.at(0, i), 1, y.rows);
    return;
  }
  alignas(64) float buffer[side_by_side * columns_at_once];
  if (packed(y, n)) {
    k.from_columns(t, side_by_side, buffer, n, y.rows, n);
    return scatter(buffer, y.data, 1, y.rows * n);
  }
  for (std::int64_t i = 0; i < n; i += columns_at_once) {
    const std::int64_t count = std::min(columns_at_once, n - i);
    k.from_columns(t + i * side_by_side, side_by_side, buffer, columns_at_once, y.rows, count);
    for (int r = 0; r < y.rows; ++r) scatter(buffer + r * columns_at_once, y.at(r, i), y.stride, count);
  }
}

/// Rows side by side times numerator / denominator, each by its own.
inline void scale_columns(const kernel_table& k, const softmax_steps& steps, float* t, std::int64_t n, double numerator,
                          const double* denominator) noexcept {
  float high[side_by_side], low[side_by_side];
  k.quotients(numerator, denominator, high, low);
  steps.scale_columns(t, n, high, low);
}

/// The passes over one tile on one thread. A tile's passes come from run_tile(tile, for_chunks), where for_chunks(work)
/// calls work(tile or a copy of it, chunk) for every chunk.
template <class Tile, class Plan>
void run_alone(const Plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  Tile tile(plan, cursor, rows, scratch);
  run_tile(tile, [&](auto work) {
    for (std::int64_t c = 0; c < plan.split.chunks; ++c) work(tile, c);
  });
}

/// All threads on one tile after the other, each on a copy with scratch of its own.
template <class Tile, class Plan>
void run_shared(const Plan& plan, const options& how) noexcept {
  for_tiles(plan, plan.split.rows.begin, plan.split.rows.end, [&](const nest_cursor& cursor, int rows) {
    Tile tile(plan, cursor, rows, nullptr);
    run_tile(tile, [&](auto work) {
      const auto part = [&](std::int64_t begin, std::int64_t end) {
        alignas(64) float scratch[scratch_floats];
        Tile copy = tile;
        copy.scratch = scratch;
        for (std::int64_t c = begin; c < end; ++c) work(copy, c);
        if (plan.streaming) order_streamed_stores();
      };
      run_split(
          {0, plan.split.chunks, plan.split.parts}, 1, how,
          [](const void* argument, std::int64_t begin, std::int64_t end) noexcept {
            (*static_cast<decltype(&part)>(argument))(begin, end);
          },
          &part);
    });
  });
}

}  // namespace
}  // namespace sigmax
