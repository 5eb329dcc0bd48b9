// Gates on CUDA: rows of contiguous memory of one dtype go to the kernel for vectors, all else to the one that walks a
// loop nest.
#include "../kernels/dispatch.hpp"
#include "gate_kernels.hpp"
#include "launch.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t gate_grain = 64;  // elements: slices never share a cache line of the output

bool is_rows(const gated_call& call) noexcept {
  const int inputs = call.f.inputs();
  std::uintptr_t data[5] = {};
  for (int v = 0; v < call.nest.views; ++v) {
    if (call.type[v] != call.type[inputs]) return false;
    data[v] = reinterpret_cast<std::uintptr_t>(call.data[v]);
  }
  return is_rows(call.nest, data, inputs, size_of(call.type[inputs]));
}

template <int inputs, int outputs, class Kernel>
status run_rows(const gated_call& call, const options& how, Kernel kernel) noexcept {
  const bool by_rows = call.nest.rank == 2;
  const std::int64_t length = call.nest.extent[call.nest.rank - 1], size = size_of(call.type[inputs]);
  const work_split work =
      by_rows ? split_work(call.nest.extent[0], 1, 1, how) : split_work(length, gate_grain, gate_grain, how);
  const std::int64_t taken = work.end - work.begin;
  if (taken <= 0) return {};
  std::uintptr_t data[inputs + outputs];
  std::int64_t pitch[inputs + outputs];
  for (int v = 0; v < inputs + outputs; ++v) {
    pitch[v] = by_rows ? call.nest.stride[v][0] : 0;
    const std::int64_t step = by_rows ? pitch[v] : 1;
    data[v] = reinterpret_cast<std::uintptr_t>(call.data[v]) + static_cast<std::uintptr_t>(work.begin * step * size);
  }
  auto arguments =
      cut_rows<inputs, outputs>(data, pitch, by_rows ? taken : 1, by_rows ? length : taken, call.type[inputs]);
  int multiprocessors = 0;
  if (status s = count_multiprocessors(multiprocessors); !s) return s;
  const launch_shape shape = shape_of(arguments.vectors, 1, multiprocessors);
  arguments.tiles = shape.tiles;
  return launch(kernel, shape, how, arguments, call.f.p);
}

template <int inputs, int outputs, class Kernel>
status run_strided(const gated_call& call, const options& how, Kernel kernel) noexcept {
  const work_split work = split_work(call.nest.count(), gate_grain, gate_grain, how);
  if (work.begin >= work.end) return {};
  std::int64_t element_bytes[inputs + outputs];
  for (int v = 0; v < inputs + outputs; ++v) element_bytes[v] = size_of(call.type[v]);
  auto arguments = walk<inputs, outputs>(call.nest, element_bytes, work.begin, work.end);
  for (int v = 0; v < inputs; ++v) {
    arguments.in[v] = call.data[v];
    arguments.in_type[v] = call.type[v];
  }
  for (int o = 0; o < outputs; ++o) {
    arguments.out[o] = call.data[inputs + o];
    arguments.out_type[o] = call.type[inputs + o];
  }
  int multiprocessors = 0;
  if (status s = count_multiprocessors(multiprocessors); !s) return s;
  const launch_shape shape = shape_of(work.end - work.begin, strided_elements, multiprocessors);
  arguments.per_thread = shape.per_thread;
  arguments.tiles = shape.tiles;
  return launch(kernel, shape, how, arguments, call.f.p);
}

}  // namespace

const char* cuda_gated_kernel(const gated_call& call) noexcept { return is_rows(call) ? "contiguous" : "strided"; }

status cuda_run_gated(const gated_call& call, const options& how) noexcept {
  const std::size_t gate = call.f.index, tier = static_cast<std::size_t>(call.tier);
  if (!is_rows(call))
    return call.f.backward() ? run_strided<3, 2>(call, how, cuda_gates_strided.gradient[gate])
                             : run_strided<2, 1>(call, how, cuda_gates_strided.forward[tier][gate]);
  const cuda_gate_rows& table = call.type[0] == dtype::f32 ? cuda_gates_f32 : cuda_gates_16_bits;
  return call.f.backward() ? run_rows<3, 2>(call, how, table.gradient[gate])
                           : run_rows<2, 1>(call, how, table.forward[tier][gate]);
}

}  // namespace sigmax
