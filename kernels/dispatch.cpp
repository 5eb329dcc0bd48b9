#include "dispatch.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "estimate.hpp"
#include "math.hpp"
#include "validate.hpp"

namespace sigmax {
namespace {

struct choice {
  backend where;
  const kernel_table* table;  // null on CUDA
  const char* isa_reason;
  bool staged = false;  // host memory on CUDA
  double cpu_ns = 0, cuda_ns = 0;
  const char* because = nullptr;  // of an estimated call
};

struct environment {
  const char* isa;
  const char* backend;
};
/// Read once, at the first call.
const environment& environment_variables() noexcept {
  static const environment e{std::getenv("SIGMAX_ISA"), std::getenv("SIGMAX_BACKEND")};
  return e;
}

/// What dispatch knows about a call besides where its memory lives.
struct call_kind {
  bool takes_host = false;            // the CUDA backend takes it on host memory
  const call_facts* facts = nullptr;  // null: `automatic` does not estimate
  activation op{};
};

/// A dense call of up to so many elements has nothing to plan: no threads, no stores past the caches. It goes straight
/// to the kernel, which matters most below some hundred elements: 64 take a few nanoseconds themselves.
constexpr std::int64_t short_call = 16384;

/// The faster backend as estimated, and why; the CPU where nothing says that it is not.
backend faster_backend(const options& how, memory where, const call_kind& kind, choice& out) noexcept {
  cost_figures f;
  if (kind.facts == nullptr || !figures_of(kind.op, f)) return backend::cpu;
  out.cpu_ns = estimate_cpu(f, *kind.facts);
  out.cuda_ns = estimate_cuda(f, *kind.facts);
  const auto stay = [&](const char* why) {
    out.because = why;
    return backend::cpu;
  };
  if (how.isa != nullptr || environment_variables().isa != nullptr) return stay("an ISA is named");
  if (!cpu_isa_list().usable[0]->fma) return stay("without FMA its bits are others than CUDA's");
  if (kind.facts->elements <= short_call) return stay("the call is short");
  if (cuda_missing_because() != nullptr) return stay("CUDA cannot be used");
  if (where == memory::host && !cuda_is_warm()) return stay("warm_up was not called");
  if (out.cpu_ns == 0 || out.cuda_ns == 0) return stay("a figure was not measured");
  if (out.cuda_ns >= out.cpu_ns) return stay("CUDA is estimated to be no faster");
  out.because = "CUDA is estimated to be faster";
  return backend::cuda;
}

status choose_backend(const options& how, memory where, const call_kind& kind, choice& out) noexcept {
  using enum status_code;
  backend& chosen = out.where;
  chosen = how.where;
  if (chosen == backend::automatic) {
    const char* forced = environment_variables().backend;
    if (forced != nullptr && std::strcmp(forced, "automatic") != 0) {
      if (std::strcmp(forced, "cuda") == 0)
        chosen = backend::cuda;
      else if (std::strcmp(forced, "cpu") == 0)
        chosen = backend::cpu;
      else
        return failure(unavailable, "SIGMAX_BACKEND is \"%s\", not automatic, cpu or cuda", forced);
    }
  }
  if (chosen == backend::automatic)
    chosen = where == memory::cuda ? backend::cuda : faster_backend(how, where, kind, out);
  if (chosen == backend::cuda) {
    if (const char* why = cuda_missing_because()) return failure(unavailable, "CUDA backend: %s", why);
    out.staged = where == memory::host;
    if (out.staged && !kind.takes_host)
      return failure(unsupported,
                     "the CUDA backend takes host memory of activations, their gradients, softmax and log_softmax; of "
                     "others device and managed memory");
    if (out.staged && !cuda_is_warm())
      return failure(unavailable, "host memory on CUDA needs staging memory: call warm_up first, once");
  }
  if (chosen == backend::cpu && where == memory::cuda)
    return failure(unsupported, "the CPU backend cannot reach CUDA device memory");
  return {};
}

status choose_isa(const options& how, choice& out) noexcept {
  const isa_list& list = cpu_isa_list();
  const char* wanted = how.isa;
  const char* where = "options.isa";
  out.isa_reason = "named in options";
  if (wanted == nullptr) {
    wanted = environment_variables().isa;
    where = "SIGMAX_ISA";
    out.isa_reason = "named in SIGMAX_ISA";
  }
  if (wanted == nullptr) {
    out.isa_reason = "the best this machine has";
    out.table = list.usable[0];
    return {};
  }
  for (int i = 0; i < list.usable_count; ++i)
    if (std::strcmp(list.usable[i]->name, wanted) == 0) {
      out.table = list.usable[i];
      return {};
    }
  for (int i = 0; i < list.all_count; ++i)
    if (std::strcmp(list.all[i].name, wanted) == 0)
      return failure(status_code::unavailable, "%s: this machine cannot run \"%s\"", where, wanted);
  return failure(status_code::unavailable, "%s: this build has no ISA row \"%s\"", where, wanted);
}

status choose(const options& how, memory where, choice& out, const call_kind& kind = {}) noexcept {
  if (status s = choose_backend(how, where, kind, out); !s) return s;
  out.table = nullptr;
  return out.where == backend::cuda ? status{} : choose_isa(how, out);
}

/// Whether host memory of this layout goes to CUDA.
status staged_elements(const elementwise_call& call) noexcept {
  if (call.nest.contiguous()) return {};
  return failure(status_code::unsupported, "the CUDA backend takes host memory in dense tensors, all in one order");
}
status staged_rows(const softmax_call& call) noexcept {
  bool dense = call.rows.rank == 1 && (call.columns == 1 || (call.x_stride == 1 && call.y_stride == 1));
  for (int v = 0; v < 2; ++v) dense = dense && (call.rows.extent[0] == 1 || call.rows.stride[v][0] == call.columns);
  if (dense) return {};
  return failure(status_code::unsupported, "the CUDA backend takes host memory of softmax in dense rows");
}

/// A softmax in any form, of at least one element or row.
status run_softmax_on(const choice& c, softmax_pass pass, bool logarithm, const softmax_form* form,
                      const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                      const options& how) noexcept {
  if (c.where == backend::cuda) {
    softmax_call call;
    describe_softmax(call, pass, logarithm, form, loss, x, y, axis);
    if (!c.staged) return cuda_run_softmax(call, how);
    if (status s = staged_rows(call); !s) return s;
    return cuda_run_host_softmax(call, how);
  }
  run_softmax(plan_softmax(*c.table, pass, logarithm, form, loss, x, y, axis, how), how);
  return {};
}

void tell(const choice& c, memory where, explanation& out) noexcept {
  out.where = c.where;
  out.cpu_ns = c.cpu_ns;
  out.cuda_ns = c.cuda_ns;
  const char* const before = c.because != nullptr ? ": " : "";
  const char* const because = c.because != nullptr ? c.because : "";
  if (c.where == backend::cuda) {
    std::snprintf(out.reason, sizeof out.reason, "%s memory runs on CUDA%s%s%s",
                  where == memory::managed ? "managed"
                  : c.staged               ? "host"
                                           : "device",
                  c.staged ? " through staging memory" : "", before, because);
    return;
  }
  out.isa = c.table->name;
  const char* const missing = cuda_missing_because();
  std::snprintf(out.reason, sizeof out.reason, "%s memory runs on the CPU%s%s%s%s; ISA %s is %s",
                where == memory::managed ? "managed" : "host", before, because, missing ? ": " : "",
                missing ? missing : "", c.table->name, c.isa_reason);
}

/// The row of a call that needs no plan for what options and environment ask, else null, which says nothing.
const kernel_table* row_without_plan(const options& how) noexcept {
  static const kernel_table* const best = []() noexcept -> const kernel_table* {
    choice c;
    return environment_variables().backend == nullptr && choose_isa({}, c) ? c.table : nullptr;
  }();
  if (best == nullptr || how.slices != 1 || how.where == backend::cuda || !validate_options(how)) return nullptr;
  choice c;
  return how.isa == nullptr ? best : choose_isa(how, c) ? c.table : nullptr;
}

call_facts facts_of(const named_view* views, int n, int outputs, extent_of_call extent, const options& how) noexcept {
  call_facts facts{.elements = extent.count / how.slices,
                   .bytes_in = 0,
                   .bytes_out = 0,
                   .threads = how.threads.run != nullptr ? how.threads.concurrency : 1,
                   .managed = views[n - 1].view->where == memory::managed};
  for (int v = 0; v < n; ++v) (v < n - outputs ? facts.bytes_in : facts.bytes_out) += size_of(views[v].view->type);
  return facts;
}

/// Everything that elementwise calls and their `explain` share. `function`: an activation or a gate.
template <class Function>
status prepare(elementwise_form form, Function function, const named_view* views, const options& how,
               elementwise_function& f, extent_of_call& extent, choice& c) noexcept {
  f.form = form;
  f.index = static_cast<std::size_t>(function);
  if (status s = resolve_parameters(function, how.parameters, f.p); !s) return s;
  if (status s = validate_options(how); !s) return s;
  const int n = f.inputs() + f.outputs();
  if (status s = validate_views(views, n, extent, f.outputs()); !s) return s;
  const call_facts facts = facts_of(views, n, f.outputs(), extent, how);
  call_kind kind{.takes_host = !f.of_gate(), .facts = nullptr, .op = static_cast<activation>(f.index)};
  const bool other_form = how.accuracy == accuracy::fast && describe(function).bound_fast.has_value();
  if (extent.dense && !f.of_gate() && (f.backward() || !other_form)) kind.facts = &facts;
  if (status s = choose(how, views[n - 1].view->where, c, kind); !s) return s;
  return {};
}

/// `outputs`: the memory of the last of the views.
template <class Function, std::size_t n, std::size_t m>
status run_call(elementwise_form form, Function function, const named_view (&views)[n], void* const (&outputs)[m],
                const options& how) noexcept {
  elementwise_function f;
  extent_of_call extent;
  choice c;
  if (status s = prepare(form, function, views, how, f, extent, c); !s) return s;
  if (extent.count == 0) return {};
  const const_view* all[n];
  for (std::size_t i = 0; i < n; ++i) all[i] = views[i].view;
  if (c.where == backend::cuda && f.of_gate()) {
    gated_call call;
    describe_gated(call, f, all, extent, how);
    return cuda_run_gated(call, how);
  }
  if (c.where == backend::cuda) {
    elementwise_call call = describe_call(f, all, extent, how);
    call.out = outputs[0];
    if (!c.staged) return cuda_run_elementwise(call, how);
    if (status s = staged_elements(call); !s) return s;
    return cuda_run_host_elementwise(call, how);
  }
  auto plan = plan_elementwise(*c.table, f, all, extent, how);
  for (std::size_t i = 0; i < m; ++i) plan.out[i] = outputs[i];
  run_elementwise(plan, how);
  return {};
}

/// Not inlined: a short call does not pay for the plan's place on the stack.
[[gnu::noinline]] status activate_by_plan(activation op, const const_view& x, const view& y,
                                          const options& how) noexcept {
  const const_view out = y;
  return run_call(elementwise_form::forward, op, {{"x", &x}, {"y", &out}}, {y.data}, how);
}

template <class Function, std::size_t n>
status explain_call(elementwise_form form, Function function, const named_view (&views)[n], const options& how,
                    explanation& out) noexcept {
  elementwise_function f;
  extent_of_call extent;
  choice c;
  if (status s = prepare(form, function, views, how, f, extent, c); !s) return s;
  out = {};
  tell(c, views[n - 1].view->where, out);
  if (describe(function).bound_fast) out.accuracy = how.accuracy;
  if (extent.count == 0) return {};
  const const_view* all[n];
  for (std::size_t i = 0; i < n; ++i) all[i] = views[i].view;
  if (c.where == backend::cuda) {
    out.tasks = 1;
    if (f.of_gate()) {
      gated_call call;
      describe_gated(call, f, all, extent, how);
      out.kernel = cuda_gated_kernel(call);
      return {};
    }
    const elementwise_call call = describe_call(f, all, extent, how);
    if (c.staged)
      if (status s = staged_elements(call); !s) return s;
    out.kernel = cuda_elementwise_kernel(call);
    return {};
  }
  const auto plan = plan_elementwise(*c.table, f, all, extent, how);
  out.kernel = !plan.direct || !(f.of_gate() || plan.nest.contiguous()) ? "blocks"
               : plan.alternating_inputs                                ? "interleaved"
                                                                        : "contiguous";
  out.streaming = plan.streaming;
  out.tasks = plan.work.tasks;
  return {};
}

status softmax_options(const options& how) noexcept {
  if (how.parameters.first == how.parameters.first || how.parameters.second == how.parameters.second)
    return failure(status_code::invalid_argument, "softmax takes no parameters");
  return validate_options(how);
}

status prepare_softmax(const const_view& x, const const_view& y, int& axis, const options& how, extent_of_call& extent,
                       choice& c) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const named_view views[] = {{"x", &x}, {"y", &y}};
  if (status s = validate_views(views, 2, extent); !s) return s;
  if (status s = resolve_axis(x, axis); !s) return s;
  return choose(how, y.where, c, {.takes_host = true, .facts = nullptr});
}

/// `y` null: there is none.
status run_softmax_form(softmax_pass pass, const const_view& x, const view* y, int axis, const softmax_form& form,
                        const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = y != nullptr ? const_view(*y) : x;
  if (status s = validate_form(x, y != nullptr ? &out : nullptr, axis, form, pass == softmax_pass::finish); !s)
    return s;
  choice c;
  if (status s = choose(how, x.where, c); !s) return s;
  const bool of_rows = form.max.data != nullptr || form.sum.data != nullptr || form.lse.data != nullptr;
  if (element_count(x) == 0 && !of_rows) return {};
  return run_softmax_on(c, pass, form.logarithm, &form, nullptr, x, out, axis, how);
}

status run_softmax_call(const const_view& x, const view& y, int axis, const options& how, bool logarithm) noexcept {
  extent_of_call extent;
  choice c;
  if (status s = prepare_softmax(x, y, axis, how, extent, c); !s) return s;
  if (extent.count == 0) return {};
  return run_softmax_on(c, softmax_pass::all, logarithm, nullptr, nullptr, x, y, axis, how);
}

status run_gradient(bool logarithm, const const_view& dy, const const_view& y, const view& dx, int axis, float scale,
                    const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = dx;
  const named_view views[] = {{"dy", &dy}, {"y", &y}, {"dx", &out}};
  extent_of_call extent;
  if (status s = validate_views(views, 3, extent); !s) return s;
  if (status s = resolve_axis(out, axis); !s) return s;
  if (status s = validate_finite("scale", scale); !s) return s;
  choice c;
  if (status s = choose(how, out.where, c); !s) return s;
  if (extent.count == 0) return {};
  if (c.where == backend::cuda) {
    softmax_gradient_call call;
    describe_gradient(call, logarithm, dy, y, out, axis, scale);
    return cuda_run_softmax_gradient(call, how);
  }
  run_softmax_gradient(plan_softmax_gradient(*c.table, logarithm, dy, y, out, axis, scale, how), how);
  return {};
}

/// `dloss` null: the loss itself.
status run_cross_entropy(const const_view* dloss, const const_view& x, const const_view& targets, const view& y,
                         int axis, const cross_entropy_form& form, const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = y;
  if (status s = validate_cross_entropy(dloss, x, targets, out, axis, form); !s) return s;
  choice c;
  if (status s = choose(how, x.where, c); !s) return s;
  if (element_count(targets) == 0) return {};
  if (c.where == backend::cpu)
    if (status s = validate_targets(targets, x.shape[axis], form); !s) return s;
  loss_terms loss{
      .targets = targets, .loss = {}, .dloss = {}, .smoothing = form.label_smoothing, .ignored = form.ignore_index};
  softmax_form scores{.scale = form.scale};
  if (dloss == nullptr) {
    loss.loss = out;
    scores.lse = form.lse;
    return run_softmax_on(c, softmax_pass::partial, false, &scores, &loss, x, x, axis, how);
  }
  loss.dloss = *dloss;
  scores.max = form.lse;  // with a sum of 1 it is a row's state, too
  const auto pass = form.lse.data != nullptr ? softmax_pass::finish : softmax_pass::all;
  return run_softmax_on(c, pass, false, &scores, &loss, x, out, axis, how);
}

/// Refuses CUDA, which has no quantised outputs yet. `empty`: there is nothing to do.
status choose_for_codes(const options& how, const const_view& y, const quantisation& codes, choice& c,
                        bool& empty) noexcept {
  if (status s = choose(how, y.where, c); !s) return s;
  if (c.where == backend::cuda)
    return failure(status_code::unsupported, "the CUDA backend has no quantised outputs yet: y is of 8 bits");
  empty = element_count(y) == 0 && codes.row_scales.data == nullptr && codes.amax.data == nullptr;
  return {};
}

template <class Function, std::size_t n>
status run_quantised_call(elementwise_form form, Function function, const named_view (&inputs)[n], const view& y,
                          int axis, const quantisation& codes, const options& how) noexcept {
  elementwise_function f{form, static_cast<std::size_t>(function), {}};
  if (status s = resolve_parameters(function, how.parameters, f.p); !s) return s;
  if (status s = validate_options(how); !s) return s;
  const const_view out = y;
  if (status s = validate_quantised(inputs, static_cast<int>(n), out, axis, codes); !s) return s;
  choice c;
  bool empty = false;
  if (status s = choose_for_codes(how, out, codes, c, empty); !s) return s;
  if (empty) return {};
  const const_view* views[n + 1];
  for (std::size_t i = 0; i < n; ++i) views[i] = inputs[i].view;
  views[n] = &out;
  run_quantised(*c.table, f, views, axis, codes, how);
  return {};
}

}  // namespace

elementwise_call describe_call(const elementwise_function& f, const const_view* const* views, extent_of_call extent,
                               const options& how) noexcept {
  elementwise_call call;  // filled below, as the CPU's plan
  const int inputs = f.inputs();
  call.op = static_cast<activation>(f.index);
  call.tier = how.accuracy;
  call.p = f.p;
  call.inputs = inputs;
  call.out_type = views[inputs]->type;
  for (int v = 0; v < inputs; ++v) {
    call.in[v] = views[v]->data;
    call.in_type[v] = views[v]->type;
  }
  if (extent.dense)
    call.nest.make_dense(extent.count, inputs + 1);
  else
    call.nest = make_nest(views, inputs + 1, inputs, -1);
  return call;
}

void describe_gated(gated_call& call, const elementwise_function& f, const const_view* const* views,
                    extent_of_call extent, const options& how) noexcept {
  const int count = f.inputs() + f.outputs();
  call.f = f;
  call.tier = how.accuracy;
  for (int v = 0; v < count; ++v) {
    call.data[v] = static_cast<std::byte*>(const_cast<void*>(views[v]->data));
    call.type[v] = views[v]->type;
  }
  if (extent.dense)
    call.nest.make_dense(extent.count, count);
  else
    call.nest = make_nest(views, count, f.inputs(), -1);
}

void describe_softmax(softmax_call& call, softmax_pass pass, bool logarithm, const softmax_form* form,
                      const loss_terms* loss, const const_view& x, const const_view& y, int axis,
                      const quantisation* codes) noexcept {
  call.form = form;
  call.loss = loss;
  call.codes = codes;
  call.logarithm = logarithm;
  call.pass = pass;
  call.scored = false;
  call.columns = x.shape[axis];
  call.x_stride = x.strides[axis];
  call.y_stride = y.strides[axis];
  const const_view* views[softmax_operands] = {&x, &y};
  int count = 2;
  const_view absent = x, query = x;  // of x only the rank and the extents matter
  const_view outputs[5];
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
    if (codes != nullptr) {
      outputs[3] = codes->row_scales, outputs[4] = codes->amax;
      for (const const_view* v : {&outputs[3], &absent, &outputs[4]}) views[count++] = v->data != nullptr ? v : &absent;
    }
    call.mask_stride = form->mask.strides[axis];
    call.scored = form->scale != 1 || form->softcap != 0 || form->mask.data != nullptr ||
                  form->row_scale.data != nullptr || form->slopes.data != nullptr;
  }
  call.rows = make_nest(views, count, operand_y, axis);
  for (int v = 0; v < softmax_operands; ++v) {
    call.data[v] = v < count ? static_cast<std::byte*>(const_cast<void*>(views[v]->data)) : nullptr;
    call.type[v] = v < count ? views[v]->type : dtype::f32;
  }
}

void describe_gradient(softmax_gradient_call& call, bool logarithm, const const_view& dy, const const_view& y,
                       const const_view& dx, int axis, float scale) noexcept {
  call.logarithm = logarithm;
  call.scale = scale;
  call.columns = dx.shape[axis];
  const const_view* const views[] = {&dy, &y, &dx};
  call.rows = make_nest(views, gradient_operands, gradient_dx, axis);
  for (int v = 0; v < gradient_operands; ++v) {
    call.data[v] = static_cast<std::byte*>(const_cast<void*>(views[v]->data));
    call.type[v] = views[v]->type;
    call.stride[v] = views[v]->strides[axis];
  }
}

void describe_gating(gating_call& call, const const_view& x, const const_view& weights, const const_view& experts,
                     int axis, const gating_form& form, const options& how) noexcept {
  call.tier = how.accuracy;
  call.form = form;
  call.columns = x.shape[axis];
  call.chosen = weights.shape[axis];
  const_view bias = form.bias;
  if (bias.data == nullptr) bias = x, bias.data = nullptr;
  const const_view* const views[] = {&x, &bias, &weights, &experts};
  call.rows = make_nest(views, gating_operands, gating_weights, axis);
  for (int v = 0; v < gating_operands; ++v) {
    call.data[v] = static_cast<std::byte*>(const_cast<void*>(views[v]->data));
    call.type[v] = views[v]->type;
    call.stride[v] = views[v]->strides[axis];
  }
}

work_split split_work(std::int64_t total, std::int64_t grain, std::int64_t smallest, const options& how) noexcept {
  // 128-bit: total times a slice number may pass 2^63.
  __extension__ using wide = __int128;
  work_split work{0, total, 1};
  if (how.slices > 1) {
    const std::int64_t grains = (total + grain - 1) / grain;
    const auto cut = [&](std::int64_t i) {
      return std::min(total, static_cast<std::int64_t>(static_cast<wide>(grains) * i / how.slices) * grain);
    };
    work.begin = cut(how.slice), work.end = cut(how.slice + 1);
  }
  if (how.threads.run != nullptr)
    work.tasks = std::clamp<std::int64_t>((work.end - work.begin) / smallest, 1, how.threads.concurrency);
  return work;
}

void run_split(const work_split& work, std::int64_t grain, const options& how, range_task task,
               const void* argument) noexcept {
  if (work.begin >= work.end) return;
  if (work.tasks == 1) return task(argument, work.begin, work.end);
  struct bundle {
    const work_split& work;
    std::int64_t grain;
    range_task task;
    const void* argument;
  } b{work, grain, task, argument};
  how.threads.run(
      how.threads.context, work.tasks,
      [](void* pointer, std::int64_t index) {
        const bundle& job = *static_cast<const bundle*>(pointer);
        __extension__ using wide = __int128;
        const std::int64_t grains = (job.work.end - job.work.begin + job.grain - 1) / job.grain;
        const auto cut = [&](std::int64_t i) {
          return std::min(
              job.work.end,
              job.work.begin + static_cast<std::int64_t>(static_cast<wide>(grains) * i / job.work.tasks) * job.grain);
        };
        if (cut(index) < cut(index + 1)) job.task(job.argument, cut(index), cut(index + 1));
      },
      &b);
}

status activate(activation op, const const_view& x, const view& y, const options& how) noexcept {
  std::int64_t count = 0;
  if (const kernel_table* table = row_without_plan(how);
      table != nullptr && x.type == y.type && dense_and_apart(x, y, count) && count <= short_call) {
    parameters p;
    if (status s = resolve_parameters(op, how.parameters, p); !s) return s;
    table->forward[static_cast<std::size_t>(how.accuracy)][static_cast<std::size_t>(op)]
                  [static_cast<std::size_t>(x.type)](x.data, y.data, count, p, false);
    return {};
  }
  return activate_by_plan(op, x, y, how);
}

status activation_gradient(activation op, const const_view& dy, const const_view& x, const view& dx,
                           const options& how) noexcept {
  const const_view out = dx;
  return run_call(elementwise_form::gradient, op, {{"dy", &dy}, {"x", &x}, {"dx", &out}}, {dx.data}, how);
}

status activate_gated(gate op, const const_view& a, const const_view& b, const view& y, const options& how) noexcept {
  const const_view out = y;
  return run_call(elementwise_form::gated, op, {{"a", &a}, {"b", &b}, {"y", &out}}, {y.data}, how);
}

status gated_gradient(gate op, const const_view& dy, const const_view& a, const const_view& b, const view& da,
                      const view& db, const options& how) noexcept {
  const const_view to_a = da, to_b = db;
  return run_call(elementwise_form::gated_gradient, op,
                  {{"dy", &dy}, {"a", &a}, {"b", &b}, {"da", &to_a}, {"db", &to_b}}, {da.data, db.data}, how);
}

status softmax(const const_view& x, const view& y, int axis, const options& how) noexcept {
  return run_softmax_call(x, y, axis, how, false);
}

status log_softmax(const const_view& x, const view& y, int axis, const options& how) noexcept {
  return run_softmax_call(x, y, axis, how, true);
}

status softmax_fused(const const_view& x, const view& y, int axis, const softmax_form& form,
                     const options& how) noexcept {
  return run_softmax_form(softmax_pass::all, x, &y, axis, form, how);
}

status activate_quantised(activation op, const const_view& x, const view& y, int axis, const quantisation& codes,
                          const options& how) noexcept {
  return run_quantised_call(elementwise_form::forward, op, {{"x", &x}}, y, axis, codes, how);
}

status activate_gated_quantised(gate op, const const_view& a, const const_view& b, const view& y, int axis,
                                const quantisation& codes, const options& how) noexcept {
  return run_quantised_call(elementwise_form::gated, op, {{"a", &a}, {"b", &b}}, y, axis, codes, how);
}

status softmax_quantised(const const_view& x, const view& y, int axis, const softmax_form& form,
                         const quantisation& codes, const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = y;
  if (status s = validate_form(x, &out, axis, form, false, &codes); !s) return s;
  choice c;
  bool empty = false;
  if (status s = choose_for_codes(how, out, codes, c, empty); !s) return s;
  const bool of_rows = form.max.data != nullptr || form.sum.data != nullptr || form.lse.data != nullptr;
  if (empty && !of_rows) return {};
  run_softmax(plan_softmax(*c.table, softmax_pass::all, form.logarithm, &form, nullptr, x, out, axis, how, &codes),
              how);
  return {};
}

status softmax_partial(const const_view& x, int axis, const softmax_form& form, const options& how) noexcept {
  return run_softmax_form(softmax_pass::partial, x, nullptr, axis, form, how);
}

status softmax_finish(const const_view& x, const view& y, int axis, const softmax_form& form,
                      const options& how) noexcept {
  return run_softmax_form(softmax_pass::finish, x, &y, axis, form, how);
}

status softmax_gradient(const const_view& dy, const const_view& y, const view& dx, int axis, float scale,
                        const options& how) noexcept {
  return run_gradient(false, dy, y, dx, axis, scale, how);
}

status log_softmax_gradient(const const_view& dy, const const_view& y, const view& dx, int axis, float scale,
                            const options& how) noexcept {
  return run_gradient(true, dy, y, dx, axis, scale, how);
}

status cross_entropy(const const_view& x, const const_view& targets, const view& loss, int axis,
                     const cross_entropy_form& form, const options& how) noexcept {
  return run_cross_entropy(nullptr, x, targets, loss, axis, form, how);
}

status cross_entropy_gradient(const const_view& dloss, const const_view& x, const const_view& targets, const view& dx,
                              int axis, const cross_entropy_form& form, const options& how) noexcept {
  return run_cross_entropy(&dloss, x, targets, dx, axis, form, how);
}

status top_k_gating(const const_view& x, const view& weights, const view& experts, int axis, const gating_form& form,
                    const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view w = weights, e = experts;
  if (status s = validate_gating(x, w, e, axis, form); !s) return s;
  choice c;
  if (status s = choose(how, x.where, c); !s) return s;
  if (element_count(w) == 0) return {};
  if (c.where == backend::cuda) {
    gating_call call;
    describe_gating(call, x, w, e, axis, form, how);
    return cuda_run_gating(call, how);
  }
  run_gating(plan_gating(*c.table, x, w, e, axis, form, how), how);
  return {};
}

softmax_state merge(softmax_state a, softmax_state b) noexcept {
  if (b.max > a.max) std::swap(a, b);
  if (b.max == a.max) return {a.max, a.sum + b.sum};  // both may be -inf
  return {a.max, fma(b.sum, math::exp(b.max - a.max), a.sum)};
}

status explain(activation op, const const_view& x, const view& y, const options& how, explanation& out) noexcept {
  const const_view output = y;
  return explain_call(elementwise_form::forward, op, {{"x", &x}, {"y", &output}}, how, out);
}

status explain_gated(gate op, const const_view& a, const const_view& b, const view& y, const options& how,
                     explanation& out) noexcept {
  const const_view output = y;
  return explain_call(elementwise_form::gated, op, {{"a", &a}, {"b", &b}, {"y", &output}}, how, out);
}

status explain_softmax(const const_view& x, const view& y, int axis, const options& how, explanation& out) noexcept {
  extent_of_call extent;
  choice c;
  if (status s = prepare_softmax(x, y, axis, how, extent, c); !s) return s;
  out = {};
  tell(c, y.where, out);
  if (c.where == backend::cpu) out.accuracy = how.accuracy;  // CUDA has one form
  if (extent.count == 0) return {};
  if (c.where == backend::cuda) {
    softmax_call call;
    describe_softmax(call, softmax_pass::all, false, nullptr, nullptr, x, y, axis);
    out.tasks = 1;
    if (c.staged)
      if (status s = staged_rows(call); !s) return s;
    return cuda_softmax_kernel(call, out.kernel);
  }
  const auto plan = plan_softmax(*c.table, softmax_pass::all, false, nullptr, nullptr, x, y, axis, how);
  out.kernel = plan.x_stride != 1 && plan.columns > 1 ? "columns" : "rows";
  out.streaming = plan.streaming;
  out.tasks = std::max(plan.split.rows.tasks, plan.split.parts);
  return {};
}

status warm_up(const staging_memory& given) noexcept { return cuda_warm_up(given); }
status cool_down() noexcept { return cuda_cool_down(); }

status cuda_available() noexcept {
  if (const char* why = cuda_missing_because()) return failure(status_code::unavailable, "CUDA backend: %s", why);
  return {};
}

}  // namespace sigmax
