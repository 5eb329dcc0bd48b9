// Elementwise calls on the CPU: contiguous views go to the kernel as they are, everything else passes through a block
// on the stack that stays in the L1 cache. The same kernel runs either way, so layout never changes a bit.
#include <algorithm>

#include "../kernels/dispatch.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t block = 1024;           // 4 KiB a buffer: three of them leave most of a 32 KiB L1 free
constexpr std::int64_t shortest_direct = 64;   // shorter rows are cheaper gathered into a block than called one by one
constexpr std::int64_t grain = 64;             // elements: cuts never share a cache line of the output
constexpr std::int64_t smallest_task = 16384;  // about 5 us of work, several times the cost of waking a thread

const std::byte* at(const void* base, dtype t, std::int64_t element) noexcept {
  return static_cast<const std::byte*>(base) + element * size_of(t);
}
std::byte* at(void* base, dtype t, std::int64_t element) noexcept {
  return static_cast<std::byte*>(base) + element * size_of(t);
}

void call(const elementwise_plan& plan, const void* const* in, void* out, std::int64_t n, dtype t) noexcept {
  const auto op = static_cast<std::size_t>(plan.op), tier = static_cast<std::size_t>(plan.tier);
  if (plan.inputs == 1)
    plan.table->forward[tier][op][static_cast<std::size_t>(t)](in[0], out, n, plan.p, plan.streaming);
  else
    plan.table->gradient[op](static_cast<const float*>(in[0]), static_cast<const float*>(in[1]),
                             static_cast<float*>(out), n, plan.p, plan.streaming);
}

/// One block: the next n <= block elements from each cursor, converted, computed and written back.
void run_block(const elementwise_plan& plan, nest_cursor& source, nest_cursor& target, std::int64_t n) noexcept {
  alignas(64) float buffer[2][block];
  for (std::int64_t filled = 0; filled < n;) {
    const std::int64_t run = std::min(source.run(), n - filled);
    for (int v = 0; v < plan.inputs; ++v)
      plan.table->gather[static_cast<std::size_t>(plan.in_type[v])](at(plan.in[v], plan.in_type[v], source.offset(v)),
                                                                    plan.nest.stride[v][plan.nest.rank - 1], run,
                                                                    buffer[v] + filled);
    source.advance(run);
    filled += run;
  }
  const auto op = static_cast<std::size_t>(plan.op), tier = static_cast<std::size_t>(plan.tier);
  const std::size_t form = plan.out_type == dtype::f32 ? static_cast<std::size_t>(dtype::f32) : dtype_count;
  if (plan.inputs == 1)
    plan.table->forward[tier][op][form](buffer[0], buffer[0], n, plan.p, false);
  else
    plan.table->gradient[op](buffer[0], buffer[1], buffer[0], n, plan.p, false);
  for (std::int64_t written = 0; written < n;) {
    const std::int64_t run = std::min(target.run(), n - written);
    plan.table->scatter[static_cast<std::size_t>(plan.out_type)](
        buffer[0] + written, at(plan.out, plan.out_type, target.offset(plan.inputs)),
        plan.nest.stride[plan.inputs][plan.nest.rank - 1], run);
    target.advance(run);
    written += run;
  }
}

void run_range(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const elementwise_plan*>(argument);
  if (plan.direct && plan.nest.contiguous()) {
    const void* in[2] = {};
    for (int v = 0; v < plan.inputs; ++v) in[v] = at(plan.in[v], plan.in_type[v], begin);
    return call(plan, in, at(plan.out, plan.out_type, begin), end - begin, plan.out_type);
  }
  nest_cursor source(plan.nest, begin);
  if (plan.direct && plan.nest.extent[plan.nest.rank - 1] >= shortest_direct) {
    while (begin < end) {
      const std::int64_t run = std::min(source.run(), end - begin);
      const void* in[2] = {};
      for (int v = 0; v < plan.inputs; ++v) in[v] = at(plan.in[v], plan.in_type[v], source.offset(v));
      call(plan, in, at(plan.out, plan.out_type, source.offset(plan.inputs)), run, plan.out_type);
      source.advance(run);
      begin += run;
    }
    return;
  }
  nest_cursor target = source;
  for (; begin < end; begin += block) run_block(plan, source, target, std::min(block, end - begin));
}

}  // namespace

elementwise_plan plan_elementwise(const kernel_table& table, activation op, const parameters& p,
                                  const const_view* const* views, int inputs, extent_of_call extent,
                                  const options& how) noexcept {
  elementwise_plan plan;  // filled below: clearing its loop nest would take longer than a short call
  describe_call(plan, op, p, views, inputs, extent, how);
  const const_view& output = *views[inputs];
  plan.table = &table;
  plan.direct = inputs == 1 || output.type == dtype::f32;  // gradients are compiled for f32 alone
  // Past the caches when the output cannot stay in them anyway. Not in place: there the line is in the cache already,
  // and a store past it would first have to throw it out.
  plan.streaming = extent.count > last_level_cache_bytes() / size_of(output.type);
  for (int v = 0; v < inputs; ++v) {
    plan.streaming = plan.streaming && views[v]->data != output.data;
    plan.direct = plan.direct && views[v]->type == output.type;
  }
  const int last = plan.nest.rank - 1;
  for (int v = 0; v <= inputs; ++v)
    plan.direct = plan.direct && (plan.nest.stride[v][last] == 1 || plan.nest.extent[last] == 1);
  plan.streaming = plan.streaming && plan.direct;
  plan.work = split_work(extent.count, grain, smallest_task, how);
  return plan;
}

void run_elementwise(const elementwise_plan& plan, const options& how) noexcept {
  run_split(plan.work, grain, how, run_range, &plan);
}

}  // namespace sigmax
