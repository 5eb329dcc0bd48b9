// Softmax rows on the CPU. A contiguous f32 row is read where it lies; any other is gathered, a tile of rows at a time
// when neighbouring rows share cache lines. Exponentials are kept where the last pass finds them in a cache; elsewhere
// it computes them again, which is bit-identical. All additions follow kernels/softmax_state.hpp.
#include <limits>

#include "softmax_rows.hpp"

namespace sigmax {
namespace {

/// log(s) for s in [2^-149, 2^128], in double, from exact IEEE operations only; error below 2^-50.
double log_of(double s) noexcept {
  if (s == 0) return -std::numeric_limits<double>::infinity();
  if (!(s > 0 && s <= std::numeric_limits<float>::max())) return s;  // NaN: the row was poisoned
  const auto bits = __builtin_bit_cast(std::uint64_t, s);
  auto exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = __builtin_bit_cast(double, (bits & ((std::uint64_t{1} << 52) - 1)) | (std::uint64_t{1023} << 52));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log(m) = 2 atanh(f), f = (m - 1) / (m + 1), |f| < 0.172: eleven terms of the series.
  const double f = (m - 1.0) / (m + 1.0), q = f * f;
  double series = 0;
  for (int k = 21; k >= 3; k -= 2) series = (series + 1.0 / k) * q;
  constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
  const auto e = static_cast<double>(exponent);
  return e * ln2_high + (2.0 * f + (2.0 * f * series + e * ln2_low));
}

/// Where operand `which` of a row begins: row number r from where the cursor stands, along the nest's innermost loop.
std::byte* row_of(const softmax_plan& plan, const nest_cursor& cursor, softmax_operand which, int r) noexcept {
  const std::int64_t step = plan.rows.stride[which][plan.rows.rank - 1];
  return plan.data[which] + (cursor.offset(which) + r * step) * size_of(plan.type[which]);
}

/// Rows whose input and output are contiguous f32. Step by step for all of them: the steps of one row wait for each
/// other, those of several overlap.
void direct_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows) noexcept {
  const kernel_table& k = *plan.table;
  const std::int64_t n = plan.columns;
  const auto x = [&](int r) { return reinterpret_cast<const float*>(row_of(plan, cursor, operand_x, r)); };
  const auto y = [&](int r) { return reinterpret_cast<float*>(row_of(plan, cursor, operand_y, r)); };
  const bool keep = !plan.logarithm && plan.rests_in_cache(n);

  float max[direct_tile];
  softmax_sum sum[direct_tile];
  factors f[direct_tile];
  for (int r = 0; r < rows; ++r) max[r] = k.row_max(x(r), n, -std::numeric_limits<float>::infinity());
  for (int r = 0; r < rows; ++r) {
    sum[r] = {};
    plan.steps->exp_sum(x(r), keep ? y(r) : nullptr, n, max[r], sum[r]);
  }
  for (int r = 0; r < rows; ++r) {
    const double total = k.row_total(sum[r]);
    f[r] = two_parts(plan.logarithm ? log_of(total) : 1.0 / total);
  }
  for (int r = 0; r < rows; ++r) {
    if (keep)
      plan.steps->scale(y(r), y(r), n, f[r].high, f[r].low, false);
    else if (plan.logarithm)
      plan.steps->shift(x(r), y(r), n, max[r], f[r].high, f[r].low, plan.streaming);
    else
      plan.steps->exp_scale(x(r), y(r), n, max[r], f[r].high, f[r].low, plan.streaming);
  }
}

constexpr float no_score = -std::numeric_limits<float>::infinity();

/// A row on its way through the passes of gathered_rows.
struct row_state {
  std::int64_t begin, end;  ///< columns that are not masked by their position
  std::int64_t query;
  score_terms terms;
  const std::byte* mask;
  float sink;
  const float* scores;  ///< of the piece at hand
  float max;            ///< the largest score
  float shift;          ///< what is subtracted: max, or 0 where there is no score to subtract
  softmax_sum sum;
  double total;

  // With a loss:
  bool ignored;
  std::int64_t target;
  float target_score;
  softmax_sum scores_sum;
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
  row.scores_sum = {};
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
  const double e = plan.loss->smoothing, log_sum = log_of(row.total);
  const auto below = [&](double score) { return log_sum - (score - static_cast<double>(row.shift)); };
  const double loss = e < 1 ? (1 - e) * below(static_cast<double>(row.target_score)) : 0;
  return e > 0 ? loss + e * below(plan.table->row_total(row.scores_sum) / static_cast<double>(plan.columns)) : loss;
}

/// The sum is known: what `max`, `sum`, `lse` and `loss` get, and what the last pass multiplies by or subtracts.
factors finish_row(const softmax_plan& plan, const nest_cursor& cursor, int r, const row_state& row) noexcept {
  if (plan.pass != softmax_pass::finish) {
    set_value(plan, cursor, operand_max, r, row.max);
    set_value(plan, cursor, operand_sum, r, row.total);
    if (plan.data[operand_lse] != nullptr) set_value(plan, cursor, operand_lse, r, row.shift + log_of(row.total));
    if (plan.data[operand_loss] != nullptr) set_value(plan, cursor, operand_loss, r, loss_of(plan, row));
  }
  // Without any score the numerators are 0, and -inf as logarithms: nothing may be made of them.
  if (row.total == 0 || row.ignored) return {0, 0};
  const double scale = plan.loss != nullptr   ? row.gradient
                       : plan.form != nullptr ? static_cast<double>(plan.form->output_scale)
                                              : 1;
  return two_parts(plan.logarithm ? log_of(row.total) : scale / row.total);
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
  float numerator;
  plan.steps->exp_scale(&row.target_score, &numerator, 1, row.shift, 1, 0, false);
  const double less = (static_cast<double>(numerator) - row.total) / row.total;
  const auto v = static_cast<float>(row.gradient * (less + (plan.loss->smoothing - spread(plan))));
  plan.table->scatter[static_cast<std::size_t>(plan.type[operand_y])](&v, y, 1, 1);
}

/// Any rows, `rows` of them starting where the cursor stands, through a buffer where that is needed.
void gathered_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  const kernel_table& k = *plan.table;
  const auto x_type = static_cast<std::size_t>(plan.type[operand_x]),
             y_type = static_cast<std::size_t>(plan.type[operand_y]);
  row_state state[widest_tile];
  std::int64_t begin = plan.columns, end = 0;
  for (int r = 0; r < rows; ++r) {
    begin_row(plan, cursor, r, state[r]);
    begin = std::min(begin, state[r].begin);
    end = std::max(end, state[r].end);
  }
  begin = begin < end ? begin / softmax_lanes * softmax_lanes : 0;  // lanes count from the first column of the row
  end = std::max(begin, end);
  // A whole number of summation blocks, unless the whole row fits.
  const std::int64_t span = end - begin;
  // The output's row is the buffer where it is visited twice anyway, or where scratch would hold a piece of it only.
  const bool in_output = plan.direct_output && plan.tile != widest_tile && plan.pass == softmax_pass::all &&
                         plan.rests_in_cache(span) && (!plan.logarithm || span > scratch_floats / rows);
  const std::int64_t piece =
      in_output || span <= scratch_floats / rows ? span : scratch_floats / rows / softmax_block * softmax_block;
  const bool whole = piece == span;
  const bool keep =
      whole && !plan.logarithm && plan.pass == softmax_pass::all;  // the exponentials, in place of the row

  const auto y_at = [&](int r, std::int64_t column) {
    return row_of(plan, cursor, operand_y, r) + column * plan.y_stride * size_of(plan.type[operand_y]);
  };
  const auto buffer_of = [&](int r) {
    return in_output ? reinterpret_cast<float*>(y_at(r, begin)) : scratch + r * piece;
  };
  const auto fetch = [&](std::int64_t start, std::int64_t count) {
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[r];
      float* const buffer = buffer_of(r);
      const std::int64_t from = std::clamp(row.begin, start, start + count),
                         to = std::clamp(row.end, from, start + count);
      const std::byte* const x =
          row_of(plan, cursor, operand_x, r) + from * plan.x_stride * size_of(plan.type[operand_x]);
      const bool untouched = plan.direct_input && !plan.scored && to - from == count;
      row.scores = untouched ? reinterpret_cast<const float*>(x) : buffer;
      if (!untouched) {
        std::fill(buffer, buffer + (from - start), no_score);
        std::fill(buffer + (to - start), buffer + count, no_score);
      }
      float* const t = buffer + (from - start);
      if (!untouched && !(plan.direct_input && plan.scored)) k.gather[x_type](x, plan.x_stride, to - from, t);
      if (plan.scored)
        score(plan, row, plan.direct_input ? reinterpret_cast<const float*>(x) : t, t, from, to);
      else
        row.max = k.row_max(untouched ? row.scores : t, to - from, row.max);
    }
  };
  const auto pieces = [&](auto&& work) {
    for (std::int64_t start = begin; start < end; start += piece) work(start, std::min(piece, end - start));
  };

  if (plan.pass != softmax_pass::finish || whole) pieces(fetch);
  if (plan.pass == softmax_pass::finish) {
    for (int r = 0; r < rows; ++r) {
      state[r].max = value_of(plan, cursor, operand_max, r, 0);
      state[r].total = value_of(plan, cursor, operand_sum, r, 1);
    }
  }
  const bool zeros = plan.columns == 0 ||
                     (plan.form != nullptr && !plan.form->nan_if_masked &&
                      (plan.form->causal || plan.data[operand_mask] != nullptr || plan.data[operand_sinks] != nullptr));
  for (int r = 0; r < rows; ++r) {
    row_state& row = state[r];
    if (row.sink > row.max) row.max = row.sink;
    row.shift = row.max == no_score && (zeros || row.ignored) ? 0.0f : row.max;
  }
  if (plan.pass != softmax_pass::finish) {
    pieces([&](std::int64_t start, std::int64_t count) {
      if (!whole) fetch(start, count);
      for (int r = 0; r < rows; ++r) {
        row_state& row = state[r];
        if (smoothed(plan) && plan.pass == softmax_pass::partial) k.row_dot(row.scores, nullptr, count, row.scores_sum);
        plan.steps->exp_sum(row.scores, keep ? buffer_of(r) : nullptr, count, row.shift, row.sum);
      }
    });
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[r];
      if (plan.data[operand_sinks] != nullptr) plan.steps->exp_sum(&row.sink, nullptr, 1, row.shift, row.sum);
      row.total = k.row_total(row.sum);
    }
  }
  factors f[widest_tile];
  for (int r = 0; r < rows; ++r) {
    // A row without columns to look at has not met its own -inf - -inf.
    if (state[r].shift == no_score) state[r].total = std::numeric_limits<double>::quiet_NaN();
    f[r] = finish_row(plan, cursor, r, state[r]);
  }
  if (plan.pass == softmax_pass::partial) return;

  pieces([&](std::int64_t start, std::int64_t count) {
    if (!whole) fetch(start, count);
    for (int r = 0; r < rows; ++r) {
      const row_state& row = state[r];
      float* const buffer = buffer_of(r);
      float* const y = plan.direct_output ? reinterpret_cast<float*>(y_at(r, start)) : buffer;
      const bool streaming = plan.streaming && !in_output;
      if (keep)
        plan.steps->scale(buffer, y, count, f[r].high, f[r].low, streaming);
      else if (plan.logarithm)
        plan.steps->shift(row.scores, y, count, row.shift, f[r].high, f[r].low, streaming);
      else
        plan.steps->exp_scale(row.scores, y, count, row.shift, f[r].high, f[r].low, streaming);
      if (smoothed(plan) && !row.ignored) smooth(plan, row, y, count);
    }
    if (!plan.direct_output)
      for (int r = 0; r < rows; ++r) k.scatter[y_type](scratch + r * piece, y_at(r, start), plan.y_stride, count);
  });
  for (int r = 0; plan.loss != nullptr && r < rows; ++r)
    if (!state[r].ignored) finish_target(plan, state[r], y_at(r, state[r].target));
  if (begin == 0 && end == plan.columns) return;
  for (int r = 0; r < rows; ++r) {
    const float masked = state[r].total != state[r].total ? static_cast<float>(state[r].total)
                         : plan.logarithm                 ? no_score
                                                          : 0.0f;
    std::fill_n(scratch, softmax_block, masked);
    const auto fill = [&](std::int64_t from, std::int64_t to) {
      for (; from < to; from += softmax_block)
        k.scatter[y_type](scratch, y_at(r, from), plan.y_stride, std::min<std::int64_t>(softmax_block, to - from));
    };
    fill(0, begin);
    fill(end, plan.columns);
  }
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const softmax_plan*>(argument);
  alignas(64) float scratch[scratch_floats];
  nest_cursor cursor(plan.rows, begin);
  const bool direct = plan.form == nullptr && plan.direct_input && plan.direct_output;
  while (begin < end) {
    const auto rows = static_cast<int>(std::min<std::int64_t>({plan.tile, cursor.run(), end - begin}));
    if (direct)
      direct_rows(plan, cursor, rows);
    else
      gathered_rows(plan, cursor, rows, scratch);
    cursor.advance(rows);
    begin += rows;
  }
  if (plan.streaming) order_streamed_stores();
}

}  // namespace

softmax_plan plan_softmax(const kernel_table& table, softmax_pass pass, bool logarithm, const softmax_form* form,
                          const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                          const options& how) noexcept {
  softmax_plan plan;  // filled below: clearing its loop nest would take longer than a short row
  plan.table = &table;
  plan.steps = &table.softmax[static_cast<std::size_t>(how.accuracy)];
  plan.form = form;
  plan.loss = loss;
  plan.logarithm = logarithm;
  plan.pass = pass;
  plan.scored = false;
  plan.columns = x.shape[axis];
  plan.x_stride = x.strides[axis];
  plan.y_stride = y.strides[axis];
  const const_view* views[softmax_operands] = {&x, &y};
  int count = 2;
  const_view absent = x, query = x;  // of x only the rank and the extents matter
  const_view outputs[3];
  if (form != nullptr) {
    std::fill_n(absent.strides, max_rank, 0);
    std::fill_n(query.strides, max_rank, 0);
    absent.data = query.data = nullptr;
    if (axis > 0) query.strides[axis - 1] = 1;
    outputs[0] = form->max, outputs[1] = form->sum, outputs[2] = form->lse;
    const const_view* const given[] = {&form->mask, &form->row_scale, &form->slopes, &form->sinks,
                                       &outputs[0], &outputs[1],      &outputs[2]};
    for (const const_view* v : given) views[count++] = v->data != nullptr ? v : &absent;
    views[count++] = &query;
    if (loss != nullptr)
      for (const const_view* v : {&loss->targets, &loss->loss, &loss->dloss})
        views[count++] = v->data != nullptr ? v : &absent;
    plan.mask_stride = form->mask.strides[axis];
    plan.scored = form->scale != 1 || form->softcap != 0 || form->mask.data != nullptr ||
                  form->row_scale.data != nullptr || form->slopes.data != nullptr;
  }
  plan.rows = make_nest(views, count, operand_y, axis);
  for (int v = 0; v < softmax_operands; ++v) {
    plan.data[v] = v < count ? static_cast<std::byte*>(const_cast<void*>(views[v]->data)) : nullptr;
    plan.type[v] = v < count ? views[v]->type : dtype::f32;
  }
  plan.direct_input = x.type == dtype::f32 && (plan.x_stride == 1 || plan.columns == 1);
  plan.direct_output = y.type == dtype::f32 && (plan.y_stride == 1 || plan.columns == 1);
  plan.tile = rows_together(plan.x_stride, plan.columns);
  std::int64_t rows = 1;
  for (int i = 0; i < x.rank; ++i)
    if (i != axis) rows *= x.shape[i];
  const std::int64_t cache = last_level_cache_bytes();
  plan.resting_columns = cache / 4 / size_of(dtype::f32);
  plan.streaming = plan.direct_input && plan.direct_output && x.data != y.data &&
                   rows * plan.columns > cache / size_of(y.type) && (logarithm || !plan.rests_in_cache(plan.columns));
  plan.work = split_rows(rows, plan.columns, how);
  return plan;
}

void run_softmax(const softmax_plan& plan, const options& how) noexcept {
  run_split(plan.work, 1, how, run_rows, &plan);
}

}  // namespace sigmax
