// Neighbouring rows of a softmax in any form, pass by pass.
#pragma once

#include "../kernels/quantise.hpp"
#include "softmax_row.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t near_piece = 4096;  // numbers at a time that are to stay near: half of an L1 cache of 32 KiB

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
  bool keep_half;           ///< half of them, where results of 16 bits leave that much room in the output
  bool settled = false;     ///< the rows' maxima are known
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
    begin = begin < end ? begin / softmax_turn * softmax_turn : 0;  // lanes count from the first column of a chunk
    end = std::max(begin, end);
    const std::int64_t span = end - begin, room = scratch_floats / rows;
    const bool rests = plan.direct_output && plan.pass == softmax_pass::all && plan.rests_in_cache(span);
    in_output = rests && span > room;
    whole = in_output || (span <= room && plan.split.parts == 1);
    piece = whole ? span : std::min(near_piece, room / softmax_block * softmax_block);
    keep = whole && !plan.logarithm && plan.pass == softmax_pass::all;
    keep_in_output =
        keep && rests && !plan.staged;  // waiting for the output's lines then hides behind the exponentials
    keep_half = !whole && begin == 0 && plan.rounded && !plan.logarithm && plan.data[operand_x] != plan.data[operand_y];
    for (int r = 0; r < rows; ++r)
      keep_half = keep_half && reinterpret_cast<std::uintptr_t>(y_at(r, 0)) % alignof(float) == 0;
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
  /// Where the exponentials of a piece wait until it is written, or null. Those of a part's first half lie where all
  /// its results will: pieces that are written in order overwrite none that is yet to be read.
  float* kept(int r, std::int64_t start, std::int64_t count) const noexcept {
    if (keep) return exponentials_of(r, start);
    const std::int64_t part = start / smallest_chunk * smallest_chunk, behind = start - part,
                       all = std::min(smallest_chunk, plan.columns - part);
    return keep_half && behind + count <= all / 2 ? reinterpret_cast<float*>(y_at(r, part)) + behind : nullptr;
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
    const std::int64_t size = size_of(plan.type[operand_x]), ahead = start * size_of(dtype::f32) / size;
    if (!plan.streaming || plan.x_stride != 1 || ahead >= plan.columns) return scores;
    const std::int64_t step = plan.rows.stride[operand_x][plan.rows.rank - 1];
    return reinterpret_cast<const float*>(x_at(r, ahead) + rows * step * size);
  }
  /// Calls work(start, count) for the pieces of [from, to) that are looked at.
  template <class F>
  void pieces(std::int64_t from, std::int64_t to, F work) const noexcept {
    to = std::min(to, end);
    for (std::int64_t start = std::max(from, begin); start < to; start += piece)
      work(start, std::min(piece, to - start));
  }

  /// Forms the scores of a piece, and the largest of them until that is known.
  void fetch(std::int64_t start, std::int64_t count) noexcept {
    const row_block in = block_of(plan, cursor, operand_x, plan.x_stride, rows, start);
    const bool together = side_by_side_in(in);
    if (together)
      read_seen(*plan.table, in, start, count, buffer_of(0, start), buffer_of(1, start) - buffer_of(0, start),
                [&](int r) -> const row_state& { return state[r]; });
    for (int r = 0; r < rows; ++r) {
      row_state& row = state[r];
      if (untouched(r, start, count)) {
        if (!settled) row.max = plan.table->row_max(scores_of(r, start, count), count, nullptr, row.max);
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
      if (!settled && widened_at_once(plan, in)) {
        row.max = widened_max(plan, in.type, x, whole ? t : nullptr, to - from, row.max);
        continue;
      }
      if (!in_place && !together) plan.table->gather[static_cast<std::size_t>(in.type)](x, in.stride, to - from, t);
      if (plan.scored)
        score(plan, row, in_place ? reinterpret_cast<const float*>(x) : t, t, from, to);
      else if (!settled)
        row.max = plan.table->row_max(t, to - from, nullptr, row.max);
    }
  }

  void find_max(std::int64_t from, std::int64_t to) noexcept {
    pieces(from, to, [&](std::int64_t start, std::int64_t count) { fetch(start, count); });
  }

  /// The maximum of all columns is known.
  void settle_max() noexcept {
    for (int r = 0; r < rows; ++r) sigmax::settle_max(plan, state[r]);
    settled = true;
  }

  /// Then its numerators are added in double, which the row's length decides, and not how much of it is looked at.
  bool short_row() const noexcept { return plan.columns <= softmax_turn; }

  /// Short rows in one step, if their scores lie evenly.
  bool sum_together(row_sums* out) noexcept {
    const std::int64_t count = end - begin;
    if (!whole || rows == 1 || count == 0 || plan.split.chunks != 1 || count > direct_columns) return false;
    if ((count <= softmax_turn) != short_row()) return false;
    const float* const scores = scores_of(0, begin, count);
    const std::int64_t step = scores_of(1, begin, count) - scores;
    float shift[side_by_side] = {};
    double total[side_by_side];
    for (int r = 0; r < rows; ++r) {
      if (scores_of(r, begin, count) != scores + r * step) return false;
      shift[r] = state[r].shift;
    }
    plan.steps->exp_sum_rows(scores, step, keep ? exponentials_of(0, begin) : nullptr,
                             exponentials_of(1, begin) - exponentials_of(0, begin), soon(0, begin, scores), rows, count,
                             shift, nullptr, total, nullptr);
    for (int r = 0; r < rows; ++r) out[r] = {total[r], 0};
    return true;
  }

  void sum_chunk(std::int64_t chunk, row_sums* out) noexcept {
    const bool scores_too = smoothed(plan) && plan.pass == softmax_pass::partial;
    if (!scores_too && sum_together(out)) return;
    for (int r = 0; r < rows; ++r) out[r] = {};
    for (std::int64_t part = 0; part < plan.split.chunk; part += smallest_chunk)
      sum_part(chunk * plan.split.chunk + part, scores_too, out);
  }
  /// Adds what smallest_chunk columns from `from` on add up to.
  void sum_part(std::int64_t from, bool scores_too, row_sums* out) noexcept {
    softmax_sum sum[widest_tile], scores_sum[widest_tile];
    double total[widest_tile] = {};
    for (int r = 0; r < rows && scores_too; ++r) scores_sum[r].begin(0);
    pieces(from, from + smallest_chunk, [&](std::int64_t start, std::int64_t count) {
      if (!whole) fetch(start, count);
      for (int r = 0; r < rows; ++r) {
        const float* const scores = scores_of(r, start, count);
        if (scores_too) plan.table->row_dot(scores, nullptr, count, scores_sum[r], false);
        float* const to = kept(r, start, count);
        if (short_row()) {
          const float shift[side_by_side] = {state[r].shift};
          double of_row[side_by_side];
          plan.steps->exp_sum_rows(scores, 0, to, 0, soon(r, start, scores), 1, count, shift, nullptr, of_row, nullptr);
          total[r] = of_row[0];
        } else {
          plan.steps->exp_sum(scores, to, soon(r, start, scores), count, state[r].shift, nullptr, sum[r], nullptr);
        }
      }
    });
    for (int r = 0; r < rows; ++r) {
      if (sum[r].begun) total[r] = plan.table->row_total(sum[r]) * static_cast<double>(numerator_down);
      out[r].exponentials += total[r];
      if (!scores_too) continue;
      const double scores = plan.table->row_total(scores_sum[r]);
      out[r].scores += std::isfinite(scores) || state[r].ignored ? scores : plain_sum(r, from);
    }
  }
  /// The same of scores alone, without the low parts that -inf or an overflow makes NaN. After -inf nothing counts.
  double plain_sum(int r, std::int64_t from) noexcept {
    double total = 0;
    pieces(from, from + smallest_chunk, [&](std::int64_t start, std::int64_t count) {
      if (!std::isfinite(total)) return;
      if (!whole) fetch(start, count);
      const float* const scores = scores_of(r, start, count);
      for (std::int64_t i = 0; i < count && std::isfinite(total); ++i) total += static_cast<double>(scores[i]);
    });
    return total;
  }

  /// The sums of all columns are known.
  void settle_sum() noexcept {
    settle_sums(plan, cursor, state, rows);
    double sum[side_by_side] = {};
    if (plan.logarithm) sums_of(plan, state, rows, sum);
    for (int r = 0; r < rows; ++r) state[r].last = factors_of(plan, state[r], sum[r]);
  }

  /// The results of a piece, in y if that can be the buffer.
  void finish(std::int64_t start, std::int64_t count) noexcept {
    if (!whole) fetch(start, count);
    const auto step = plan.logarithm ? plan.steps->shift : plan.steps->exp_scale;
    const bool streaming = plan.streaming && plan.direct_output && !in_output;
    for (int r = 0; r < rows; ++r) {
      const row_state& row = state[r];
      float* const buffer = buffer_of(r, start);
      float* const y = plan.direct_output ? reinterpret_cast<float*>(y_at(r, start)) : buffer;
      if (keep)
        plan.steps->scale(exponentials_of(r, start), y, count, row.last.high, row.last.low, streaming);
      else
        step(scores_of(r, start, count), y, count, row.shift, row.last.high, row.last.low, nullptr, streaming);
      if (row.tiny) map_line(plan, numerator_down, -0.0f, y, count);
      if (smoothed(plan) && !row.ignored) map_line(plan, 1, static_cast<float>(-row.gradient * spread(plan)), y, count);
    }
  }

  /// Whether results go from the buffer to contiguous numbers of 16 bits in one step.
  bool rounds() const noexcept {
    return plan.rounded && std::none_of(state, state + rows, [](const row_state& row) { return row.tiny; });
  }
  void write_rounded(std::int64_t start, std::int64_t count) noexcept {
    if (!whole && kept(0, start, count) == nullptr) fetch(start, count);
    for (int r = 0; r < rows; ++r) {
      const row_state& row = state[r];
      const float* const exponentials = kept(r, start, count);
      const float* const scores = scores_of(r, start, count);
      const dtype type = plan.type[operand_y];
      if (plan.logarithm || exponentials != nullptr) {
        plan.steps->rounded_to(type)(plan.logarithm ? scores : exponentials, y_at(r, start), count, plan.logarithm,
                                     row.shift, row.last.high, row.last.low, plan.streaming && !keep_half);
      } else {
        float* const y = buffer_of(r, start);
        plan.steps->exp_scale(scores, y, count, row.shift, row.last.high, row.last.low, nullptr, false);
        plan.table->scatter_row[static_cast<std::size_t>(type)](y, y_at(r, start), count, plan.streaming);
      }
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
  void settle_scales() noexcept {
    for (int r = 0; r < rows && plan.data[operand_row_scales] != nullptr; ++r)
      state[r].scale = scale_of_row(state[r].amax, plan.type[operand_y]);
    set_values(plan, cursor, operand_row_scales, rows, [&](int r) { return state[r].scale; });
    set_values(plan, cursor, operand_amax, rows, [&](int r) { return state[r].amax; });
  }

  void write(std::int64_t from, std::int64_t to) noexcept {
    const bool rounded = rounds();
    pieces(from, to, [&](std::int64_t start, std::int64_t count) {
      if (rounded) return write_rounded(start, count);
      if (!finished) finish(start, count);
      const row_block out = block_of(plan, cursor, operand_y, plan.y_stride, rows, start);
      if (plan.codes == nullptr && !plan.direct_output)
        return write_rows(*plan.table, buffer_of(0, start), buffer_of(1, start) - buffer_of(0, start), out, count);
      for (int r = 0; r < rows && !plan.direct_output; ++r) scatter(buffer_of(r, start), r, start, count);
    });
    fill(from, std::min(to, begin));
    fill(std::max(from, end), to);
  }

  /// What is masked by its position.
  void fill(std::int64_t from, std::int64_t to) noexcept {
    for (int r = 0; r < rows && from < to; ++r) {
      const float v = rest_of_row(plan, state[r].sum.exponentials, state[r].last.high, state[r].last.low);
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
    if (given) row.max = given_max(plan, tile.cursor, r);
    for (std::int64_t c = 0; c < plan.split.chunks && !given; ++c) row.max = std::max(row.max, max[c][r]);
  }
  tile.settle_max();
  if (!given) for_chunks([&](row_tile& t, std::int64_t c) { t.sum_chunk(c, sums[c]); });
  for (int r = 0; r < tile.rows; ++r) {
    row_state& row = tile.state[r];
    row.sum = {};
    for (std::int64_t c = 0; c < plan.split.chunks && !given; ++c) {
      row.sum.exponentials += sums[c][r].exponentials;
      row.sum.scores += sums[c][r].scores;
    }
  }
  if (given) take_sums(plan, tile.cursor, tile.state, tile.rows);
  tile.settle_sum();
  if (plan.pass == softmax_pass::partial) return;
  if (plan.codes != nullptr && (plan.data[operand_row_scales] != nullptr || plan.data[operand_amax] != nullptr)) {
    for_chunks([&](row_tile& t, std::int64_t c) {
      t.measure(c * plan.split.chunk, (c + 1) * plan.split.chunk);
      for (int r = 0; r < t.rows; ++r) max[c][r] = t.state[r].amax;
    });
    for (int r = 0; r < tile.rows; ++r) {
      tile.state[r].amax = 0;
      for (std::int64_t c = 0; c < plan.split.chunks; ++c) tile.state[r].amax = std::max(tile.state[r].amax, max[c][r]);
    }
    tile.settle_scales();
  }
  for_chunks([&](row_tile& t, std::int64_t c) {
    t.write(c * plan.split.chunk, std::min((c + 1) * plan.split.chunk, plan.columns));
  });
  if (plan.loss != nullptr)
    finish_targets(plan, tile.state, tile.rows, [&](int r, std::int64_t column) { return tile.y_at(r, column); });
}

}  // namespace
}  // namespace sigmax
