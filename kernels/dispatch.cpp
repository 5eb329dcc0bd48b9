#include "dispatch.hpp"

#include <algorithm>

#include "cuda_backend.hpp"

namespace sigmax {

elementwise_call describe_call(const elementwise_function& f, const const_view* const* views, extent_of_call extent,
                               const options& how) noexcept {
  elementwise_call call;  // filled below, as the CPU's plan
  const int inputs = f.inputs();
  call.op = static_cast<activation>(f.index);
  call.tier = tier_on_cuda(how.accuracy, views[inputs]->type);
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
    make_nest(call.nest, views, inputs + 1, inputs, -1);
  return call;
}

void describe_gated(gated_call& call, const elementwise_function& f, const const_view* const* views,
                    extent_of_call extent, const options& how) noexcept {
  const int count = f.inputs() + f.outputs();
  call.f = f;
  call.tier = tier_on_cuda(how.accuracy, views[f.inputs()]->type);
  for (int v = 0; v < count; ++v) {
    call.data[v] = static_cast<std::byte*>(const_cast<void*>(views[v]->data));
    call.type[v] = views[v]->type;
  }
  if (extent.dense)
    call.nest.make_dense(extent.count, count);
  else
    make_nest(call.nest, views, count, f.inputs(), -1);
}

bool cut_host_gate(const gated_call& call, host_gate& cut) noexcept {
  const loop_nest& nest = call.nest;
  cut = {false, 1};
  if (nest.contiguous()) return true;
  if (nest.rank > 2 || call.type[0] != call.type[1]) return false;
  cut = {true, nest.rank == 2 ? nest.extent[1] : 1};
  bool yes = nest.stride[2][0] == cut.columns;
  for (int v = 0; v < 2; ++v) yes = yes && nest.stride[v][0] == 2 * cut.columns;
  for (int v = 0; v < 3 && nest.rank == 2; ++v) yes = yes && nest.stride[v][1] == 1;
  const auto a = reinterpret_cast<std::uintptr_t>(call.data[0]), b = reinterpret_cast<std::uintptr_t>(call.data[1]);
  return yes && (a < b ? b - a : a - b) == static_cast<std::uintptr_t>(cut.columns * size_of(call.type[0]));
}

namespace {

void set_operands(softmax_call& call, const const_view* const* views, int count, int axis) noexcept {
  make_nest(call.rows, views, count, operand_y, axis);
  for (int v = 0; v < softmax_operands; ++v) {
    call.data[v] = v < count ? static_cast<std::byte*>(const_cast<void*>(views[v]->data)) : nullptr;
    call.type[v] = v < count ? views[v]->type : dtype::f32;
  }
}

}  // namespace

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
  if (form == nullptr) return set_operands(call, views, count, axis);
  const_view absent = x;  // of x only the rank and the extents matter
  absent.data = nullptr;
  std::fill_n(absent.strides, max_rank, 0);
  const_view query = absent;
  if (axis > 0) query.strides[axis - 1] = 1;
  const const_view max = form->max, sum = form->sum, lse = form->lse;
  const auto add = [&](const const_view& v) { views[count++] = v.data != nullptr ? &v : &absent; };
  for (const const_view* v : {&form->mask, &form->row_scale, &form->slopes, &form->sinks, &max, &sum, &lse}) add(*v);
  views[count++] = &query;
  call.mask_stride = form->mask.strides[axis];
  call.scored = form->scale != 1 || form->softcap != 0 || form->mask.data != nullptr ||
                form->row_scale.data != nullptr || form->slopes.data != nullptr;
  if (loss != nullptr) add(loss->targets), add(loss->loss), add(loss->dloss);
  if (codes == nullptr) return set_operands(call, views, count, axis);
  const const_view row_scales = codes->row_scales, amax = codes->amax;
  add(row_scales), add(absent), add(amax);
  set_operands(call, views, count, axis);
}

void describe_gradient(softmax_gradient_call& call, bool logarithm, const const_view& dy, const const_view& y,
                       const const_view& dx, int axis, float scale) noexcept {
  call.logarithm = logarithm;
  call.scale = scale;
  call.columns = dx.shape[axis];
  const const_view* const views[] = {&dy, &y, &dx};
  make_nest(call.rows, views, gradient_operands, gradient_dx, axis);
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
  make_nest(call.rows, views, gating_operands, gating_weights, axis);
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

}  // namespace sigmax
