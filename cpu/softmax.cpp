// Softmax rows on the CPU: which of the ways of cpu/README.md a call takes, tiles of neighbouring rows, and rows that
// are fewer than the threads and shared by them. All additions follow kernels/softmax_state.hpp.
#include "softmax_whole.hpp"
#include "softmax_narrow.hpp"
#include "softmax_tile.hpp"

namespace sigmax {
namespace {

/// Longer rows that were looked at have left an L2 cache of 1 MiB until they are computed if others leave to memory
/// meanwhile; accuracy::fast waits for them.
constexpr std::int64_t remembered_columns = 65536;
/// Numbers of rows that are computed, looked at and on their way out at a time: three times as many fit in an L1 cache.
constexpr std::int64_t looking_piece = 2048;
constexpr std::int64_t least_causal_columns = 512;  // below, rows together are faster than each to its own end

/// Whether the scores of a form are formed from x each time that they are needed, and need no buffer. Those of a
/// softcap or with slopes take longer than that, and windows begin anywhere.
bool costs_little(const softmax_plan& plan) noexcept {
  const softmax_form& form = *plan.form;
  const bool mask =
      plan.data[operand_mask] == nullptr || (plan.type[operand_mask] == dtype::f32 && plan.mask_stride == 1);
  if (!mask || form.softcap != 0 || plan.data[operand_slopes] != nullptr || plan.columns == 0) return false;
  if (plan.pass == softmax_pass::partial)  // for scores that have to be formed after all there is no place
    return !form.causal && plan.data[operand_mask] == nullptr && !smoothed(plan);
  return plan.pass == softmax_pass::all && plan.loss == nullptr && std::fabs(form.output_scale) > least_direct_scale &&
         (!form.causal || (form.window <= 0 && plan.columns >= least_causal_columns));
}

/// Plain rows that lie side by side in x and in y.
void rows_across(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  std::byte* const y = row_of(plan, cursor, operand_y, 0);
  plan.steps->across[static_cast<std::size_t>(plan.type[operand_y])](
      row_of(plan, cursor, operand_x, 0), plan.x_stride, y, plan.y_stride, rows, plan.columns, plan.logarithm,
      plan.streaming && reinterpret_cast<std::uintptr_t>(y) % 64 == 0, scratch);
}

/// The rows of a halved plan's tile take one half of the buffer while those of the tile before leave the other.
float* free_half(float* scratch, const outgoing_rows& before) noexcept {
  float* const half = scratch + scratch_floats / 2;
  return before.rows > 0 && before.from < half ? half : scratch;
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
  if ((plan.staged || plan.drained) && plan.columns > scratch_floats)
    waiting = reinterpret_cast<float*>(row_of(plan, nest_cursor(plan.rows, end - 1), operand_y, 0));
  row_state state[side_by_side];
  score_terms terms[side_by_side] = {};
  outgoing_rows before;
  before.rows = 0, before.logarithm = plan.logarithm, before.streaming = plan.streaming;
  std::int64_t left = end - begin;
  const auto moved = [&](const nest_cursor& cursor, int rows, std::int64_t following) {
    if (plan.narrow && (rows >= narrow_rows_least || plan.form == nullptr) && narrow_rows(plan, cursor, rows, state))
      return;
    if (plan.narrow || !(plan.direct || plan.formed))
      run_alone<row_tile>(plan, cursor, rows, scratch);
    else if (plan.loss != nullptr)
      loss_rows(plan, cursor, rows, following, scratch, before, state, terms);
    else
      whole_rows(plan, cursor, rows, following, plan.halved ? free_half(scratch, before) : waiting, before, state,
                 terms);
  };
  for_tiles(plan, begin, end, [&](const nest_cursor& cursor, int rows) {
    const std::int64_t following = std::min(cursor.run(), left) - rows;
    left -= rows;
    if (!plan.across) return moved(cursor, rows, following);
    for_rows_across(
        cursor, rows, [&](const nest_cursor& some, int count) { rows_across(plan, some, count, scratch); },
        [&](const nest_cursor& rest, int count) { moved(rest, count, following); });
  });
  stream_out(plan, before);
  if (plan.streaming) order_streamed_stores();
}

/// Whether all rows of y begin on a cache line.
bool rows_begin_lines(const softmax_plan& plan) noexcept {
  bool yes = reinterpret_cast<std::uintptr_t>(plan.data[operand_y]) % 64 == 0;
  for (int i = 0; i < plan.rows.rank; ++i)
    yes = yes && plan.rows.stride[operand_y][i] * size_of(plan.type[operand_y]) % 64 == 0;
  return yes;
}

}  // namespace

softmax_plan plan_softmax(const kernel_table& table, softmax_pass pass, bool logarithm, const softmax_form* form,
                          const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                          const options& how, const quantisation* codes) noexcept {
  softmax_plan plan;  // filled below: clearing its loop nest would take longer than a short row
  describe_softmax(plan, pass, logarithm, form, loss, x, y, axis, codes);
  plan.table = &table;
  // A loss next to 0 is what the fast form's sums leave out.
  plan.steps = &table.softmax[static_cast<std::size_t>(loss != nullptr ? accuracy::high : how.accuracy)];
  plan.direct_input = x.type == dtype::f32 && (plan.x_stride == 1 || plan.columns == 1);
  plan.direct_output = y.type == dtype::f32 && (plan.y_stride == 1 || plan.columns == 1);
  std::int64_t rows = 1;
  for (int i = 0; i < x.rank; ++i)
    if (i != axis) rows *= x.shape[i];
  plan.narrow = may_be_narrow(plan) && rows >= narrow_rows_least;
  plan.direct = plan.direct_input && plan.direct_output && (form == nullptr || costs_little(plan));
  const bool in_scratch = !plan.direct && !(plan.direct_output && pass == softmax_pass::all);  // not in y, see row_tile
  plan.tile = plan.narrow ? side_by_side : rows_together(plan.x_stride, plan.columns, in_scratch, scratch_floats);
  const std::int64_t cache = cache_share_bytes();
  plan.resting_columns = cache / 4 / size_of(dtype::f32);
  const bool beyond = !plan.narrow && x.data != y.data && rows * plan.columns > cache / size_of(y.type);
  const bool large = beyond && plan.direct_input && plan.direct_output;
  const bool causal = form != nullptr && form->causal;
  const bool all = pass == softmax_pass::all && loss == nullptr && codes == nullptr;
  const bool whole = all && plan.direct_output &&
                     (!large || plan.columns <= scratch_floats || (!logarithm && plan.rests_in_cache(plan.columns)));
  plan.formed =
      !plan.direct && (all || (pass == softmax_pass::partial && !smoothed(plan))) && plan.columns > 0 &&
      (whole ? plan.tile == 1 || plan.columns <= direct_columns : plan.tile * plan.columns <= scratch_floats) &&
      (form == nullptr || ((form->window <= 0 || plan.columns < least_causal_columns) &&
                           std::fabs(form->output_scale) > least_direct_scale));
  plan.alike = (plan.direct || plan.formed || plan.narrow) && all && form != nullptr && !form->causal &&
               plan.data[operand_row_scale] == nullptr && plan.data[operand_slopes] == nullptr &&
               plan.data[operand_sinks] == nullptr && plan.data[operand_max] == nullptr &&
               plan.data[operand_sum] == nullptr && plan.data[operand_lse] == nullptr;
  const bool alone = plan.direct || (plan.formed && form != nullptr && !causal && plan.columns <= scratch_floats / 2);
  // In a cache that takes more registers to be worth it (cpu/README.md).
  const bool near = plan.direct && all && table.lanes >= 16 && plan.columns >= looking_columns &&
                    (plan.columns <= scratch_floats || (x.data != y.data && plan.rests_in_cache(plan.columns)));
  // Moved to whole lines of y, for which a pair must be as long as a line, what leaves may lie where numerators are put
  // before it has been read, unless vectors are half of the lanes, or both have a half of the buffer.
  const bool lines = plan.columns % drained_columns == 0 && rows_begin_lines(plan),
             apart = logarithm || table.lanes >= 16,
             moved =
                 plan.columns >= looking_columns && table.lanes >= 8 && (apart || plan.columns <= scratch_floats / 2);
  plan.drained = large ? alone && plan.rests_in_cache(plan.columns) && (lines || moved) : near;
  plan.halved = plan.drained && (plan.formed || (large && !lines && !apart));
  plan.looking = (plan.drained || pass == softmax_pass::partial) && plan.direct && plan.columns >= looking_columns &&
                 (plan.columns <= remembered_columns || !all || !large || how.accuracy == accuracy::high);
  plan.staged = large && !logarithm && pass == softmax_pass::all && loss == nullptr &&
                (plan.columns <= scratch_floats || plan.drained || plan.formed);
  plan.rounded = all && !plan.narrow && y.type != dtype::f32 && (plan.y_stride == 1 || plan.columns == 1) &&
                 (!plan.formed || logarithm || plan.rests_in_cache(plan.columns));
  plan.streaming = (large && (logarithm || plan.staged || !plan.rests_in_cache(plan.columns))) ||
                   (beyond && plan.rounded && (!causal || rows_begin_lines(plan)));
  // While rows are computed, those before are on their way out: few at a time. What a tile does once is worth more of
  // them for logarithms and in the accurate tier, unless scores wait in a buffer and results are f32 (cpu/README.md).
  const bool numerators = !logarithm && pass == softmax_pass::all;
  const bool four = plan.direct && plan.columns <= 1024 && (how.accuracy == accuracy::high || logarithm);
  const std::int64_t together = plan.looking           ? (numerators ? looking_piece : scratch_floats)
                                : four || plan.rounded ? near_piece
                                                       : 1024;
  if (causal && plan.direct && !plan.narrow)
    plan.tile = 1;
  else if (plan.staged || plan.drained || plan.looking || (plan.formed && (large || plan.rounded)))
    plan.tile = static_cast<int>(std::clamp<std::int64_t>(together / plan.columns, 1, plan.tile));
  plan.across = form == nullptr && all && x.type == y.type && plan.columns > 1 && plan.columns <= smallest_chunk &&
                lie_across(plan.rows, operand_x, plan.x_stride) && lie_across(plan.rows, operand_y, plan.y_stride);
  if (plan.across) {
    plan.tile = std::numeric_limits<int>::max();
    plan.streaming =
        x.data != y.data && rows * plan.columns > cache / size_of(y.type) && plan.y_stride * size_of(y.type) % 64 == 0;
  }
  plan.split = split_rows(rows, plan.columns, how);
  return plan;
}

void run_softmax(const softmax_plan& plan, const options& how) noexcept {
  if (plan.split.parts > 1) return run_shared<row_tile>(plan, how);
  run_split(plan.split.rows, 1, how, run_rows, &plan);
}

}  // namespace sigmax
