// Softmax rows on the CPU. A contiguous f32 row is read where it lies; any other is gathered, a tile of rows at a time
// when neighbouring rows share cache lines. Rows that are fewer than the threads are shared by them. Exponentials are
// kept where the last pass finds them in a cache; elsewhere it computes them again, which is bit-identical. All
// additions follow kernels/softmax_state.hpp.
#include "softmax_tile.hpp"

namespace sigmax {
namespace {

/// Above it no factor of a row of up to 2^30 columns is tiny.
constexpr float least_direct_scale = 0x1p-30f;
constexpr std::int64_t near_columns = 1024;         // up to here a row that is asked for waits in the L1 cache
constexpr std::int64_t least_causal_columns = 512;  // below, rows together are faster than each to its own end

/// Whether the scores of a form are formed from x each time that they are needed, and need no buffer. Those of a
/// softcap or with slopes take longer than that, and windows begin anywhere.
bool costs_little(const softmax_plan& plan) noexcept {
  const softmax_form& form = *plan.form;
  const bool mask =
      plan.data[operand_mask] == nullptr || (plan.type[operand_mask] == dtype::f32 && plan.mask_stride == 1);
  return plan.pass == softmax_pass::all && plan.loss == nullptr && mask && form.softcap == 0 &&
         plan.data[operand_slopes] == nullptr && std::fabs(form.output_scale) > least_direct_scale &&
         (form.causal ? form.window <= 0 && plan.columns >= least_causal_columns : plan.columns > 0);
}

void stream_out(const softmax_plan& plan, outgoing_rows& before) noexcept {
  for (int r = 0; r < before.rows; ++r) {
    const float* const from = before.from + r * before.from_stride;
    float* const y = before.y + r * before.y_stride;
    const std::int64_t n = before.columns;
    if (before.logarithm)
      plan.steps->shift(from, y, n, before.max[r], before.high[r], before.low[r],
                        plan.scored && plan.direct ? before.terms + r : nullptr, true);
    else
      plan.steps->scale(from, y, n, before.high[r], before.low[r], from != y);
    if (before.after > 0) plan.table->row_fill(y + n, before.after, before.rest, true);
  }
  before.rows = 0;
}

/// The total of one row's numerators, which go to e unless it is null, while the one row `before` is streamed out.
double sum_direct_row(const softmax_plan& plan, const float* x, float* e, const float* next, std::int64_t n, float max,
                      score_terms* terms, outgoing_rows& before) noexcept {
  const auto skip_mask = [](score_terms& t, std::int64_t columns) {
    if (t.mask != nullptr) t.mask += columns;
  };
  // Where the rows' ends differ, what leaves meanwhile does so in whole turns of the lanes, and the rest before e takes
  // its place.
  std::int64_t together = before.rows == 0 ? 0 : before.columns;
  if (together != n) together = std::min(together, n) / softmax_turn * softmax_turn;
  double total = 0;
  softmax_sum sum;
  for (std::int64_t i = 0, in_chunk = 0; i < n;) {
    if (in_chunk == 0) sum.begin(numerators_start * plan.steps->unit);
    const bool draining = i < together;
    if (!draining) stream_out(plan, before);
    const std::int64_t count = std::min((draining ? together : n) - i, plan.split.chunk - in_chunk);
    plan.steps->exp_sum(x + i, e != nullptr ? e + i : nullptr, next + i, count, max, terms, sum,
                        draining ? &before : nullptr);
    i += count, in_chunk += count;
    if (i == n || in_chunk == plan.split.chunk) {
      total +=
          plan.table->row_total(sum, numerators_start * plan.steps->unit) * static_cast<double>(plan.steps->per_unit);
      in_chunk = 0;
    }
    if (draining) {
      before.from += count, before.y += count, before.columns -= count;
      if (terms != nullptr) skip_mask(before.terms[0], count);
    }
    if (terms != nullptr) skip_mask(*terms, count);
  }
  if (before.rows > 0 && before.columns + before.after > 0) stream_out(plan, before);
  return total;
}

/// The scores of rows, in y, and the largest of each; of rows that are alike only the first one's state is known. `n`
/// columns are looked at, of which -inf stands for what a row itself does not look at.
void form_scores(const softmax_plan& plan, const float* x, std::int64_t x_step, float* y, std::int64_t y_step, int rows,
                 std::int64_t n, row_state* state, float* max) noexcept {
  const std::int64_t mask_step = plan.rows.stride[operand_mask][plan.rows.rank - 1] * size_of(plan.type[operand_mask]);
  for (int r = 0; r < rows; ++r, x += x_step, y += y_step) {
    row_state& row = state[plan.alike ? 0 : r];
    if (r > 0 && plan.alike) row.max = no_score, row.mask += row.mask != nullptr ? mask_step : 0;
    std::fill(y, y + row.begin, no_score);
    std::fill(y + row.end, y + n, no_score);
    score(plan, row, x + row.begin, y + row.begin, row.begin, row.end);
    max[r] = row.max;
  }
}

/// Rows whose input and output are contiguous f32, plain or in a form that costs little or takes place in y: one, or
/// short ones whose steps overlap. While their exponentials are formed, the next rows come from memory and the ones
/// `before` go there.
void direct_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch, outgoing_rows& before,
                 row_state* state, score_terms* terms) noexcept {
  const kernel_table& k = *plan.table;
  const auto step = [&](softmax_operand which) { return plan.rows.stride[which][plan.rows.rank - 1]; };
  const float* x = reinterpret_cast<const float*>(row_of(plan, cursor, operand_x, 0));
  float* const y = reinterpret_cast<float*>(row_of(plan, cursor, operand_y, 0));
  const std::int64_t y_step = step(operand_y);
  std::int64_t x_step = step(operand_x);
  // What comes from memory is asked for early; so is what follows few and short rows, for which the L1 cache has room.
  const float* const next = plan.streaming || rows * plan.columns <= 2048 ? x + rows * x_step : x;
  const bool keep = plan.staged || (!plan.logarithm && plan.rests_in_cache(plan.columns));
  float* const e = plan.staged ? scratch : y;
  const std::int64_t e_step = plan.staged ? plan.columns : y_step;

  std::int64_t n = plan.columns;
  const score_terms* const scored = plan.scored && plan.direct ? terms : nullptr;
  const bool own = plan.form != nullptr && !plan.alike;  // rows have terms or results of their own
  if (plan.alike && plan.formed)
    begin_row(plan, cursor, 0, state[0]);
  else if (plan.alike) {
    const bool masked = plan.data[operand_mask] != nullptr;
    const float* mask = masked ? reinterpret_cast<const float*>(row_of(plan, cursor, operand_mask, 0)) : nullptr;
    for (int r = 0; r < rows; ++r, mask += masked ? step(operand_mask) : 0) {
      terms[r].scale = plan.form->scale, terms[r].scaled = plan.form->scale != 1;
      terms[r].mask = mask;
    }
  }
  for (int r = 0; r < rows && own; ++r) {
    begin_row(plan, cursor, r, state[r]);
    terms[r].scale = state[r].terms.scale, terms[r].scaled = state[r].terms.scaled;
    terms[r].mask = reinterpret_cast<const float*>(state[r].mask);
    n = r == 0 ? state[r].end : std::max(n, state[r].end);
  }

  float max[side_by_side], high[side_by_side], low[side_by_side];
  double total[side_by_side];
  std::fill_n(total, side_by_side, 1.0);  // what is no row gets factors, too
  if (before.rows > rows) stream_out(plan, before);
  if (plan.formed) {
    n = std::max<std::int64_t>(n, plan.columns > softmax_turn ? softmax_turn + 1 : 1);  // which decides how sums add up
    form_scores(plan, x, x_step, y, y_step, rows, n, state, max);
    x = y, x_step = y_step;
  } else if (plan.tile > 1)
    k.max_rows(x, x_step, rows, n, scored, max);
  else
    max[0] = k.row_max(x, n, scored, no_score);
  if (scored != nullptr && std::isnan(max[0])) {  // the scores themselves take the place of x, in y
    stream_out(plan, before);
    for (int r = 0; r < rows; ++r) {
      max[r] = plan.steps->scores(x + r * x_step, y + r * y_step, n, terms[r], no_score);
      terms[r] = {};
      terms[r].scale = 1;
    }
    x = y, x_step = y_step;
  }
  if (plan.alike && zeros_without_scores(plan))
    for (int r = 0; r < rows; ++r) max[r] = max[r] == no_score ? 0.0f : max[r];
  for (int r = 0; r < rows && own; ++r) {
    state[r].max = max[r];
    settle_max(plan, state[r]);
    max[r] = state[r].shift;
  }
  // What leaves has terms of the same kind.
  if (scored != nullptr && before.rows > 0 && (before.terms[0].mask != nullptr) != (terms[0].mask != nullptr))
    stream_out(plan, before);
  const bool causal = plan.form != nullptr && plan.form->causal;
  if (plan.tile > 1 || (plan.columns <= near_columns && !causal))
    plan.steps->exp_sum_rows(x, x_step, keep ? e : nullptr, e_step, next, rows, n, max, scored, total,
                             before.rows > 0 ? &before : nullptr);
  else {
    score_terms moving;
    if (scored != nullptr) moving = terms[0];
    total[0] =
        sum_direct_row(plan, x, keep ? e : nullptr, next, n, max[0], scored != nullptr ? &moving : nullptr, before);
  }
  const double numerator = plan.form != nullptr ? static_cast<double>(plan.form->output_scale) : 1;
  if (own) {
    for (int r = 0; r < rows; ++r) state[r].sum.exponentials = total[r];
    settle_sums(plan, cursor, state, rows);
    for (int r = 0; r < rows; ++r) total[r] = state[r].sum.exponentials;
  }
  if (plan.logarithm)
    k.logarithms(total, high, low);
  else
    k.quotients(numerator * static_cast<double>(plan.steps->per_unit), total, high, low);
  for (int r = 0; r < rows; ++r)
    if (total[r] == 0) high[r] = low[r] = 0;
  if (plan.drained) {
    before.rows = rows;
    before.from = keep ? e : x, before.from_stride = keep ? e_step : x_step;
    before.y = y, before.y_stride = y_step;
    before.columns = n, before.after = plan.columns - n, before.rest = rest_of_row(plan, total[0]);
    for (int r = 0; r < rows; ++r) {
      before.max[r] = max[r], before.high[r] = high[r], before.low[r] = low[r];
      if (scored != nullptr) before.terms[r] = terms[r];
    }
    return;
  }
  if (keep) {
    plan.steps->scale_rows(e, e_step, y, y_step, rows, n, high, low, plan.streaming);
  } else if (plan.logarithm) {
    plan.steps->shift_rows(x, x_step, y, y_step, rows, n, max, high, low, scored, plan.streaming);
  } else {
    for (int r = 0; r < rows; ++r)
      plan.steps->exp_scale(x + r * x_step, y + r * y_step, n, max[r], high[r], low[r],
                            scored != nullptr ? scored + r : nullptr, plan.streaming);
  }
  for (int r = 0; r < rows && n < plan.columns; ++r)
    k.row_fill(y + r * y_step + n, plan.columns - n, rest_of_row(plan, total[r]), plan.streaming);
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
    scale_columns(*plan.table, *plan.steps, e, n, static_cast<double>(plan.steps->per_unit), total);
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
  constexpr std::int64_t page = 4096 / sizeof(float);
  alignas(64) float room[scratch_floats + page];
  // Half a page from x in the last 12 bits of the address: loads soon after a store wait for it where those are equal.
  const auto away =
      (reinterpret_cast<std::uintptr_t>(plan.data[operand_x]) - reinterpret_cast<std::uintptr_t>(room)) / 64 * 16;
  float* const scratch = room + (away + page / 2) % page;
  float* waiting = scratch;
  // A longer row waits where the last one will be in the end.
  if (plan.drained && plan.columns > scratch_floats)
    waiting = reinterpret_cast<float*>(row_of(plan, nest_cursor(plan.rows, end - 1), operand_y, 0));
  row_state state[side_by_side];
  score_terms terms[side_by_side] = {};
  outgoing_rows before;
  before.rows = 0, before.logarithm = plan.logarithm;
  for_tiles(plan, begin, end, [&](const nest_cursor& cursor, int rows) {
    if (plan.narrow)
      narrow_rows(plan, cursor, rows);
    else if (plan.direct || plan.formed)
      direct_rows(plan, cursor, rows, waiting, before, state, terms);
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
  plan.direct = plan.direct_input && plan.direct_output && (form == nullptr || costs_little(plan));
  const bool in_scratch = !plan.direct && !(plan.direct_output && pass == softmax_pass::all);  // not in y, see row_tile
  plan.tile = plan.narrow ? side_by_side : rows_together(plan.x_stride, plan.columns, in_scratch, scratch_floats);
  const std::int64_t cache = cache_share_bytes();
  plan.resting_columns = cache / 4 / size_of(dtype::f32);
  const bool large = !plan.narrow && plan.direct_input && plan.direct_output && x.data != y.data &&
                     rows * plan.columns > cache / size_of(y.type);
  plan.formed = !plan.direct && !large && plan.direct_input && plan.direct_output && pass == softmax_pass::all &&
                loss == nullptr && codes == nullptr && plan.columns > 0 &&
                (!form->causal || plan.columns < least_causal_columns) &&
                std::fabs(form->output_scale) > least_direct_scale;
  plan.alike = (plan.direct || plan.formed) && form != nullptr && !form->causal &&
               plan.data[operand_row_scale] == nullptr && plan.data[operand_slopes] == nullptr &&
               plan.data[operand_sinks] == nullptr && plan.data[operand_max] == nullptr &&
               plan.data[operand_sum] == nullptr && plan.data[operand_lse] == nullptr;
  // Of rows in a form the scores, too, take room.
  const bool alone = plan.direct || (pass == softmax_pass::all && form != nullptr && !form->causal && loss == nullptr &&
                                     codes == nullptr && plan.columns <= scratch_floats / 2 &&
                                     std::fabs(form->output_scale) > least_direct_scale);
  plan.drained = large && alone && plan.rests_in_cache(plan.columns) && plan.columns % drained_columns == 0 &&
                 rows_begin_lines(plan);
  plan.staged = large && !logarithm && pass == softmax_pass::all && loss == nullptr &&
                (plan.columns <= scratch_floats || plan.drained);
  plan.streaming = large && (logarithm || plan.staged || !plan.rests_in_cache(plan.columns));
  // Few rows at a time: while one is computed, the one before is on its way out.
  if (form != nullptr && form->causal && plan.direct)
    plan.tile = 1;
  else if (plan.staged || plan.drained)
    plan.tile = static_cast<int>(std::clamp<std::int64_t>(1024 / plan.columns, 1, plan.tile));
  plan.split = split_rows(rows, plan.columns, how);
  return plan;
}

void run_softmax(const softmax_plan& plan, const options& how) noexcept {
  if (plan.split.parts > 1) return run_shared<row_tile>(plan, how);
  run_split(plan.split.rows, 1, how, run_rows, &plan);
}

}  // namespace sigmax
