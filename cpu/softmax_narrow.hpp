// Neighbouring rows of few columns in any form but with slopes, smoothed or quantised, put side by side: a vector has
// one column of several of them.
#pragma once

#include "softmax_row.hpp"

namespace sigmax {
namespace {

/// Whether there is that way, and whether it is the fastest. Where rows fill vectors, those in a form are faster each
/// by itself unless much has to be done for each.
bool may_be_narrow(const softmax_plan& plan) noexcept {
  const softmax_form* const form = plan.form;
  if (plan.columns == 0 || plan.columns > narrow_columns || plan.codes != nullptr) return false;
  if (form == nullptr) return true;
  return plan.data[operand_slopes] == nullptr && !smoothed(plan) &&
         (plan.loss != nullptr ||
          (plan.columns < narrow_columns && std::fabs(form->output_scale) > least_direct_scale));
}

struct narrow_tile {
  const softmax_plan& plan;
  const nest_cursor& cursor;
  int rows;
  row_state* state;  ///< of each row; of rows that are alike the first one's alone
  std::int64_t n;
  bool own;  ///< the rows have states of their own
  float shift[side_by_side];
  double total[side_by_side];
  float high[side_by_side] = {}, low[side_by_side] = {};
  alignas(64) float t[narrow_columns * side_by_side], e[narrow_columns * side_by_side];  // scores, exponentials

  narrow_tile(const softmax_plan& p, const nest_cursor& c, int count, row_state* states) noexcept
      : plan(p), cursor(c), rows(count), state(states), n(p.columns), own(p.form != nullptr && !p.alike) {
    const bool differ = plan.loss != nullptr || (own && plan.form->causal) || plan.data[operand_row_scale] != nullptr ||
                        plan.data[operand_sinks] != nullptr;
    for (int r = 0; r < (own ? rows : plan.alike ? 1 : 0); ++r) {
      if (r == 0 || differ)
        begin_row(plan, cursor, r, state[r]);
      else
        state[r] = state[0];
    }
  }
  /// The state of a row, or of one that stands for what is none.
  const row_state& state_of(int r) const noexcept { return state[own && r < rows ? r : 0]; }

  /// An operand's columns, side by side in `to`. What a row does not look at may not be read.
  void read(softmax_operand which, std::int64_t stride, float* to) noexcept {
    const row_block x = block_of(plan, cursor, which, stride, rows);
    if (std::all_of(state, state + (own ? rows : 0), [&](const row_state& row) { return row.end - row.begin == n; }))
      return read_columns(*plan.table, x, n, to);
    alignas(64) float some[narrow_columns * side_by_side];
    std::fill_n(some, n * rows, 0.0f);
    for (int r = 0; r < rows; ++r)
      plan.table->gather[static_cast<std::size_t>(x.type)](
          x.at(r, state[r].begin), x.stride, state[r].end - state[r].begin, some + r * n + state[r].begin);
    plan.table->to_columns(some, n, rows, n, to, side_by_side);
  }

  void form_scores() noexcept {
    read(operand_x, plan.x_stride, t);
    if (plan.scored) {
      score_terms terms = state[0].terms;
      if (plan.data[operand_row_scale] != nullptr) {
        float scale[side_by_side];
        for (int r = 0; r < side_by_side; ++r) scale[r] = state_of(r).terms.scale;
        for (std::int64_t i = 0; i < n * side_by_side; ++i) t[i] *= scale[i % side_by_side];
        terms.scale = 1;
      }
      if (plan.data[operand_mask] != nullptr) {  // e is not in use yet
        read(operand_mask, plan.mask_stride, e);
        terms.mask = e;
      }
      plan.steps->scores(t, t, n * side_by_side, terms, no_score);
    }
    for (int r = 0; r < rows && own; ++r) {  // what it does not look at: no share, and -inf as a logarithm
      for (std::int64_t c = 0; c < state[r].begin; ++c) t[c * side_by_side + r] = no_score;
      for (std::int64_t c = state[r].end; c < n; ++c) t[c * side_by_side + r] = no_score;
    }
  }

  /// What is subtracted from the scores, and the totals of what they leave.
  void sum() noexcept {
    const bool given = plan.pass == softmax_pass::finish;
    plan.table->max_columns(t, n, shift);
    if (plan.alike && zeros_without_scores(plan))
      for (float& v : shift) v = v == no_score ? 0.0f : v;
    for (int r = 0; r < rows && own; ++r) {
      state[r].max = given ? given_max(plan, cursor, r) : shift[r];
      settle_max(plan, state[r]);
      shift[r] = state[r].shift;
    }
    const bool keep = !plan.logarithm && plan.pass != softmax_pass::partial;
    plan.steps->exp_sum_columns(t, keep ? e : nullptr, n, shift, total);
    if (!own) return;
    for (int r = 0; r < rows; ++r) state[r].sum.exponentials = total[r];
    if (given) take_sums(plan, cursor, state, rows);
    settle_sums(plan, cursor, state, rows);
    for (int r = 0; r < rows; ++r) total[r] = state[r].sum.exponentials;
  }

  /// What the last step multiplies by or subtracts. False if some of it would be subnormal.
  bool find_factors() noexcept {
    const double scale = plan.form != nullptr ? static_cast<double>(plan.form->output_scale) : 1;
    // Gradients and sums that are given may be of any size.
    const bool any_size = !plan.logarithm && (plan.loss != nullptr || plan.pass == softmax_pass::finish);
    if (plan.logarithm) {
      double sum[side_by_side];
      std::copy_n(total, side_by_side, sum);
      plan.steps->relative_to_max(shift, sum);
      plan.table->logarithms(sum, high, low);
    } else if (!any_size) {
      plan.table->quotients(scale * static_cast<double>(numerator_down), total, high, low);
    }
    bool ordinary = true;
    for (int r = 0; r < rows; ++r) {
      if (any_size) {
        const factors f = factors_of(plan, state[r], 0);
        high[r] = f.high, low[r] = f.low;
        ordinary = ordinary && !state[r].tiny;
      }
      if (total[r] == 0) high[r] = low[r] = 0;
    }
    return ordinary;
  }

  void write() noexcept {
    float* const y = plan.logarithm ? t : e;
    if (plan.logarithm)
      plan.steps->shift_columns(t, n, shift, high, low);
    else
      plan.steps->scale_columns(e, n, high, low);
    write_columns(*plan.table, y, block_of(plan, cursor, operand_y, plan.y_stride, rows), n);
    if (plan.loss != nullptr)
      finish_targets(plan, state, rows, [&](int r, std::int64_t column) {
        return block_of(plan, cursor, operand_y, plan.y_stride, rows).at(r, column);
      });
  }
};

/// False if they have to be computed in another way; until then nothing is in y.
bool narrow_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, row_state* state) noexcept {
  narrow_tile tile(plan, cursor, rows, state);
  tile.form_scores();
  tile.sum();
  if (plan.pass == softmax_pass::partial) return true;
  if (!tile.find_factors()) return false;
  tile.write();
  return true;
}

}  // namespace
}  // namespace sigmax
