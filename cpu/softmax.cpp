// Softmax rows on the CPU. A contiguous f32 row is read where it lies; any other is gathered, a tile of rows at a time
// when neighbouring rows share cache lines. Rows that are fewer than the threads are shared by them. Exponentials are
// kept where the last pass finds them in a cache; elsewhere it computes them again, which is bit-identical. All
// additions follow kernels/softmax_state.hpp.
#include "softmax_tile.hpp"

namespace sigmax {
namespace {

void stream_out(const softmax_plan& plan, outgoing_rows& before) noexcept {
  for (int r = 0; r < before.rows; ++r) {
    const float* const from = before.from + r * before.from_stride;
    float* const y = before.y + r * before.y_stride;
    if (before.logarithm)
      plan.steps->shift(from, y, plan.columns, before.max[r], before.high[r], before.low[r], true);
    else
      plan.steps->scale(from, y, plan.columns, before.high[r], before.low[r], from != y);
  }
  before.rows = 0;
}

/// Rows whose input and output are contiguous f32: one, or short ones whose steps overlap. While their exponentials are
/// formed, the next rows come from memory and the ones `before` go there.
void direct_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch,
                 outgoing_rows& before) noexcept {
  const kernel_table& k = *plan.table;
  const std::int64_t n = plan.columns;
  const auto step = [&](softmax_operand which) { return plan.rows.stride[which][plan.rows.rank - 1]; };
  const float* const x = reinterpret_cast<const float*>(row_of(plan, cursor, operand_x, 0));
  float* const y = reinterpret_cast<float*>(row_of(plan, cursor, operand_y, 0));
  const std::int64_t x_step = step(operand_x), y_step = step(operand_y);
  const float* const next = plan.streaming ? x + rows * x_step : x;
  const bool keep = plan.staged || (!plan.logarithm && plan.rests_in_cache(n));
  float* const e = plan.staged ? scratch : y;
  const std::int64_t e_step = plan.staged ? n : y_step;

  float max[side_by_side], high[side_by_side], low[side_by_side];
  double total[side_by_side];
  std::fill_n(total, side_by_side, 1.0);  // what is no row gets factors, too
  if (before.rows > rows) stream_out(plan, before);
  if (plan.tile > 1) {
    k.max_rows(x, x_step, rows, n, max);
    plan.steps->exp_sum_rows(x, x_step, keep ? e : nullptr, e_step, next, rows, n, max, total,
                             before.rows > 0 ? &before : nullptr);
  } else {
    max[0] = k.row_max(x, n, no_score);
    total[0] = 0;
    for (std::int64_t from = 0; from < n; from += plan.split.chunk) {
      softmax_sum sum;
      sum.begin(numerators_start);
      plan.steps->exp_sum(x + from, keep ? e + from : nullptr, next + from, std::min(plan.split.chunk, n - from),
                          max[0], sum, before.rows > 0 ? &before : nullptr);
      total[0] += k.row_total(sum, numerators_start);
      before.from += plan.split.chunk, before.y += plan.split.chunk;
    }
  }
  if (plan.logarithm)
    k.logarithms(total, high, low);
  else
    k.quotients(1, total, high, low);
  if (plan.drained) {
    before.rows = rows;
    before.from = keep ? e : x, before.from_stride = keep ? e_step : x_step;
    before.y = y, before.y_stride = y_step;
    for (int r = 0; r < rows; ++r) before.max[r] = max[r], before.high[r] = high[r], before.low[r] = low[r];
    return;
  }
  for (int r = 0; r < rows; ++r) {
    const float* const in = x + r * x_step;
    float* const out = y + r * y_step;
    if (keep)
      plan.steps->scale(e + r * e_step, out, n, high[r], low[r], plan.streaming);
    else if (plan.logarithm)
      plan.steps->shift(in, out, n, max[r], high[r], low[r], plan.streaming);
    else
      plan.steps->exp_scale(in, out, n, max[r], high[r], low[r], plan.streaming);
  }
}

/// Plain rows of few columns, side by side.
void narrow_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows) noexcept {
  const std::int64_t n = plan.columns;
  alignas(64) float t[narrow_columns * side_by_side], e[narrow_columns * side_by_side];
  const auto block = [&](softmax_operand which, std::int64_t stride) {
    return row_block{row_of(plan, cursor, which, 0), plan.type[which], plan.rows.stride[which][plan.rows.rank - 1],
                     stride, rows};
  };
  float max[side_by_side];
  double total[side_by_side];
  read_columns(*plan.table, block(operand_x, plan.x_stride), n, t);
  plan.table->max_columns(t, n, max);
  plan.steps->exp_sum_columns(t, plan.logarithm ? nullptr : e, n, max, total);
  if (plan.logarithm) {
    float high[side_by_side], low[side_by_side];
    plan.table->logarithms(total, high, low);
    plan.steps->shift_columns(t, n, max, high, low);
  } else {
    scale_columns(*plan.table, *plan.steps, e, n, 1, total);
  }
  write_columns(*plan.table, plan.logarithm ? t : e, block(operand_y, plan.y_stride), n);
}

/// Rows in any form, of a drained plan. Scores and numerators of a tile take one half of the buffer, those of the tile
/// that leaves meanwhile the other.
void drained_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch,
                  outgoing_rows& before) noexcept {
  if (before.rows > rows) stream_out(plan, before);
  float* const half = scratch + scratch_floats / 2;
  const bool taken = before.rows > 0 && before.from >= scratch && before.from < half;
  run_alone<row_tile>(plan, cursor, rows, taken ? half : scratch, &before);
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const softmax_plan*>(argument);
  alignas(64) float scratch[scratch_floats];
  float* waiting = scratch;
  // A longer row waits where the last one will be in the end.
  if (plan.drained && plan.columns > scratch_floats)
    waiting = reinterpret_cast<float*>(row_of(plan, nest_cursor(plan.rows, end - 1), operand_y, 0));
  const bool direct = plan.form == nullptr && plan.direct_input && plan.direct_output;
  outgoing_rows before;
  before.rows = 0, before.logarithm = plan.logarithm;
  for_tiles(plan, begin, end, [&](const nest_cursor& cursor, int rows) {
    if (plan.narrow)
      narrow_rows(plan, cursor, rows);
    else if (direct)
      direct_rows(plan, cursor, rows, waiting, before);
    else if (plan.drained)
      drained_rows(plan, cursor, rows, scratch, before);
    else
      run_alone<row_tile>(plan, cursor, rows, scratch);
  });
  stream_out(plan, before);
  if (plan.streaming) order_streamed_stores();
}

/// Whether all rows of y begin on a cache line.
bool rows_begin_lines(const softmax_plan& plan) noexcept {
  bool yes = reinterpret_cast<std::uintptr_t>(plan.data[operand_y]) % 64 == 0;
  for (int i = 0; i < plan.rows.rank; ++i) yes = yes && plan.rows.stride[operand_y][i] * size_of(dtype::f32) % 64 == 0;
  return yes;
}

}  // namespace

softmax_plan plan_softmax(const kernel_table& table, softmax_pass pass, bool logarithm, const softmax_form* form,
                          const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                          const options& how, const quantisation* codes) noexcept {
  softmax_plan plan;  // filled below: clearing its loop nest would take longer than a short row
  describe_softmax(plan, pass, logarithm, form, loss, x, y, axis, codes);
  plan.table = &table;
  plan.steps = &table.softmax[static_cast<std::size_t>(how.accuracy)];
  plan.direct_input = x.type == dtype::f32 && (plan.x_stride == 1 || plan.columns == 1);
  plan.direct_output = y.type == dtype::f32 && (plan.y_stride == 1 || plan.columns == 1);
  std::int64_t rows = 1;
  for (int i = 0; i < x.rank; ++i)
    if (i != axis) rows *= x.shape[i];
  plan.narrow = form == nullptr && plan.columns <= narrow_columns && rows >= narrow_rows_least;
  const bool direct = form == nullptr && plan.direct_input && plan.direct_output;
  const bool in_scratch = !direct && !(plan.direct_output && pass == softmax_pass::all);  // not in y, see row_tile
  plan.tile = plan.narrow ? side_by_side : rows_together(plan.x_stride, plan.columns, in_scratch, scratch_floats);
  const std::int64_t cache = cache_share_bytes();
  plan.resting_columns = cache / 4 / size_of(dtype::f32);
  const bool large = !plan.narrow && plan.direct_input && plan.direct_output && x.data != y.data &&
                     rows * plan.columns > cache / size_of(y.type);
  // Of rows in a form the scores, too, take room.
  const bool alone = direct || (pass == softmax_pass::all && form != nullptr && !form->causal && loss == nullptr &&
                                codes == nullptr && plan.columns <= scratch_floats / 2);
  plan.drained = large && alone && plan.rests_in_cache(plan.columns) && plan.columns % drained_columns == 0 &&
                 rows_begin_lines(plan);
  plan.staged = large && !logarithm && pass == softmax_pass::all && loss == nullptr &&
                (plan.columns <= scratch_floats || plan.drained);
  plan.streaming = large && (logarithm || plan.staged || !plan.rests_in_cache(plan.columns));
  // Few rows at a time: while one is computed, the one before is on its way out.
  if (plan.staged || plan.drained)
    plan.tile = static_cast<int>(std::clamp<std::int64_t>(1024 / plan.columns, 1, plan.tile));
  plan.split = split_rows(rows, plan.columns, how);
  return plan;
}

void run_softmax(const softmax_plan& plan, const options& how) noexcept {
  if (plan.split.parts > 1) return run_shared<row_tile>(plan, how);
  run_split(plan.split.rows, 1, how, run_rows, &plan);
}

}  // namespace sigmax
