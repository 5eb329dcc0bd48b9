// Elementwise calls on the CPU: contiguous views go to the kernel as they are, everything else passes through a block
// on the stack that stays in the L1 cache. The same kernel runs either way, so layout never changes a bit.
#include <algorithm>

#include "../kernels/dispatch.hpp"
#include "elementwise_blocks.hpp"
#include "order_stores.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t shortest_direct = 64;  // shorter rows are cheaper gathered into a block than called one by one

const std::byte* at(const void* base, dtype t, std::int64_t element) noexcept {
  return static_cast<const std::byte*>(base) + element * size_of(t);
}
std::byte* at(void* base, dtype t, std::int64_t element) noexcept {
  return static_cast<std::byte*>(base) + element * size_of(t);
}

/// The kernel over contiguous memory, `type` an index into its table; the last two inputs may alternate.
void call(const elementwise_plan& plan, const void* const* in, void* const* out, std::int64_t n, std::size_t type,
          bool alternate, bool from_memory) noexcept {
  const std::size_t op = plan.f.index, tier = static_cast<std::size_t>(plan.tier);
  const parameters& p = plan.f.p;
  const auto f32 = [&](int v) { return static_cast<const float*>(in[v]); };
  const auto to = [&](int v) { return static_cast<float*>(out[v]); };
  switch (plan.f.form) {
    case elementwise_form::forward: return plan.table->forward[tier][op][type](in[0], out[0], n, p, from_memory);
    case elementwise_form::gradient: return plan.table->gradient[op](f32(0), f32(1), to(0), n, p, from_memory);
    case elementwise_form::gated:
      return plan.table->gates->forward[tier][op][type](in[0], in[1], alternate, out[0], n, p, from_memory);
    case elementwise_form::gated_gradient:
      return plan.table->gates->gradient[op](f32(0), f32(1), f32(2), to(0), to(1), n, p, from_memory);
  }
}

void call_at(const elementwise_plan& plan, const nest_cursor& place, std::int64_t n) noexcept {
  const void* in[3] = {};
  void* out[2] = {};
  for (int v = 0; v < plan.inputs; ++v) in[v] = at(plan.in[v], plan.in_type[v], place.offset(v));
  for (int v = 0; v < plan.outputs; ++v) out[v] = at(plan.out[v], plan.out_type[v], place.offset(plan.inputs + v));
  call(plan, in, out, n, static_cast<std::size_t>(plan.out_type[0]), plan.alternating_inputs, plan.from_memory);
}

void gather(const elementwise_plan& plan, const nest_cursor& source, std::int64_t n, float (*to)[block],
            std::int64_t begin) noexcept {
  const int last = plan.nest.rank - 1;
  int v = 0;
  for (; v < plan.inputs - (plan.alternating_inputs ? 2 : 0); ++v)
    plan.table->gather[static_cast<std::size_t>(plan.in_type[v])](at(plan.in[v], plan.in_type[v], source.offset(v)),
                                                                  plan.nest.stride[v][last], n, to[v] + begin);
  if (plan.alternating_inputs)
    plan.table->gates->separate[static_cast<std::size_t>(plan.in_type[v])](
        at(plan.in[v], plan.in_type[v], source.offset(v)), n, to[v] + begin, to[v + 1] + begin);
}

void scatter(const elementwise_plan& plan, const nest_cursor& target, std::int64_t n, float* const* from,
             std::int64_t begin) noexcept {
  const auto place = [&](int v) { return at(plan.out[v], plan.out_type[v], target.offset(plan.inputs + v)); };
  if (plan.alternating_outputs)
    return plan.table->gates->alternate[static_cast<std::size_t>(plan.out_type[0])](from[0] + begin, from[1] + begin, n,
                                                                                    place(0));
  for (int v = 0; v < plan.outputs; ++v) {
    const auto type = static_cast<std::size_t>(plan.out_type[v]);
    const std::int64_t stride = plan.nest.stride[plan.inputs + v][plan.nest.rank - 1];
    if (stride == 1 && n >= shortest_direct)
      plan.table->scatter_row[type](from[v] + begin, place(v), n, plan.streaming);
    else
      plan.table->scatter[type](from[v] + begin, place(v), stride, n);
  }
}

/// One block: the next n <= block elements from each cursor, converted, computed and written back.
void run_block(const elementwise_plan& plan, nest_cursor& source, nest_cursor& target, std::int64_t n) noexcept {
  alignas(64) float buffer[3][block];
  for (std::int64_t filled = 0; filled < n;) {
    const std::int64_t run = std::min(source.run(), n - filled);
    gather(plan, source, run, buffer, filled);
    source.advance(run);
    filled += run;
  }
  // In place of the last inputs. An activation's result for 16 bits has a form of its own, the last one.
  float* const out[] = {buffer[plan.inputs - plan.outputs], buffer[plan.inputs - 1]};
  const void* const in[] = {buffer[0], buffer[1], buffer[2]};
  void* const results[] = {out[0], out[1]};
  const bool narrow = plan.f.form == elementwise_form::forward && plan.out_type[0] != dtype::f32;
  call(plan, in, results, n, narrow ? std::size_t{dtype_count} : static_cast<std::size_t>(dtype::f32), false, false);
  for (std::int64_t written = 0; written < n;) {
    const std::int64_t run = std::min(target.run(), n - written);
    scatter(plan, target, run, out, written);
    target.advance(run);
    written += run;
  }
}

void run_range(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const elementwise_plan*>(argument);
  nest_cursor source(plan.nest, begin);
  if (plan.direct) {
    while (begin < end) {
      const std::int64_t run = std::min(source.run(), end - begin);
      call_at(plan, source, run);
      source.advance(run);
      begin += run;
    }
    if (plan.streaming && plan.f.of_gate()) order_streamed_stores();  // activations' kernels do it themselves
    return;
  }
  nest_cursor target = source;
  for (; begin < end; begin += block) run_block(plan, source, target, std::min(block, end - begin));
  if (plan.streaming) order_streamed_stores();
}

/// Whether views v and v + 1 are one tensor of which they take every other element.
bool alternate(const const_view* const* views, const loop_nest& nest, int v) noexcept {
  const const_view &a = *views[v], &b = *views[v + 1];
  const int last = nest.rank - 1;
  bool yes = a.type == b.type && nest.stride[v][last] == 2 &&
             static_cast<const std::byte*>(a.data) + size_of(a.type) == static_cast<const std::byte*>(b.data);
  for (int i = 0; i <= last; ++i) yes = yes && nest.stride[v][i] == nest.stride[v + 1][i];
  return yes;
}

/// Whether no two rows of view v share a cache line: half of it past the caches and half through them costs more than
/// either. Packed halves are read, and so written, row by row.
bool rows_aligned(const const_view* const* views, const loop_nest& nest, int v) noexcept {
  if (nest.rank == 1) return true;
  bool yes = reinterpret_cast<std::uintptr_t>(views[v]->data) % 64 == 0;
  for (int i = 0; i < nest.rank - 1; ++i) yes = yes && nest.stride[v][i] * size_of(views[v]->type) % 64 == 0;
  return yes;
}

}  // namespace

elementwise_plan plan_elementwise(const kernel_table& table, const elementwise_function& f,
                                  const const_view* const* views, extent_of_call extent, const options& how) noexcept {
  elementwise_plan plan;  // filled below: clearing its loop nest would take longer than a short call
  const int inputs = f.inputs(), outputs = f.outputs(), all = inputs + outputs;
  const const_view& output = *views[inputs];
  plan.table = &table;
  plan.f = f;
  plan.tier = how.accuracy;
  plan.inputs = inputs;
  plan.outputs = outputs;
  if (extent.dense)
    plan.nest.make_dense(extent.count, all);
  else
    make_nest(plan.nest, views, all, inputs, -1);
  plan.alternating_inputs = f.of_gate() && alternate(views, plan.nest, inputs - 2);
  plan.alternating_outputs = outputs == 2 && alternate(views, plan.nest, inputs);
  plan.direct = !f.backward() || output.type == dtype::f32;  // gradients are compiled for f32 alone
  plan.from_memory = extent.count > cache_share_bytes() / size_of(output.type);
  bool in_place = false;
  for (int v = 0; v < inputs; ++v) {
    plan.in[v] = views[v]->data;
    plan.in_type[v] = views[v]->type;
    for (int o = inputs; o < all; ++o) in_place = in_place || views[v]->data == views[o]->data;
  }
  for (int o = 0; o < outputs; ++o) plan.out_type[o] = views[inputs + o]->type;
  const int last = plan.nest.rank - 1;
  for (int v = 0; v < all; ++v) {
    const bool read_as_pair = plan.alternating_inputs && f.form == elementwise_form::gated && v < inputs;
    plan.direct = plan.direct && views[v]->type == output.type &&
                  (plan.nest.stride[v][last] == 1 || plan.nest.extent[last] == 1 || read_as_pair);
  }
  plan.direct = plan.direct && (last == 0 || plan.nest.extent[last] >= shortest_direct);
  plan.from_memory = plan.from_memory && (plan.direct || !plan.alternating_outputs);
  for (int o = inputs; o < all; ++o) {
    const bool contiguous = plan.nest.stride[o][last] == 1 || plan.nest.extent[last] == 1;
    plan.from_memory = plan.from_memory && (plan.direct || contiguous);
    if (f.of_gate() || !plan.direct) plan.from_memory = plan.from_memory && rows_aligned(views, plan.nest, o);
  }
  // Past the caches when the output cannot stay in them anyway. Not in place: there the line is in the cache already,
  // and a store past it would first have to throw it out.
  plan.streaming = plan.from_memory && !in_place;
  plan.work = split_work(extent.count, grain, smallest_task, how);
  return plan;
}

void run_elementwise(const elementwise_plan& plan, const options& how) noexcept {
  run_split(plan.work, grain, how, run_range, &plan);
}

}  // namespace sigmax
