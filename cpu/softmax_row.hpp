// One row of a softmax in any form: what its terms are, its scores, and what follows from its sum.
#pragma once

#include <cmath>
#include <limits>

#include "softmax_rows.hpp"

namespace sigmax {
namespace {

constexpr float no_score = -std::numeric_limits<float>::infinity();

/// Where operand `which` of a row begins: row number r from where the cursor stands, along the nest's innermost loop.
std::byte* row_of(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int r) noexcept {
  const std::int64_t step = plan.rows.stride[which][plan.rows.rank - 1];
  return plan.data[which] + (cursor.offset(which) + r * step) * size_of(plan.type[which]);
}

/// `rows` of them from there on, from `column` on.
row_block block_of(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, std::int64_t stride,
                   int rows, std::int64_t column = 0) noexcept {
  const row_block rows_of{row_of(plan, cursor, which, 0), plan.type[which], plan.rows.stride[which][plan.rows.rank - 1],
                          stride, rows};
  return {rows_of.at(0, column), rows_of.type, rows_of.step, stride, rows};
}

/// Whether scores are contiguous elements of 16 bits as they are.
bool widened_at_once(const softmax_plan& plan, const row_block& x) noexcept {
  return !plan.scored && (x.type == dtype::f16 || x.type == dtype::bf16) && x.stride == 1;
}
float widened_max(const softmax_plan& plan, dtype type, const std::byte* x, float* t, std::int64_t n,
                  float bound) noexcept {
  return plan.table->row_max_widened[type == dtype::bf16](x, t, n, bound);
}

constexpr double tiny_factor = 0x1p-60;  // from here on the second part, times 2^-25, is normal
/// Above it no factor of a row of up to 2^30 columns is tiny.
constexpr float least_direct_scale = 0x1p-30f;

/// What the chunks of a row add up to.
struct row_sums {
  double exponentials;  ///< the total of the row's numerators
  double scores;        ///< only for a smoothed loss
};

/// A row on its way through the passes.
struct row_state {
  std::int64_t begin, end;  ///< columns that are not masked by their position
  std::int64_t query;
  score_terms terms;
  const std::byte* mask;
  float sink;
  float max;    ///< the largest score
  float shift;  ///< what is subtracted: max, or 0 where there is no score to subtract
  row_sums sum;
  factors last;  ///< what the last pass multiplies by or subtracts
  bool tiny;     ///< `last` is without 2^-25, with which its parts would be subnormal: y is multiplied by that

  // With quantised results:
  float amax, scale;

  // With a loss:
  bool ignored;
  std::int64_t target;
  float target_score;
  double gradient;  ///< of the loss in the direction of x, but for the class
};

bool smoothed(const softmax_plan& plan) noexcept { return plan.loss != nullptr && plan.loss->smoothing != 0; }

float element_at(const softmax_plan& plan, const std::byte* at, dtype type) noexcept {
  if (type == dtype::f32) return *reinterpret_cast<const float*>(at);
  float v;
  plan.table->gather[static_cast<std::size_t>(type)](at, 1, 1, &v);
  return v;
}
float value_of(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int r,
               float absent) noexcept {
  if (plan.data[which] == nullptr) return absent;
  return element_at(plan, row_of(plan, cursor, which, r), plan.type[which]);
}

/// value(r) for the first n rows, unless nobody asks for it.
template <class F>
void set_values(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int n, F value) noexcept {
  if (plan.data[which] == nullptr) return;
  const row_block out = block_of(plan, cursor, which, 1, n);
  for (int r = 0; r < n; ++r) {
    const auto v = static_cast<float>(value(r));
    if (out.type == dtype::f32)
      *reinterpret_cast<float*>(out.at(r, 0)) = v;
    else
      plan.table->scatter[static_cast<std::size_t>(out.type)](&v, out.at(r, 0), 1, 1);
  }
}

void begin_loss(const softmax_plan& plan, const nest_cursor& cursor, int r, row_state& row) noexcept {
  row.target = target_at(row_of(plan, cursor, operand_targets, r), plan.type[operand_targets], 0);
  row.ignored = row.target == plan.loss->ignored;
  if (row.ignored) {
    row.end = 0, row.target_score = no_score;
    return;
  }
  const dtype type = plan.type[operand_x];
  const std::byte* const x = row_of(plan, cursor, operand_x, r) + row.target * plan.x_stride * size_of(type);
  row.target_score = element_at(plan, x, type) * row.terms.scale;
  row.gradient =
      static_cast<double>(value_of(plan, cursor, operand_dloss, r, 1)) * static_cast<double>(row.terms.scale);
}

/// How the scores of row r are scaled.
void begin_scale(const softmax_plan& plan, const nest_cursor& cursor, int r, score_terms& terms) noexcept {
  const float scale = plan.form->scale;
  const bool by_row = plan.data[operand_row_scale] != nullptr;
  terms.scale = by_row ? scale * value_of(plan, cursor, operand_row_scale, r, 1) : scale;
}

void begin_row(const softmax_plan& plan, const nest_cursor& cursor, int r, row_state& row) noexcept {
  row.begin = 0, row.end = plan.columns;
  row.sink = row.max = no_score;
  row.sum = {};
  row.ignored = false;
  row.amax = 0;
  row.scale = plan.codes != nullptr ? plan.codes->scale : 1;
  if (plan.form == nullptr) return;
  const softmax_form& form = *plan.form;
  // Offsets beyond +-2^40 mask everything or nothing, as 2^40 does.
  constexpr std::int64_t far = std::int64_t{1} << 40;
  row.query = cursor.offset(operand_query) + r * plan.rows.stride[operand_query][plan.rows.rank - 1] +
              std::clamp(form.offset, -far, far);
  if (form.causal) {
    row.end = std::clamp<std::int64_t>(row.query + 1, 0, plan.columns);
    if (form.window > 0) row.begin = std::clamp<std::int64_t>(row.query - std::min(form.window, far) + 1, 0, row.end);
  }
  row.terms = {};
  begin_scale(plan, cursor, r, row.terms);
  row.terms.softcap = form.softcap;
  row.terms.slope = value_of(plan, cursor, operand_slopes, r, 0);
  row.mask = plan.data[operand_mask] != nullptr ? row_of(plan, cursor, operand_mask, r) : nullptr;
  row.sink = value_of(plan, cursor, operand_sinks, r, no_score);
  if (plan.loss != nullptr) begin_loss(plan, cursor, r, row);
}

/// `n` columns of rows that lie side by side, of which x has column `from` first; those of row r go to t + r * step.
/// What a row, as state(r) has it, does not look at may not be read, and stays as it is.
template <class F>
void read_seen(const kernel_table& k, const row_block& x, std::int64_t from, std::int64_t n, float* t,
               std::int64_t step, F state) noexcept {
  const auto gather = [&](int r, std::int64_t begin, std::int64_t end) {
    if (begin < end)
      k.gather[static_cast<std::size_t>(x.type)](x.at(r, begin - from), x.stride, end - begin,
                                                 t + r * step + (begin - from));
  };
  for (int first = 0, rows; first < x.rows; first += rows) {
    std::int64_t begin = from, end = from + n;  // what all of them look at
    for (rows = 0; first + rows < x.rows; ++rows) {
      const row_state& row = state(first + rows);
      if (std::max(begin, row.begin) >= std::min(end, row.end)) break;
      begin = std::max(begin, row.begin), end = std::min(end, row.end);
    }
    const row_block some{x.at(first, begin - from), x.type, x.step, x.stride, rows};
    if (rows > 0) read_rows(k, some, end - begin, t + first * step + (begin - from), step);
    for (int r = first; r < first + rows; ++r) {
      gather(r, std::max(from, state(r).begin), begin);
      gather(r, end, std::min(from + n, state(r).end));
    }
    rows = std::max(rows, 1);  // else a row that looks at none of them
  }
}

/// The scores of columns [from, to) of a row, from x to t, which may be the same place.
void score(const softmax_plan& plan, row_state& row, const float* x, float* t, std::int64_t from,
           std::int64_t to) noexcept {
  const dtype type = plan.type[operand_mask];
  const bool direct = type == dtype::f32 && plan.mask_stride == 1;
  const bool gathered = row.mask != nullptr && !direct;
  alignas(64) float buffer[softmax_block];
  score_terms terms = row.terms;
  for (std::int64_t count; from < to; from += count, x += count, t += count) {
    count = gathered ? std::min<std::int64_t>(softmax_block, to - from) : to - from;
    if (gathered) {
      plan.table->gather[static_cast<std::size_t>(type)](row.mask + from * plan.mask_stride * size_of(type),
                                                         plan.mask_stride, count, buffer);
      terms.mask = buffer;
    } else if (row.mask != nullptr) {
      terms.mask = reinterpret_cast<const float*>(row.mask) + from;
    }
    terms.distance = from - row.query;
    row.max = plan.steps->scores(x, t, count, terms, row.max);
  }
}

double loss_of(const softmax_plan& plan, const row_state& row, double log_sum) noexcept {
  if (row.ignored) return 0;
  const double e = plan.loss->smoothing;
  const auto below = [&](double score) { return log_sum - (score - static_cast<double>(row.shift)); };
  const double loss = e < 1 ? (1 - e) * below(static_cast<double>(row.target_score)) : 0;
  return e > 0 ? loss + e * below(row.sum.scores / static_cast<double>(plan.columns)) : loss;
}

/// Whether a row without scores becomes zeros, and not NaN.
bool zeros_without_scores(const softmax_plan& plan) noexcept {
  const bool masks = plan.form != nullptr &&
                     (plan.form->causal || plan.data[operand_mask] != nullptr || plan.data[operand_sinks] != nullptr);
  const bool part = plan.pass == softmax_pass::partial && plan.loss == nullptr;
  return plan.columns == 0 || ((masks || part) && !plan.form->nan_if_masked);
}
/// The largest score is known.
void settle_max(const softmax_plan& plan, row_state& row) noexcept {
  const bool zeros = zeros_without_scores(plan);
  if (row.sink > row.max) row.max = row.sink;
  row.shift = row.ignored || (row.max == no_score && zeros) ? 0.0f : row.max;
}

/// What one score of each row adds to its sum.
void numerators_of(const softmax_plan& plan, const row_state* rows, int n, float row_state::*score,
                   double (&numerator)[side_by_side]) noexcept {
  float scores[side_by_side], shift[side_by_side];
  for (int r = 0; r < side_by_side; ++r) {
    const row_state& row = rows[r < n ? r : 0];
    scores[r] = row.*score, shift[r] = row.shift;
  }
  plan.steps->exp_sum_columns(scores, nullptr, 1, shift, numerator);
}
/// The maximum that a finish is given. -0 for 0: then what is left of either zero is 0, as next to a maximum that is
/// itself that zero.
float given_max(const softmax_plan& plan, const nest_cursor& cursor, int r) noexcept {
  return -(0.0f - value_of(plan, cursor, operand_max, r, 0));
}
/// Totals from the sums that it is given.
void take_sums(const softmax_plan& plan, const nest_cursor& cursor, row_state* rows, int n) noexcept {
  double of_max[side_by_side];
  numerators_of(plan, rows, n, &row_state::shift, of_max);
  for (int r = 0; r < n; ++r)
    rows[r].sum.exponentials = static_cast<double>(value_of(plan, cursor, operand_sum, r, 1)) * of_max[r];
}
/// The sinks' parts of the rows' totals.
void add_sinks(const softmax_plan& plan, row_state* rows, int n) noexcept {
  double numerator[side_by_side];
  numerators_of(plan, rows, n, &row_state::sink, numerator);
  for (int r = 0; r < n; ++r) rows[r].sum.exponentials += numerator[r];
}

/// What the rows' totals are as sums of e^(score - max).
void sums_of(const softmax_plan& plan, const row_state* rows, int n, double (&sum)[side_by_side]) noexcept {
  float shift[side_by_side];
  for (int r = 0; r < side_by_side; ++r) {
    const row_state& row = rows[r < n ? r : 0];
    shift[r] = row.shift, sum[r] = row.sum.exponentials;
  }
  plan.steps->relative_to_max(shift, sum);
}

/// The logarithms of sums.
void log_sums(const softmax_plan& plan, const double* sum, double (&log)[side_by_side]) noexcept {
  float high[side_by_side], low[side_by_side];
  plan.table->logarithms(sum, high, low);
  for (int r = 0; r < side_by_side; ++r)  // of an infinity nothing is left
    log[r] = static_cast<double>(high[r]) + (std::isfinite(high[r]) ? static_cast<double>(low[r]) : 0.0);
}

/// The sums of up to side_by_side rows are known: what `max`, `sum`, `lse` and `loss` get.
void settle_sums(const softmax_plan& plan, const nest_cursor& cursor, row_state* rows, int n) noexcept {
  const bool given = plan.pass == softmax_pass::finish;
  if (plan.data[operand_sinks] != nullptr && !given) add_sinks(plan, rows, n);
  // A row without columns to look at has not met its own -inf - -inf.
  for (int r = 0; r < n; ++r)
    if (rows[r].shift == no_score) rows[r].sum.exponentials = std::numeric_limits<double>::quiet_NaN();
  if (given) return;
  const bool logarithms = plan.data[operand_lse] != nullptr || plan.data[operand_loss] != nullptr;
  double sum[side_by_side] = {}, log[side_by_side];
  if (logarithms || plan.data[operand_sum] != nullptr) sums_of(plan, rows, n, sum);
  if (logarithms) log_sums(plan, sum, log);
  // Of zeros of both signs the vectors' width chose one.
  set_values(plan, cursor, operand_max, n, [&](int r) { return rows[r].max + 0.0f; });
  set_values(plan, cursor, operand_sum, n, [&](int r) { return sum[r]; });
  set_values(plan, cursor, operand_lse, n, [&](int r) { return rows[r].shift + log[r]; });
  set_values(plan, cursor, operand_loss, n, [&](int r) { return loss_of(plan, rows[r], log[r]); });
}
/// What the last pass multiplies by or subtracts.
factors factors_of(const softmax_plan& plan, row_state& row, double sum) noexcept {
  const double total = row.sum.exponentials;
  row.tiny = false;
  // Without any score the numerators are 0, and -inf as logarithms: nothing may be made of them.
  if (total == 0 || row.ignored) return {0, 0};
  if (plan.logarithm) return two_parts(log_of(sum));
  const double scale = plan.loss != nullptr   ? row.gradient
                       : plan.form != nullptr ? static_cast<double>(plan.form->output_scale)
                                              : 1;
  row.tiny = std::fabs(scale / total) < tiny_factor;
  return two_parts(scale / total * (row.tiny ? 1.0 : static_cast<double>(numerator_down)));
}

/// What stands for what is masked by its position: what a score of -inf among the others becomes. A numerator of 0 may
/// become either zero where the output scale is negative.
float rest_of_row(const softmax_plan& plan, double total, float high, float low) noexcept {
  if (total != total) return static_cast<float>(total);
  if (plan.logarithm) return no_score;
  float rest = 0;
  if (plan.form != nullptr && std::signbit(plan.form->output_scale))
    plan.steps->scale(&rest, &rest, 1, high, low, false);
  return rest;
}

/// The share that label smoothing gives to every class.
double spread(const softmax_plan& plan) noexcept { return plan.loss->smoothing / static_cast<double>(plan.columns); }

/// y = a y + b
void map_line(const softmax_plan& plan, float a, float b, float* y, std::int64_t count) noexcept {
  const parameters line{a, b};
  plan.table->forward[0][static_cast<std::size_t>(activation::linear)][static_cast<std::size_t>(dtype::f32)](
      y, y, count, line, false);
}

/// The column of the target, where 1 is subtracted from a probability that may be all but 1: in double.
void finish_target(const softmax_plan& plan, const row_state& row, double numerator, std::byte* y) noexcept {
  const double less = (numerator - row.sum.exponentials) / row.sum.exponentials;
  const auto v = static_cast<float>(row.gradient * (less + (plan.loss->smoothing - spread(plan))));
  plan.table->scatter[static_cast<std::size_t>(plan.type[operand_y])](&v, y, 1, 1);
}
/// Those of the rows, at place(row, column), once all columns are written.
template <class F>
void finish_targets(const softmax_plan& plan, const row_state* rows, int n, F place) noexcept {
  double numerator[side_by_side];
  numerators_of(plan, rows, n, &row_state::target_score, numerator);
  for (int r = 0; r < n; ++r)
    if (!rows[r].ignored) finish_target(plan, rows[r], numerator[r], place(r, rows[r].target));
}

}  // namespace
}  // namespace sigmax
