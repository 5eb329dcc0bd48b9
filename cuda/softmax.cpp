// Softmax calls on CUDA: from a call to the tier of its rows to a launch.
#include <algorithm>
#include <cmath>
#include <utility>

#include "../kernels/dispatch.hpp"
#include "launch.hpp"
#include "softmax_kernels.hpp"

namespace sigmax {
namespace {

bool is_contiguous(const softmax_call& call) noexcept {
  return call.columns <= 1 || (call.x_stride == 1 && call.y_stride == 1);
}

/// Whether anything of f32 is asked for beside y.
bool has_row_results(const softmax_call& call) noexcept {
  return call.data[operand_max] != nullptr || call.data[operand_sum] != nullptr || call.data[operand_lse] != nullptr ||
         call.loss != nullptr;
}

/// Whether the kernels that leave rows as they are serve: one dtype, and nothing but a scale and masks by position.
bool is_of_words(const softmax_call& call) noexcept {
  if (call.pass != softmax_pass::all || call.loss != nullptr || call.columns == 0 || call.columns > 1 << 24 ||
      call.type[operand_x] != call.type[operand_y] || call.data[operand_y] == nullptr)
    return false;
  if (call.form == nullptr) return true;
  return call.form->softcap == 0 && call.data[operand_mask] == nullptr && call.data[operand_slopes] == nullptr &&
         (call.type[operand_y] == dtype::f32 || !has_row_results(call));
}

/// Words of 16 bytes in which every row lies, wherever it begins.
std::int64_t words_of(const softmax_call& call) noexcept {
  const std::int64_t size = size_of(call.type[operand_x]);
  auto places = reinterpret_cast<std::uintptr_t>(call.data[operand_x]);
  for (int d = 0; d < call.rows.rank; ++d)
    if (call.rows.extent[d] > 1) places |= static_cast<std::uintptr_t>(call.rows.stride[operand_x][d] * size);
  const std::int64_t before = places % vector_bytes == 0 ? 0 : vector_bytes - size;
  return divide_up(call.columns * size + before, vector_bytes);
}

softmax_choice choose(const softmax_call& call, const device_limits& device) noexcept {
  if (!is_contiguous(call)) return {softmax_tier::columns, 0, 1, call.columns, 0};
  softmax_choice choice{};
  if (is_of_words(call) &&
      choose_words(words_of(call), size_of(call.type[operand_x]), call.rows.count(), device, choice))
    return choice;
  return choose_softmax(call.columns, device);
}

softmax_arguments arguments_of(const softmax_call& call, const work_split& work,
                               const softmax_choice& choice) noexcept {
  softmax_arguments a{};
  std::int64_t size[softmax_operands];
  for (int v = 0; v < softmax_operands; ++v) {
    a.data[v] = call.data[v];
    a.type[v] = call.type[v];
    size[v] = v == operand_query ? 1 : size_of(call.type[v]);
  }
  a.rows = make_row_nest(call.rows, size, work.begin, work.end);
  a.columns = call.columns;
  a.x_stride = call.x_stride;
  a.y_stride = call.y_stride;
  a.span = choice.span;
  a.held = choice.held;
  a.staged = choice.tier == softmax_tier::staged;
  a.logarithm = call.logarithm;
  a.partial = call.pass == softmax_pass::partial;
  a.finish = call.pass == softmax_pass::finish;
  if (call.codes != nullptr) {
    a.row_scales = std::exchange(a.data[operand_row_scales], nullptr);
    a.amax = std::exchange(a.data[operand_amax], nullptr);
    a.code_scale = call.codes->scale;
  }
  a.precise = a.partial || call.codes != nullptr || call.type[operand_y] == dtype::f32 || has_row_results(call);
  a.fine = a.precise && (a.logarithm || a.partial || has_row_results(call) || call.columns > most_in_two);
  // What a sum of 2^40 leaves of a smaller scale might be no normal number.
  const float shrunk = call.form != nullptr ? std::fabs(call.form->output_scale) : 1;
  a.near = !a.precise && !a.logarithm && shrunk >= 0x1p-60f && shrunk <= 1;
  a.scored = call.scored;
  a.scale = a.output_scale = 1;
  a.zeros = call.columns == 0;
  if (call.form == nullptr) return a;
  const softmax_form& form = *call.form;
  a.mask_stride = call.mask_stride;
  a.scale = form.scale;
  a.softcap = form.softcap;
  a.output_scale = form.output_scale;
  a.causal = form.causal;
  a.offset = form.offset;
  a.window = form.window;
  const bool masks = form.causal || form.mask.data != nullptr || form.sinks.data != nullptr;
  const bool part = a.partial && call.loss == nullptr;
  a.zeros = a.zeros || ((masks || part) && !form.nan_if_masked);
  if (call.loss != nullptr) {
    a.smoothing = call.loss->smoothing;
    a.ignored = call.loss->ignored;
  }
  return a;
}

}  // namespace

status cuda_softmax_kernel(const softmax_call& call, const char*& name) noexcept {
  device_limits device;
  if (status s = query_device(device); !s) return s;
  const softmax_choice choice = choose(call, device);
  switch (choice.tier) {
    case softmax_tier::columns: name = "columns"; break;
    case softmax_tier::passes: name = "passes"; break;
    case softmax_tier::staged: name = choice.cluster > 1 ? "staged cluster" : "staged"; break;
    case softmax_tier::words:
    case softmax_tier::rows: {
      const int lanes =
          choice.tier == softmax_tier::words ? staged_configs[choice.config].lanes : row_configs[choice.config].lanes;
      const bool passing = choice.tier == softmax_tier::words && choice.config == passing_config;
      name = passing
                 ? choice.cluster > 1 ? "cluster, a part of the row at a time" : "block, a part of the row at a time"
             : choice.cluster > 1 ? "cluster"
             : lanes <= 32        ? "lanes"
                                  : "block";
    }
  }
  return {};
}

status cuda_run_softmax(const softmax_call& call, const options& how) noexcept {
  const work_split work = split_work(call.rows.count(), 1, 1, how);
  if (work.begin >= work.end) return {};
  device_limits device;
  if (status s = query_device(device); !s) return s;
  const softmax_choice choice = choose(call, device);
  const softmax_arguments a = arguments_of(call, work, choice);
  const bool fused = call.form != nullptr;
  const std::int64_t rows = work.end - work.begin;
  const bool coded = call.codes != nullptr;
  if (choice.tier == softmax_tier::columns)
    return launch(coded ? cuda_softmax_codes.columns : cuda_softmax.columns,
                  row_shape(rows, column_rows, column_rows * column_warps, 1), how, a);
  const bool words = choice.tier == softmax_tier::words, held = choice.tier == softmax_tier::rows;
  const int lanes = words  ? staged_configs[choice.config].lanes
                    : held ? row_configs[choice.config].lanes
                           : long_config.lanes;
  const int threads = words ? staged_configs[choice.config].threads : lanes < 128 ? 128 : lanes;
  launch_shape shape = row_shape(rows, threads / lanes, threads, choice.cluster);
  shape.shared_bytes = choice.shared_bytes;
  const dtype t = call.type[operand_x];
  const auto& staged = t == dtype::f32 ? cuda_staged_f32 : t == dtype::f16 ? cuda_staged_f16 : cuda_staged_bf16;
  const auto kernel = words   ? staged.rows[fused][choice.config]
                      : held  ? (coded ? cuda_softmax_codes.rows : cuda_softmax.rows)[choice.config]
                      : coded ? cuda_softmax_codes.long_rows
                              : cuda_softmax.long_rows[fused];
  return launch(kernel, shape, how, a);
}

status cuda_run_softmax_gradient(const softmax_gradient_call& call, const options& how) noexcept {
  const work_split work = split_work(call.rows.count(), 1, 1, how);
  if (work.begin >= work.end) return {};
  device_limits device;
  if (status s = query_device(device); !s) return s;
  gradient_arguments a{};
  std::int64_t size[gradient_operands];
  bool contiguous = true;
  for (int v = 0; v < gradient_operands; ++v) {
    a.data[v] = call.data[v];
    a.type[v] = call.type[v];
    a.stride[v] = call.stride[v];
    size[v] = size_of(call.type[v]);
    contiguous = contiguous && (call.stride[v] == 1 || call.columns == 1);
    a.fine = a.fine || call.type[v] == dtype::f32;
  }
  a.rows = make_row_nest(call.rows, size, work.begin, work.end);
  a.columns = call.columns;
  a.logarithm = call.logarithm;
  a.scale = call.scale;
  const std::int64_t rows = work.end - work.begin;
  if (!contiguous)
    return launch(cuda_softmax_gradient.columns, row_shape(rows, column_rows, column_rows * column_warps, 1), how, a);
  const softmax_choice choice = choose_gradient(call.columns, device);
  a.span = choice.span;
  const bool held = choice.tier == softmax_tier::rows;
  const row_config& config = held ? gradient_configs[choice.config] : long_gradient;
  return launch(held ? cuda_softmax_gradient.rows[choice.config] : cuda_softmax_gradient.long_rows,
                row_shape(rows, config.threads / config.lanes, config.threads, choice.cluster), how, a);
}

status cuda_run_gating(const gating_call& call, const options& how) noexcept {
  const work_split work = split_work(call.rows.count(), 1, 1, how);
  if (work.begin >= work.end) return {};
  gating_arguments a{};
  std::int64_t size[gating_operands];
  for (int v = 0; v < gating_operands; ++v) {
    a.data[v] = call.data[v];
    a.type[v] = call.type[v];
    a.stride[v] = call.stride[v];
    size[v] = size_of(call.type[v]);
  }
  a.rows = make_row_nest(call.rows, size, work.begin, work.end);
  a.columns = call.columns;
  a.chosen = call.chosen;
  a.sigmoid = call.form.sigmoid;
  a.renormalise = call.form.renormalise;
  a.scale = call.form.scale;
  int config = 0;
  while (call.columns > gating_configs[config].columns()) ++config;
  return launch(cuda_gating.rows[config], row_shape(work.end - work.begin, 128 / gating_configs[config].lanes, 128, 1),
                how, a);
}

}  // namespace sigmax
