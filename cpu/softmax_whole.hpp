// Neighbouring rows of a softmax whose scores are contiguous f32 all at once: in x, in y, or in a buffer.
#pragma once

#include <cmath>

#include "softmax_row.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t looked_ahead = 2048;  // what is asked for lies so far beyond what is looked at

void stream_out(const softmax_plan& plan, outgoing_rows& before) noexcept {
  for (int r = 0; r < before.rows; ++r) {
    const float* const from = before.from + r * before.from_stride;
    float* const y = before.y + r * before.y_stride;
    const std::int64_t n = before.columns;
    if (before.logarithm)
      plan.steps->shift(from, y, n, before.max[r], before.high[r], before.low[r],
                        plan.scored && plan.direct ? before.terms + r : nullptr, before.streaming);
    else
      plan.steps->scale(from, y, n, before.high[r], before.low[r], before.streaming && from != y);
    if (before.after > 0) plan.table->row_fill(y + n, before.after, before.rest[r], before.streaming);
  }
  before.rows = 0;
}

/// The total of one row's numerators, which go to e unless it is null, while the one row `before` leaves.
double sum_whole_row(const softmax_plan& plan, const float* x, float* e, const float* next, std::int64_t n, float max,
                     score_terms* terms, outgoing_rows& before) noexcept {
  const auto skip_mask = [](score_terms& t, std::int64_t columns) {
    if (t.mask != nullptr) t.mask += columns;
  };
  coming_rows& coming = before.coming;
  double total = 0, of_chunk = 0;
  softmax_sum sum;
  for (std::int64_t i = 0, in_chunk = 0; i < n;) {
    const std::int64_t in_part = in_chunk % smallest_chunk;
    if (in_part == 0) sum.begun = false;
    const std::int64_t count = std::min(n - i, smallest_chunk - in_part);
    plan.steps->exp_sum(x + i, e != nullptr ? e + i : nullptr, next + i, count, max, terms, sum,
                        before.rows > 0 || coming.x != nullptr ? &before : nullptr);
    i += count, in_chunk += count;
    if (i == n || in_chunk % smallest_chunk == 0)
      of_chunk += plan.table->row_total(sum) * static_cast<double>(numerator_down);
    if (i == n || in_chunk == plan.split.chunk) total += of_chunk, of_chunk = 0, in_chunk = 0;
    if (before.rows > 0) {
      const std::int64_t gone = std::min(count, before.columns);
      before.from += gone, before.y += gone, before.columns -= gone;
      if (terms != nullptr) skip_mask(before.terms[0], gone);
    }
    if (coming.x != nullptr) {
      coming.x += count, coming.begun = true;
      if (terms != nullptr) skip_mask(coming.terms[0], count);
    }
    if (terms != nullptr) skip_mask(*terms, count);
  }
  if (before.rows > 0 && before.columns + before.after > 0) stream_out(plan, before);
  if (coming.x != nullptr) coming.x -= n;
  return total;
}

/// One row, or short ones whose steps overlap. While their exponentials are formed, the next rows come from memory and
/// are looked at, and the ones `before` leave.
struct whole_tile {
  const softmax_plan& plan;
  const nest_cursor& cursor;
  int rows;
  std::int64_t following;  ///< rows behind these that the same thread comes to next
  outgoing_rows& before;
  row_state* state;    ///< of each row with terms or results of its own
  score_terms* terms;  ///< of each row
  const float* x;      ///< the scores, or what they are formed from if that is contiguous f32
  float *y, *e;        ///< e: where scores are formed and exponentials kept, if they are
  std::int64_t x_step, y_step, e_step;
  std::int64_t n;  ///< columns that are looked at
  bool keep, own, causal;
  const float* next;          ///< the rows after these
  const score_terms* scored;  ///< what the elements still go through, or null
  float max[side_by_side] = {};
  double total[side_by_side];

  whole_tile(const softmax_plan& p, const nest_cursor& c, int count, std::int64_t behind, float* scratch,
             outgoing_rows& others, row_state* states, score_terms* of_scores) noexcept
      : plan(p), cursor(c), rows(count), following(behind), before(others), state(states), terms(of_scores) {
    x = reinterpret_cast<const float*>(row_of(plan, cursor, operand_x, 0));
    y = reinterpret_cast<float*>(row_of(plan, cursor, operand_y, 0));
    x_step = step(operand_x), y_step = step(operand_y);
    causal = plan.form != nullptr && plan.form->causal;
    // What comes from memory is asked for early; so is what follows few and short rows, for which the L1 cache has
    // room.
    const bool partial = plan.pass == softmax_pass::partial;
    next = plan.direct_input && (plan.streaming || partial || rows * plan.columns <= 2048) ? x + rows * x_step : x;
    if (plan.rounded && plan.streaming && plan.x_stride == 1 && !causal)
      next = reinterpret_cast<const float*>(row_of(plan, cursor, operand_x, rows));
    // The look itself reads what is nearer. Beyond a causal row's end nobody looks.
    if (plan.looking) next += causal ? x_step : looked_ahead;
    keep = plan.staged || (!plan.logarithm && !partial && plan.rests_in_cache(plan.columns));
    const bool in_scratch =
        plan.staged || plan.drained || (plan.formed && (plan.streaming || partial || !plan.direct_output));
    e = in_scratch ? scratch : y;
    e_step = in_scratch ? plan.columns : y_step;
    n = plan.columns;
    if (!plan.direct_output) y = e, y_step = e_step;  // and from there to y
    scored = plan.scored && plan.direct ? terms : nullptr;
    own = plan.form != nullptr && !plan.alike;
    if (before.rows > rows) stream_out(plan, before);
  }
  std::int64_t step(softmax_operand which) const noexcept { return plan.rows.stride[which][plan.rows.rank - 1]; }

  /// What the scores of as many rows are made of, the first of them being number r.
  void form_terms(int r, score_terms* t) const noexcept {
    const bool masked = plan.data[operand_mask] != nullptr;
    const float* mask = masked ? reinterpret_cast<const float*>(row_of(plan, cursor, operand_mask, r)) : nullptr;
    for (int i = 0; i < rows; ++i, mask += masked ? step(operand_mask) : 0) {
      begin_scale(plan, cursor, r + i, t[i]);
      t[i].mask = mask;
    }
  }

  /// What the rows' scores are made of.
  void begin() noexcept {
    if (own) {
      for (int r = 0; r < rows; ++r) {
        begin_row(plan, cursor, r, state[r]);
        terms[r].scale = state[r].terms.scale;
        terms[r].mask = reinterpret_cast<const float*>(state[r].mask);
        n = r == 0 ? state[r].end : std::max(n, state[r].end);
      }
    } else if (plan.formed) {
      begin_row(plan, cursor, 0, state[0]);
    } else if (plan.alike) {
      form_terms(0, terms);
    }
    // The length of the whole row decides how sums add up.
    if (plan.formed && n > 0 && plan.columns > softmax_turn) n = std::max<std::int64_t>(n, softmax_turn + 1);
  }

  /// The scores, in e, and the largest of each row. -inf stands for what a row itself does not look at. Of rows that
  /// are alike only the first one's state is known.
  void form_scores() noexcept {
    const row_block in = block_of(plan, cursor, operand_x, plan.x_stride, rows);
    const bool copied = !plan.direct_input || !plan.scored, together = side_by_side_in(in),
               at_once = widened_at_once(plan, in);
    if (together)
      read_seen(*plan.table, in, 0, n, e, e_step, [&](int r) -> const row_state& { return state[own ? r : 0]; });
    const std::int64_t mask_step =
        plan.data[operand_mask] != nullptr ? step(operand_mask) * size_of(plan.type[operand_mask]) : 0;
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[own ? r : 0];
      if (r > 0 && plan.alike) row.max = no_score, row.mask += mask_step;
      float* const t = e + r * e_step;
      std::fill(t, t + row.begin, no_score);
      std::fill(t + row.end, t + n, no_score);
      if (at_once)
        row.max = widened_max(plan, in.type, in.at(r, row.begin), t + row.begin, row.end - row.begin, no_score);
      else if (copied && !together)
        plan.table->gather[static_cast<std::size_t>(in.type)](in.at(r, row.begin), in.stride, row.end - row.begin,
                                                              t + row.begin);
      if (plan.scored) score(plan, row, (copied ? t : x + r * x_step) + row.begin, t + row.begin, row.begin, row.end);
      max[r] = row.max;
    }
    if (!plan.scored && !at_once) plan.table->max_rows(e, e_step, rows, n, nullptr, max);
    x = e, x_step = e_step;
  }

  void take_max() noexcept {
    const coming_rows& coming = before.coming;
    for (int r = 0; r < rows; ++r) {
      max[r] = coming.max[r];  // one by one, as they were stored just now (cpu/README.md)
      if (std::isnan(max[r])) max[0] = max[r];
    }
    if (coming.columns < n && !std::isnan(max[0])) {  // of one row that looks farther than the one before
      score_terms rest = terms[0];
      if (rest.mask != nullptr) rest.mask += coming.columns;
      max[0] = plan.table->row_max(x + coming.columns, n - coming.columns, scored != nullptr ? &rest : nullptr, max[0]);
    }
  }

  /// Whether and where the next rows are looked at while these are computed.
  void look_ahead() noexcept {
    coming_rows& coming = before.coming;
    coming.x = nullptr, coming.begun = false;
    if (!plan.looking || following < rows || n == 0 || (before.rows != 0 && before.rows != rows)) return;
    if (n != plan.columns) {  // only what the next row looks at, too
      row_state after;
      begin_row(plan, cursor, rows, after);
      if (!causal || after.end < n) return;
    }
    if (scored != nullptr) form_terms(rows, coming.terms);
    // The largest element then does not tell the largest score: infinity times 0 is none.
    for (int r = 0; r < rows && scored != nullptr; ++r)
      if (coming.terms[r].scale == 0) return;
    if (scored != nullptr && terms[0].mask == nullptr && coming.terms[0].mask != nullptr) return;  // of another kind
    coming.x = x + rows * x_step, coming.rows = rows, coming.columns = n, coming.stride = x_step;
  }

  /// What is subtracted from the scores.
  void find_max() noexcept {
    if (before.coming.x == x && before.coming.rows == rows)  // they were looked at
      take_max();
    else if (plan.formed)
      form_scores();
    else if (plan.tile > 1)
      plan.table->max_rows(x, x_step, rows, n, scored, max);
    else
      max[0] = plan.table->row_max(x, n, scored, no_score);
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
      for (int r = 0; r < rows; ++r)
        if (max[r] == no_score) max[r] = 0;
    for (int r = 0; r < rows && own; ++r) {
      state[r].max = max[r];
      settle_max(plan, state[r]);
      max[r] = state[r].shift;
    }
  }

  void sum() noexcept {
    // What leaves has terms of the same kind.
    if (scored != nullptr && before.rows > 0 && (before.terms[0].mask != nullptr) != (terms[0].mask != nullptr))
      stream_out(plan, before);
    look_ahead();
    std::fill_n(total, side_by_side, 1.0);  // what is no row gets factors, too
    if (plan.tile > 1 || (plan.columns <= smallest_chunk && !causal)) {
      plan.steps->exp_sum_rows(x, x_step, keep ? e : nullptr, e_step, next, rows, n, max, scored, total,
                               before.rows > 0 || before.coming.x != nullptr ? &before : nullptr);
    } else {
      score_terms moving;
      if (scored != nullptr) moving = terms[0];
      total[0] =
          sum_whole_row(plan, x, keep ? e : nullptr, next, n, max[0], scored != nullptr ? &moving : nullptr, before);
    }
    if (!own) return;
    for (int r = 0; r < rows; ++r) state[r].sum.exponentials = total[r];
    settle_sums(plan, cursor, state, rows);
    for (int r = 0; r < rows; ++r) total[r] = state[r].sum.exponentials;
  }

  void finish() noexcept {
    float high[side_by_side], low[side_by_side];
    const double numerator = plan.form != nullptr ? static_cast<double>(plan.form->output_scale) : 1;
    if (plan.logarithm) {
      plan.steps->relative_to_max(max, total);
      plan.table->logarithms(total, high, low);
    } else {
      plan.table->quotients(numerator * static_cast<double>(numerator_down), total, high, low);
    }
    for (int r = 0; r < rows; ++r)
      if (total[r] == 0) high[r] = low[r] = 0;
    if (plan.drained) return leave_later(high, low);
    if (plan.rounded) return leave_rounded(high, low);
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
      plan.table->row_fill(y + r * y_step + n, plan.columns - n, rest_of_row(plan, total[r], high[r], low[r]),
                           plan.streaming);
    if (!plan.direct_output)
      write_rows(*plan.table, y, y_step, block_of(plan, cursor, operand_y, plan.y_stride, rows), plan.columns);
  }

  /// These rows leave as contiguous numbers of 16 bits.
  void leave_rounded(const float* high, const float* low) noexcept {
    const dtype type = plan.type[operand_y];
    for (int r = 0; r < rows; ++r) {
      float* const row = e + r * e_step;
      if (n < plan.columns)  // what becomes rest_of_row
        plan.table->row_fill(row + n, plan.columns - n, plan.logarithm ? no_score : 0.0f, false);
      plan.steps->rounded_to(type)(row, row_of(plan, cursor, operand_y, r), plan.columns, plan.logarithm, max[r],
                                   high[r], low[r], plan.streaming);
    }
  }

  /// These rows leave while the next ones are computed.
  void leave_later(const float* high, const float* low) noexcept {
    before.rows = rows;
    before.from = keep ? e : x, before.from_stride = keep ? e_step : x_step;
    before.y = y, before.y_stride = y_step;
    before.columns = n, before.after = plan.columns - n;
    for (int r = 0; r < rows; ++r) {
      before.max[r] = max[r], before.high[r] = high[r], before.low[r] = low[r];
      if (before.after > 0) before.rest[r] = rest_of_row(plan, total[r], high[r], low[r]);
      if (scored != nullptr) before.terms[r] = terms[r];
    }
  }
};

void whole_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, std::int64_t following, float* scratch,
                outgoing_rows& before, row_state* state, score_terms* terms) noexcept {
  whole_tile tile(plan, cursor, rows, following, scratch, before, state, terms);
  tile.begin();
  tile.find_max();
  tile.sum();
  if (plan.pass != softmax_pass::partial) tile.finish();
}

/// Rows with a loss: those that are ignored, which are not read, apart from the others.
void loss_rows(const softmax_plan& plan, nest_cursor cursor, int rows, std::int64_t following, float* scratch,
               outgoing_rows& before, row_state* state, score_terms* terms) noexcept {
  const auto ignored = [&](int r) {
    return target_at(row_of(plan, cursor, operand_targets, r), plan.type[operand_targets], 0) == plan.loss->ignored;
  };
  for (int n; rows > 0; rows -= n) {
    n = 1;
    while (n < rows && ignored(n) == ignored(0)) ++n;
    int behind = 0;  // rows that are read as well
    while (behind < n && n + behind < rows + following && !ignored(n + behind)) ++behind;
    whole_rows(plan, cursor, n, n == rows ? behind : 0, scratch, before, state, terms);
    cursor.advance(n);
  }
}

}  // namespace
}  // namespace sigmax
