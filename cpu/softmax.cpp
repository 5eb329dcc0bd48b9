// Softmax rows on the CPU. A contiguous f32 row is read where it lies; any other is gathered, a tile of rows at a time
// when neighbouring rows share cache lines. Rows that are fewer than the threads are shared by them. Exponentials are
// kept where the last pass finds them in a cache; elsewhere it computes them again, which is bit-identical. All
// additions follow kernels/softmax_state.hpp.
#include <limits>

#include "../kernels/quantise.hpp"
#include "softmax_rows.hpp"

namespace sigmax {
namespace {

constexpr float no_score = -std::numeric_limits<float>::infinity();

/// Where operand `which` of a row begins: row number r from where the cursor stands, along the nest's innermost loop.
std::byte* row_of(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int r) noexcept {
  const std::int64_t step = plan.rows.stride[which][plan.rows.rank - 1];
  return plan.data[which] + (cursor.offset(which) + r * step) * size_of(plan.type[which]);
}

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

/// What the chunks of a row add up to.
struct row_sums {
  double exponentials;
  double scores;  ///< only for a smoothed loss
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

  // With quantised results:
  float amax, scale;

  // With a loss:
  bool ignored;
  std::int64_t target;
  float target_score;
  double gradient;  ///< of the loss in the direction of x, but for the class
};

bool smoothed(const softmax_plan& plan) noexcept { return plan.loss != nullptr && plan.loss->smoothing != 0; }

float value_of(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int r,
               float absent) noexcept {
  if (plan.data[which] == nullptr) return absent;
  float v;
  plan.table->gather[static_cast<std::size_t>(plan.type[which])](row_of(plan, cursor, which, r), 1, 1, &v);
  return v;
}
void set_value(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int r,
               double value) noexcept {
  if (plan.data[which] == nullptr) return;
  const auto v = static_cast<float>(value);
  plan.table->scatter[static_cast<std::size_t>(plan.type[which])](&v, row_of(plan, cursor, which, r), 1, 1);
}

void begin_loss(const softmax_plan& plan, const nest_cursor& cursor, int r, row_state& row) noexcept {
  row.target = target_at(row_of(plan, cursor, operand_targets, r), plan.type[operand_targets], 0);
  row.ignored = row.target == plan.loss->ignored;
  if (row.ignored) {
    row.end = 0;
    return;
  }
  const dtype type = plan.type[operand_x];
  const std::byte* const x = row_of(plan, cursor, operand_x, r) + row.target * plan.x_stride * size_of(type);
  plan.table->gather[static_cast<std::size_t>(type)](x, 1, 1, &row.target_score);
  row.target_score *= row.terms.scale;
  row.gradient =
      static_cast<double>(value_of(plan, cursor, operand_dloss, r, 1)) * static_cast<double>(row.terms.scale);
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
  row.terms.scale = form.scale * value_of(plan, cursor, operand_row_scale, r, 1);
  row.terms.softcap = form.softcap;
  row.terms.slope = value_of(plan, cursor, operand_slopes, r, 0);
  row.mask = plan.data[operand_mask] != nullptr ? row_of(plan, cursor, operand_mask, r) : nullptr;
  row.sink = value_of(plan, cursor, operand_sinks, r, no_score);
  if (plan.loss != nullptr) begin_loss(plan, cursor, r, row);
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
    terms.distance = static_cast<float>(from - row.query);
    row.max = plan.steps->scores(x, t, count, terms, row.max);
  }
}

double loss_of(const softmax_plan& plan, const row_state& row) noexcept {
  if (row.ignored) return 0;
  const double e = plan.loss->smoothing, log_sum = log_of(row.sum.exponentials);
  const auto below = [&](double score) { return log_sum - (score - static_cast<double>(row.shift)); };
  const double loss = e < 1 ? (1 - e) * below(static_cast<double>(row.target_score)) : 0;
  return e > 0 ? loss + e * below(row.sum.scores / static_cast<double>(plan.columns)) : loss;
}

/// The sum is known: what `max`, `sum`, `lse` and `loss` get, and what the last pass multiplies by or subtracts.
factors finish_row(const softmax_plan& plan, const nest_cursor& cursor, int r, const row_state& row) noexcept {
  const double total = row.sum.exponentials;
  if (plan.pass != softmax_pass::finish) {
    set_value(plan, cursor, operand_max, r, row.max);
    set_value(plan, cursor, operand_sum, r, total);
    if (plan.data[operand_lse] != nullptr) set_value(plan, cursor, operand_lse, r, row.shift + log_of(total));
    if (plan.data[operand_loss] != nullptr) set_value(plan, cursor, operand_loss, r, loss_of(plan, row));
  }
  // Without any score the numerators are 0, and -inf as logarithms: nothing may be made of them.
  if (total == 0 || row.ignored) return {0, 0};
  const double scale = plan.loss != nullptr   ? row.gradient
                       : plan.form != nullptr ? static_cast<double>(plan.form->output_scale)
                                              : 1;
  return two_parts(plan.logarithm ? log_of(total) : scale / total);
}

/// One score's part of the sum.
float numerator_of(const softmax_plan& plan, float score, float shift) noexcept {
  float numerator;
  plan.steps->exp_scale(&score, &numerator, 1, shift, 1, 0, false);
  return numerator;
}

/// The share that label smoothing gives to every class.
double spread(const softmax_plan& plan) noexcept { return plan.loss->smoothing / static_cast<double>(plan.columns); }

void smooth(const softmax_plan& plan, const row_state& row, float* y, std::int64_t count) noexcept {
  const parameters line{1, static_cast<float>(-row.gradient * spread(plan))};
  plan.table->forward[0][static_cast<std::size_t>(activation::linear)][static_cast<std::size_t>(dtype::f32)](
      y, y, count, line, false);
}

/// The column of the target, where 1 is subtracted from a probability that may be all but 1: in double.
void finish_target(const softmax_plan& plan, const row_state& row, std::byte* y) noexcept {
  const auto numerator = static_cast<double>(numerator_of(plan, row.target_score, row.shift));
  const double less = (numerator - row.sum.exponentials) / row.sum.exponentials;
  const auto v = static_cast<float>(row.gradient * (less + (plan.loss->smoothing - spread(plan))));
  plan.table->scatter[static_cast<std::size_t>(plan.type[operand_y])](&v, y, 1, 1);
}

/// Any neighbouring rows, through a buffer where that is needed.
struct row_tile {
  const softmax_plan& plan;
  const nest_cursor& cursor;
  int rows;
  float* scratch;
  bool whole;               ///< the scores are formed once and stay in the buffer
  bool in_output;           ///< the output's row is the buffer
  bool keep;                ///< the exponentials are kept, too
  bool keep_in_output;      ///< there, and not in place of the scores
  bool finished = false;    ///< the buffer holds the results, which were measured
  std::int64_t begin, end;  ///< the columns that any of the rows looks at
  std::int64_t piece;       ///< columns at a time
  row_state state[widest_tile];

  row_tile(const softmax_plan& p, const nest_cursor& c, int n, float* buffer) noexcept
      : plan(p), cursor(c), rows(n), scratch(buffer), begin(p.columns), end(0) {
    for (int r = 0; r < rows; ++r) {
      begin_row(plan, cursor, r, state[r]);
      begin = std::min(begin, state[r].begin);
      end = std::max(end, state[r].end);
    }
    begin = begin < end ? begin / softmax_lanes * softmax_lanes : 0;  // lanes count from the first column of a chunk
    end = std::max(begin, end);
    const std::int64_t span = end - begin, room = scratch_floats / rows;
    const bool rests = plan.direct_output && plan.pass == softmax_pass::all && plan.rests_in_cache(span);
    in_output = rests && span > room;
    whole = in_output || (span <= room && plan.split.parts == 1);
    piece = whole ? span : room / softmax_block * softmax_block;
    keep = whole && !plan.logarithm && plan.pass == softmax_pass::all;
    keep_in_output =
        keep && rests && !plan.staged;  // waiting for the output's lines then hides behind the exponentials
  }

  const std::byte* x_at(int r, std::int64_t column) const noexcept {
    return row_of(plan, cursor, operand_x, r) + column * plan.x_stride * size_of(plan.type[operand_x]);
  }
  std::byte* y_at(int r, std::int64_t column) const noexcept {
    return row_of(plan, cursor, operand_y, r) + column * plan.y_stride * size_of(plan.type[operand_y]);
  }
  /// What a piece that begins at `start` has in the buffer.
  float* buffer_of(int r, std::int64_t start) const noexcept {
    return in_output ? reinterpret_cast<float*>(y_at(r, start)) : scratch + r * piece + (whole ? start - begin : 0);
  }
  float* exponentials_of(int r, std::int64_t start) const noexcept {
    return keep_in_output ? reinterpret_cast<float*>(y_at(r, start)) : buffer_of(r, start);
  }
  /// Whether the scores are the elements, where they lie.
  bool untouched(int r, std::int64_t start, std::int64_t count) const noexcept {
    return plan.direct_input && !plan.scored && state[r].begin <= start && start + count <= state[r].end;
  }
  const float* scores_of(int r, std::int64_t start, std::int64_t count) const noexcept {
    return untouched(r, start, count) ? reinterpret_cast<const float*>(x_at(r, start)) : buffer_of(r, start);
  }
  /// The same columns of the next tile, if they come from memory.
  const float* soon(int r, std::int64_t start, const float* scores) const noexcept {
    const std::int64_t step = plan.rows.stride[operand_x][plan.rows.rank - 1];
    return plan.streaming && plan.direct_input ? reinterpret_cast<const float*>(x_at(r, start)) + rows * step : scores;
  }
  /// Calls work(start, count) for the pieces of [from, to) that are looked at.
  template <class F>
  void pieces(std::int64_t from, std::int64_t to, F work) const noexcept {
    to = std::min(to, end);
    for (std::int64_t start = std::max(from, begin); start < to; start += piece)
      work(start, std::min(piece, to - start));
  }

  /// Forms the scores of a piece and the largest of them.
  void fetch(std::int64_t start, std::int64_t count) noexcept {
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[r];
      if (untouched(r, start, count)) {
        row.max = plan.table->row_max(scores_of(r, start, count), count, row.max);
        continue;
      }
      float* const buffer = buffer_of(r, start);
      const std::int64_t from = std::clamp(row.begin, start, start + count),
                         to = std::clamp(row.end, from, start + count);
      std::fill(buffer, buffer + (from - start), no_score);
      std::fill(buffer + (to - start), buffer + count, no_score);
      float* const t = buffer + (from - start);
      const std::byte* const x = x_at(r, from);
      const bool in_place = plan.direct_input && plan.scored;
      if (!in_place) plan.table->gather[static_cast<std::size_t>(plan.type[operand_x])](x, plan.x_stride, to - from, t);
      if (plan.scored)
        score(plan, row, in_place ? reinterpret_cast<const float*>(x) : t, t, from, to);
      else
        row.max = plan.table->row_max(t, to - from, row.max);
    }
  }

  void find_max(std::int64_t from, std::int64_t to) noexcept {
    pieces(from, to, [&](std::int64_t start, std::int64_t count) { fetch(start, count); });
  }

  /// The maximum of all columns is known.
  void settle_max() noexcept {
    const bool masks = plan.form != nullptr &&
                       (plan.form->causal || plan.data[operand_mask] != nullptr || plan.data[operand_sinks] != nullptr);
    const bool part = plan.pass == softmax_pass::partial && plan.loss == nullptr;
    const bool zeros = plan.columns == 0 || ((masks || part) && !plan.form->nan_if_masked);
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[r];
      if (row.sink > row.max) row.max = row.sink;
      row.shift = row.max == no_score && (zeros || row.ignored) ? 0.0f : row.max;
    }
  }

  /// Short rows in one step, if their scores lie evenly.
  bool sum_together(row_sums* out) noexcept {
    const std::int64_t count = end - begin;
    if (!whole || rows == 1 || count == 0 || plan.split.chunks != 1 || count > direct_columns) return false;
    const float* const scores = scores_of(0, begin, count);
    const std::int64_t step = scores_of(1, begin, count) - scores;
    float shift[side_by_side];
    double total[side_by_side];
    for (int r = 0; r < rows; ++r) {
      if (scores_of(r, begin, count) != scores + r * step) return false;
      shift[r] = state[r].shift;
    }
    plan.steps->exp_sum_rows(scores, step, keep ? exponentials_of(0, begin) : nullptr,
                             exponentials_of(1, begin) - exponentials_of(0, begin), soon(0, begin, scores), rows, count,
                             shift, total, nullptr);
    for (int r = 0; r < rows; ++r) out[r] = {total[r], 0};
    return true;
  }

  void sum_chunk(std::int64_t chunk, row_sums* out) noexcept {
    const bool scores_too = smoothed(plan) && plan.pass == softmax_pass::partial;
    if (!scores_too && sum_together(out)) return;
    softmax_sum sum[widest_tile], scores_sum[widest_tile];
    for (int r = 0; r < rows; ++r) {
      sum[r].begin(numerators_start);
      if (scores_too) scores_sum[r].begin(0);
    }
    pieces(chunk * plan.split.chunk, (chunk + 1) * plan.split.chunk, [&](std::int64_t start, std::int64_t count) {
      if (!whole) fetch(start, count);
      for (int r = 0; r < rows; ++r) {
        const float* const scores = scores_of(r, start, count);
        if (scores_too) plan.table->row_dot(scores, nullptr, count, scores_sum[r]);
        plan.steps->exp_sum(scores, keep ? exponentials_of(r, start) : nullptr, soon(r, start, scores), count,
                            state[r].shift, sum[r], nullptr);
      }
    });
    for (int r = 0; r < rows; ++r)
      out[r] = {plan.table->row_total(sum[r], numerators_start),
                scores_too ? plan.table->row_total(scores_sum[r], 0) : 0};
  }

  /// The sums of all columns are known.
  void settle_sum() noexcept {
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[r];
      if (plan.data[operand_sinks] != nullptr && plan.pass != softmax_pass::finish)
        row.sum.exponentials += static_cast<double>(numerator_of(plan, row.sink, row.shift));
      // A row without columns to look at has not met its own -inf - -inf.
      if (row.shift == no_score) row.sum.exponentials = std::numeric_limits<double>::quiet_NaN();
      row.last = finish_row(plan, cursor, r, row);
    }
  }

  /// The results of a piece, in y if that can be the buffer.
  void finish(std::int64_t start, std::int64_t count) noexcept {
    if (!whole) fetch(start, count);
    const auto step = plan.logarithm ? plan.steps->shift : plan.steps->exp_scale;
    const bool streaming = plan.streaming && !in_output;
    for (int r = 0; r < rows; ++r) {
      const row_state& row = state[r];
      float* const buffer = buffer_of(r, start);
      float* const y = plan.direct_output ? reinterpret_cast<float*>(y_at(r, start)) : buffer;
      if (keep)
        plan.steps->scale(exponentials_of(r, start), y, count, row.last.high, row.last.low, streaming);
      else
        step(scores_of(r, start, count), y, count, row.shift, row.last.high, row.last.low, streaming);
      if (smoothed(plan) && !row.ignored) smooth(plan, row, y, count);
    }
  }

  /// The largest results, for a row's scale. What is masked by its position is 0 or infinite, and so none of them.
  void measure(std::int64_t from, std::int64_t to) noexcept {
    pieces(from, to, [&](std::int64_t start, std::int64_t count) {
      finish(start, count);
      for (int r = 0; r < rows; ++r) state[r].amax = plan.table->row_amax(buffer_of(r, start), count, state[r].amax);
    });
    finished = whole;
  }

  /// The largest results of all columns are known.
  void settle_scale(int r, float amax) noexcept {
    if (plan.data[operand_row_scales] != nullptr) state[r].scale = scale_of_row(amax, plan.type[operand_y]);
    set_value(plan, cursor, operand_row_scales, r, static_cast<double>(state[r].scale));
    set_value(plan, cursor, operand_amax, r, static_cast<double>(amax));
  }

  void write(std::int64_t from, std::int64_t to) noexcept {
    pieces(from, to, [&](std::int64_t start, std::int64_t count) {
      if (!finished) finish(start, count);
      for (int r = 0; r < rows && !plan.direct_output; ++r) scatter(buffer_of(r, start), r, start, count);
    });
    fill(from, std::min(to, begin));
    fill(std::max(from, end), to);
  }

  /// What is masked by its position.
  void fill(std::int64_t from, std::int64_t to) noexcept {
    for (int r = 0; r < rows && from < to; ++r) {
      const double total = state[r].sum.exponentials;
      const float v = total != total ? static_cast<float>(total) : plan.logarithm ? no_score : 0.0f;
      if (plan.direct_output) {
        std::fill_n(reinterpret_cast<float*>(y_at(r, from)), to - from, v);
        continue;
      }
      float same[softmax_block];  // not in scratch, where later chunks of the row may wait
      std::fill_n(same, std::min<std::int64_t>(softmax_block, to - from), v);
      for (std::int64_t i = from; i < to; i += softmax_block)
        scatter(same, r, i, std::min<std::int64_t>(softmax_block, to - i));
    }
  }

  void scatter(const float* v, int r, std::int64_t column, std::int64_t count) const noexcept {
    if (plan.codes != nullptr)
      return plan.table->quantise_to(plan.type[operand_y])(v, y_at(r, column), plan.y_stride, count, state[r].scale);
    plan.table->scatter[static_cast<std::size_t>(plan.type[operand_y])](v, y_at(r, column), plan.y_stride, count);
  }

  /// Once all columns are written.
  void finish_targets() noexcept {
    for (int r = 0; r < rows && plan.loss != nullptr; ++r)
      if (!state[r].ignored) finish_target(plan, state[r], y_at(r, state[r].target));
  }
};

template <class F>
void run_tile(row_tile& tile, F for_chunks) noexcept {
  const softmax_plan& plan = tile.plan;
  const bool given = plan.pass == softmax_pass::finish;
  float max[most_chunks][widest_tile];
  row_sums sums[most_chunks][widest_tile];
  if (!given || tile.whole) {
    for_chunks([&](row_tile& t, std::int64_t c) {
      t.find_max(c * plan.split.chunk, (c + 1) * plan.split.chunk);
      for (int r = 0; r < t.rows; ++r) max[c][r] = t.state[r].max;
    });
  }
  for (int r = 0; r < tile.rows; ++r) {
    row_state& row = tile.state[r];
    if (given) row.max = value_of(plan, tile.cursor, operand_max, r, 0);
    for (std::int64_t c = 0; c < plan.split.chunks && !given; ++c) row.max = std::max(row.max, max[c][r]);
  }
  tile.settle_max();
  if (!given) for_chunks([&](row_tile& t, std::int64_t c) { t.sum_chunk(c, sums[c]); });
  for (int r = 0; r < tile.rows; ++r) {
    row_state& row = tile.state[r];
    row.sum = {given ? static_cast<double>(value_of(plan, tile.cursor, operand_sum, r, 1)) : 0, 0};
    for (std::int64_t c = 0; c < plan.split.chunks && !given; ++c) {
      row.sum.exponentials += sums[c][r].exponentials;
      row.sum.scores += sums[c][r].scores;
    }
  }
  tile.settle_sum();
  if (plan.pass == softmax_pass::partial) return;
  if (plan.codes != nullptr && (plan.data[operand_row_scales] != nullptr || plan.data[operand_amax] != nullptr)) {
    for_chunks([&](row_tile& t, std::int64_t c) {
      t.measure(c * plan.split.chunk, (c + 1) * plan.split.chunk);
      for (int r = 0; r < t.rows; ++r) max[c][r] = t.state[r].amax;
    });
    for (int r = 0; r < tile.rows; ++r) {
      float amax = 0;
      for (std::int64_t c = 0; c < plan.split.chunks; ++c) amax = std::max(amax, max[c][r]);
      tile.settle_scale(r, amax);
    }
  }
  for_chunks([&](row_tile& t, std::int64_t c) {
    t.write(c * plan.split.chunk, std::min((c + 1) * plan.split.chunk, plan.columns));
  });
  tile.finish_targets();
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
  const std::int64_t cache = last_level_cache_bytes();
  plan.resting_columns = cache / 4 / size_of(dtype::f32);
  const bool large = !plan.narrow && plan.direct_input && plan.direct_output && x.data != y.data &&
                     rows * plan.columns > cache / size_of(y.type);
  plan.drained = large && direct && plan.rests_in_cache(plan.columns) && plan.columns % drained_columns == 0 &&
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
