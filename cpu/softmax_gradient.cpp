// The backward passes of softmax and log_softmax on the CPU, from dy and y: a sum over the row, then the row.
// Contiguous f32 is read where it lies, and so are rows that lie across; short rows are put side by side, and all else
// is gathered, a tile of rows at a time when neighbours share cache lines.
#include <limits>

#include "softmax_rows.hpp"

namespace sigmax {
namespace {

row_block block_of(const softmax_gradient_plan& plan, const nest_cursor& cursor, gradient_operand which,
                   int rows) noexcept {
  return {plan.data[which] + cursor.offset(which) * size_of(plan.type[which]), plan.type[which],
          plan.rows.stride[which][plan.rows.rank - 1], plan.stride[which], rows};
}

/// Neighbouring rows.
struct gradient_tile {
  const softmax_gradient_plan& plan;
  const nest_cursor& cursor;
  int rows;
  float* scratch;
  std::int64_t piece;  ///< columns at a time
  factors total[widest_tile];

  gradient_tile(const softmax_gradient_plan& p, const nest_cursor& c, int n, float* buffer) noexcept
      : plan(p), cursor(c), rows(n), scratch(buffer) {
    const std::int64_t room = scratch_floats / 2 / rows;
    piece = plan.direct || holds_rows() ? plan.columns : room / softmax_turn * softmax_turn;
  }
  /// Whether what was gathered for the sum is still there when the row is written.
  bool holds_rows() const noexcept { return plan.split.parts == 1 && plan.columns <= scratch_floats / 2 / rows; }

  float* row(gradient_operand which, int r, std::int64_t start) const noexcept {
    return plan.direct ? reinterpret_cast<float*>(block(which, start).at(r, 0)) : scratch + (2 * r + which) * piece;
  }
  row_block block(gradient_operand which, std::int64_t start) const noexcept {
    row_block all = block_of(plan, cursor, which, rows);
    all.data = all.at(0, start);
    return all;
  }
  /// Calls work(start, count) for all pieces of columns [from, to).
  template <class F>
  void pieces(std::int64_t from, std::int64_t to, bool gather, F work) const noexcept {
    const std::int64_t end = std::min(to, plan.columns);
    for (std::int64_t start = from; start < end; start += piece) {
      const std::int64_t count = std::min(piece, end - start);
      for (gradient_operand which : {gradient_dy, gradient_y})
        if (gather) read_rows(*plan.table, block(which, start), count, row(which, 0, start), 2 * piece);
      work(start, count);
    }
  }

  void sum_chunk(std::int64_t chunk, double* out) const noexcept {
    std::fill_n(out, rows, 0.0);
    const std::int64_t begin = chunk * plan.split.chunk;
    for (std::int64_t from = begin; from < begin + plan.split.chunk; from += smallest_chunk) {
      softmax_sum sum[widest_tile];
      for (int r = 0; r < rows; ++r) sum[r].begin(0);
      pieces(from, from + smallest_chunk, !plan.direct, [&](std::int64_t start, std::int64_t count) {
        for (int r = 0; r < rows; ++r)
          plan.table->row_dot(row(gradient_dy, r, start), plan.logarithm ? nullptr : row(gradient_y, r, start), count,
                              sum[r], plan.streaming && plan.direct);
      });
      for (int r = 0; r < rows; ++r) out[r] += plan.table->row_total(sum[r]);
    }
  }

  void write_chunk(std::int64_t chunk) const noexcept {
    const std::int64_t begin = chunk * plan.split.chunk;
    pieces(begin, begin + plan.split.chunk, !plan.direct && !holds_rows(), [&](std::int64_t start, std::int64_t count) {
      for (int r = 0; r < rows; ++r)
        plan.table->softmax_gradient[plan.logarithm](row(gradient_dy, r, start), row(gradient_y, r, start),
                                                     row(plan.direct ? gradient_dx : gradient_dy, r, start), count,
                                                     plan.scale, total[r].high, total[r].low,
                                                     plan.streaming && plan.direct);
      if (!plan.direct)
        write_rows(*plan.table, row(gradient_dy, 0, start), 2 * piece, block(gradient_dx, start), count,
                   plan.streaming);
    });
  }
};

template <class F>
void run_tile(gradient_tile& tile, F for_chunks) noexcept {
  double sums[most_chunks][widest_tile];
  for_chunks([&](const gradient_tile& t, std::int64_t c) { t.sum_chunk(c, sums[c]); });
  for (int r = 0; r < tile.rows; ++r) {
    double total = 0;
    for (std::int64_t c = 0; c < tile.plan.split.chunks; ++c) total += sums[c][r];
    tile.total[r] = two_parts(total);
  }
  for_chunks([](const gradient_tile& t, std::int64_t c) { t.write_chunk(c); });
}

/// Rows that lie side by side in dy, y and dx.
void rows_across(const softmax_gradient_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  const row_block dy = block_of(plan, cursor, gradient_dy, rows), y = block_of(plan, cursor, gradient_y, rows),
                  dx = block_of(plan, cursor, gradient_dx, rows);
  plan.table->gradient_across[static_cast<std::size_t>(dx.type)](
      dy.data, dy.stride, y.data, y.stride, dx.data, dx.stride, rows, plan.columns, plan.logarithm, plan.scale,
      plan.streaming && reinterpret_cast<std::uintptr_t>(dx.data) % 64 == 0, scratch);
}

/// Rows of few columns, which are put side by side.
void narrow_rows(const softmax_gradient_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  const std::int64_t n = plan.columns;
  float *const dy = scratch, *const y = dy + n * side_by_side, *const room = y + n * side_by_side;
  read_columns(*plan.table, block_of(plan, cursor, gradient_dy, rows), n, dy);
  read_columns(*plan.table, block_of(plan, cursor, gradient_y, rows), n, y);
  plan.table->gradient_across[static_cast<std::size_t>(dtype::f32)](
      dy, side_by_side, y, side_by_side, dy, side_by_side, side_by_side, n, plan.logarithm, plan.scale, false, room);
  write_columns(*plan.table, dy, block_of(plan, cursor, gradient_dx, rows), n);
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const softmax_gradient_plan*>(argument);
  alignas(64) float scratch[scratch_floats];
  const auto moved = [&](const nest_cursor& cursor, int rows) {
    if (plan.narrow) return narrow_rows(plan, cursor, rows, scratch);
    run_alone<gradient_tile>(plan, cursor, rows, scratch);
  };
  for_tiles(plan, begin, end, [&](const nest_cursor& cursor, int rows) {
    if (!plan.across) return moved(cursor, rows);
    for_rows_across(
        cursor, rows, [&](const nest_cursor& some, int count) { rows_across(plan, some, count, scratch); }, moved);
  });
  if (plan.streaming) order_streamed_stores();
}

}  // namespace

softmax_gradient_plan plan_softmax_gradient(const kernel_table& table, bool logarithm, const const_view& dy,
                                            const const_view& y, const const_view& dx, int axis, float scale,
                                            const options& how) noexcept {
  softmax_gradient_plan plan{};
  describe_gradient(plan, logarithm, dy, y, dx, axis, scale);
  plan.table = &table;
  plan.direct = true;
  for (int v = 0; v < gradient_operands; ++v)
    plan.direct = plan.direct && plan.type[v] == dtype::f32 && (plan.stride[v] == 1 || plan.columns == 1);
  plan.tile = rows_together(plan.stride[gradient_dx], plan.columns, !plan.direct, scratch_floats / 2);
  const std::int64_t count = element_count(dx);
  plan.narrow = plan.columns <= narrow_columns && count >= narrow_rows_least * plan.columns;
  if (plan.narrow) plan.tile = side_by_side;
  plan.across = plan.columns > 1 && plan.columns <= smallest_chunk;
  for (int v = 0; v < gradient_operands; ++v)
    plan.across = plan.across && plan.type[v] == dx.type && lie_across(plan.rows, v, plan.stride[v]);
  if (plan.across) plan.tile = std::numeric_limits<int>::max();
  const bool lines = plan.across ? plan.stride[gradient_dx] * size_of(dx.type) % 64 == 0
                                 : plan.stride[gradient_dx] == 1 || plan.columns == 1;
  plan.streaming = lines && dx.data != dy.data && dx.data != y.data && count > cache_share_bytes() / size_of(dx.type) &&
                   (plan.across || !plan.narrow);
  plan.split = split_rows(count / plan.columns, plan.columns, how);
  return plan;
}

void run_softmax_gradient(const softmax_gradient_plan& plan, const options& how) noexcept {
  if (plan.split.parts > 1) return run_shared<gradient_tile>(plan, how);
  run_split(plan.split.rows, 1, how, run_rows, &plan);
}

}  // namespace sigmax
