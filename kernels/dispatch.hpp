// From a validated call to the code that runs it: what a call is for either backend, how it is cut, and the plans that
// the CPU follows.
#pragma once

#include "cuda_backend.hpp"
#include "kernel_table.hpp"
#include "layout.hpp"
#include "validate.hpp"

namespace sigmax {

/// A unit of parallel work: [begin, end) of `total` elements or rows, cut into `tasks` pieces.
struct work_split {
  std::int64_t begin, end, tasks;
};
/// The caller's slice of `total`, cut for its threads. Cuts fall on multiples of `grain` elements or rows; no task is
/// smaller than `smallest`.
work_split split_work(std::int64_t total, std::int64_t grain, std::int64_t smallest, const options& how) noexcept;

/// Runs task(argument, begin, end) over the split, through how.threads if there are several tasks.
using range_task = void (*)(const void* argument, std::int64_t begin, std::int64_t end) noexcept;
void run_split(const work_split& work, std::int64_t grain, const options& how, range_task task,
               const void* argument) noexcept;

/// What runs over the elements. x to y, and dy, x to dx by an activation; a, b to y, and dy, a, b to da, db by a gate.
enum class elementwise_form { forward, gradient, gated, gated_gradient };
struct elementwise_function {
  elementwise_form form;
  std::size_t index;  ///< of the activation or gate
  parameters p;

  bool of_gate() const noexcept { return form >= elementwise_form::gated; }
  bool backward() const noexcept {
    return form == elementwise_form::gradient || form == elementwise_form::gated_gradient;
  }
  int inputs() const noexcept { return 1 + of_gate() + backward(); }
  int outputs() const noexcept { return form == elementwise_form::gated_gradient ? 2 : 1; }
};

/// An activation or its derivative on CUDA.
struct elementwise_call {
  activation op;
  accuracy tier;
  parameters p;
  int inputs;  ///< 1: x; 2: dy, x
  const void* in[2];
  dtype in_type[2];
  void* out;
  dtype out_type;
  loop_nest nest;
};
/// All of it but `out`; `f` is no gate.
elementwise_call describe_call(const elementwise_function& f, const const_view* const* views, extent_of_call extent,
                               const options& how) noexcept;

/// A gate or its derivatives on CUDA. Inputs, then outputs.
struct gated_call {
  elementwise_function f;
  accuracy tier;
  std::byte* data[5];
  dtype type[5];
  loop_nest nest;
};
void describe_gated(gated_call& call, const elementwise_function& f, const const_view* const* views,
                    extent_of_call extent, const options& how) noexcept;

/// A gate on host memory, cut for CUDA along its outermost loop. A unit is an element of dense tensors, or, where both
/// inputs share memory without gaps, what a row has of both: packed halves, or alternating elements.
struct host_gate {
  bool together;         ///< the inputs share memory, and are copied as one
  std::int64_t columns;  ///< results of a unit
};
/// False if the tensors lie otherwise.
bool cut_host_gate(const gated_call& call, host_gate& cut) noexcept;

struct elementwise_plan {
  const kernel_table* table;
  elementwise_function f;
  accuracy tier;
  int inputs, outputs;
  const void* in[3];
  dtype in_type[3];
  void* out[2];  ///< the caller's to set
  dtype out_type[2];
  loop_nest nest;            ///< over inputs, then outputs
  bool alternating_inputs;   ///< the last two inputs alternate in memory, the first of them first
  bool alternating_outputs;  ///< both outputs do
  bool direct;  ///< the kernel reads and writes the views' memory itself where their innermost loop is contiguous
  bool from_memory, streaming;
  work_split work;
};
/// `views`: inputs, then outputs.
elementwise_plan plan_elementwise(const kernel_table& table, const elementwise_function& f,
                                  const const_view* const* views, extent_of_call extent, const options& how) noexcept;
void run_elementwise(const elementwise_plan& plan, const options& how) noexcept;

/// An activation or a gate with quantised results; `views`: inputs, then y. For at least one element or row of which
/// something is asked.
void run_quantised(const kernel_table& table, const elementwise_function& f, const const_view* const* views, int axis,
                   const quantisation& codes, const options& how) noexcept;

/// How rows and the chunks of their columns (kernels/softmax_state.hpp) go to the caller's threads.
struct row_split {
  work_split rows;
  std::int64_t chunk, chunks;  ///< columns in a chunk, chunks in a row
  std::int64_t parts;          ///< more than 1: so many tasks share each row, and `rows` is not cut
};

/// The tensors of a softmax call. A plain one has the first two, only a loss has the last three; `query` is no memory,
/// its offset is a row's place along the dimension before the axis.
enum softmax_operand {
  operand_x,
  operand_y,
  operand_mask,
  operand_row_scale,
  operand_slopes,
  operand_sinks,
  operand_max,
  operand_sum,
  operand_lse,
  operand_query,
  operand_targets,
  operand_loss,
  operand_dloss,
  softmax_operands,
  operand_row_scales = operand_targets,  ///< no quantised call has a loss
  operand_amax = operand_dloss
};
enum class softmax_pass { all, partial, finish };

/// What a loss adds to a softmax call: cross_entropy is its partial pass, the gradient all of it or, from a given lse,
/// the finish.
struct loss_terms {
  const_view targets, loss, dloss;
  double smoothing;
  std::int64_t ignored;
};

/// What to compute, whichever backend does it.
struct softmax_call {
  const softmax_form* form;   ///< null: plain
  const loss_terms* loss;     ///< null: none
  const quantisation* codes;  ///< null: y is not quantised
  bool logarithm, scored;     ///< scored: the scores are not the elements themselves
  softmax_pass pass;
  std::byte* data[softmax_operands];  ///< null: absent
  dtype type[softmax_operands];
  std::int64_t columns, x_stride, y_stride, mask_stride;  ///< along the axis
  loop_nest rows;
};
/// `form` null: plain, which a loss is not. `y` is x if there is none.
void describe_softmax(softmax_call& call, softmax_pass pass, bool logarithm, const softmax_form* form,
                      const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                      const quantisation* codes = nullptr) noexcept;

struct softmax_plan : softmax_call {
  const kernel_table* table;
  const softmax_steps* steps;
  int tile;                          ///< rows that are worked on together
  bool narrow;                       ///< side by side
  bool across;                       ///< they lie so in memory, of one dtype: as many as fill cache lines stay there
  bool direct_input, direct_output;  ///< contiguous f32
  bool direct;                       ///< both, plain or in a form whose scores are formed anew each time
  bool formed;   ///< scores are put in y if that is contiguous f32 in a cache, else in a buffer, of whole rows
  bool alike;    ///< of a form that asks nothing of a row but y, and tells it nothing but a mask
  bool rounded;  ///< results go from a buffer to contiguous numbers of 16 bits, in one step
  bool streaming;
  bool staged;   ///< exponentials wait in scratch for their factor, and y is streamed
  bool drained;  ///< rows leave while the next ones are computed,
  bool halved;   ///< from a half of the buffer that these do not use,
  bool looking;  ///< and while those after these are looked at
  std::int64_t resting_columns;
  row_split split;

  /// Whether that much of a row of y is still in a cache when it is visited again.
  bool rests_in_cache(std::int64_t count) const noexcept { return count <= resting_columns; }
};
softmax_plan plan_softmax(const kernel_table& table, softmax_pass pass, bool logarithm, const softmax_form* form,
                          const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                          const options& how, const quantisation* codes = nullptr) noexcept;
void run_softmax(const softmax_plan& plan, const options& how) noexcept;

enum gradient_operand { gradient_dy, gradient_y, gradient_dx, gradient_operands };

struct softmax_gradient_call {
  bool logarithm;
  float scale;
  std::byte* data[gradient_operands];
  dtype type[gradient_operands];
  std::int64_t columns, stride[gradient_operands];  ///< along the axis
  loop_nest rows;
};
/// For at least one element.
void describe_gradient(softmax_gradient_call& call, bool logarithm, const const_view& dy, const const_view& y,
                       const const_view& dx, int axis, float scale) noexcept;

struct softmax_gradient_plan : softmax_gradient_call {
  const kernel_table* table;
  int tile;  ///< rows that are worked on together
  bool direct, streaming;
  bool narrow, across;  ///< as in softmax_plan
  row_split split;
};
softmax_gradient_plan plan_softmax_gradient(const kernel_table& table, bool logarithm, const const_view& dy,
                                            const const_view& y, const const_view& dx, int axis, float scale,
                                            const options& how) noexcept;
void run_softmax_gradient(const softmax_gradient_plan& plan, const options& how) noexcept;

enum gating_operand { gating_x, gating_bias, gating_weights, gating_experts, gating_operands };

struct gating_call {
  accuracy tier;
  gating_form form;
  std::byte* data[gating_operands];  ///< null: absent
  dtype type[gating_operands];
  std::int64_t columns, chosen, stride[gating_operands];  ///< along the axis
  loop_nest rows;
};
/// For at least one row and one chosen expert.
void describe_gating(gating_call& call, const const_view& x, const const_view& weights, const const_view& experts,
                     int axis, const gating_form& form, const options& how) noexcept;

struct gating_plan : gating_call {
  const kernel_table* table;
  const softmax_steps* steps;
  int tile;
  row_split split;
};
gating_plan plan_gating(const kernel_table& table, const const_view& x, const const_view& weights,
                        const const_view& experts, int axis, const gating_form& form, const options& how) noexcept;
void run_gating(const gating_plan& plan, const options& how) noexcept;

}  // namespace sigmax
