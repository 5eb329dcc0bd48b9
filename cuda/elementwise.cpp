// Elementwise calls on CUDA: contiguous memory of one dtype goes to the kernel for vectors, all else to the one that
// walks a loop nest.
#include "../kernels/dispatch.hpp"
#include "kernels.hpp"
#include "launch.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t grain = 64;  // elements: slices never share a cache line of the output

bool is_contiguous(const elementwise_call& call) noexcept {
  bool same = call.nest.contiguous();
  for (int v = 0; v < call.inputs; ++v) same = same && call.in_type[v] == call.out_type;
  return same;
}

template <class Arguments>
auto kernel_of(const cuda_kernels<Arguments>& table, const elementwise_call& call) noexcept {
  const auto op = static_cast<std::size_t>(call.op), tier = static_cast<std::size_t>(call.tier);
  return call.inputs == 1 ? table.forward[tier][op] : table.gradient[op];
}

const cuda_kernels<contiguous_arguments>& contiguous_table(dtype type) noexcept {
  if (type == dtype::f16) return cuda_kernels_f16;
  return type == dtype::bf16 ? cuda_kernels_bf16 : cuda_kernels_f32;
}

}  // namespace

const char* cuda_elementwise_kernel(const elementwise_call& call) noexcept {
  return is_contiguous(call) ? "contiguous" : "strided";
}

status cuda_run_elementwise(const elementwise_call& call, const options& how) noexcept {
  const work_split work = split_work(call.nest.count(), grain, grain, how);
  if (work.begin >= work.end) return {};
  int multiprocessors = 0;
  if (status s = count_multiprocessors(multiprocessors); !s) return s;
  if (is_contiguous(call)) {
    const std::int64_t size = size_of(call.out_type);
    for (std::int64_t begin = work.begin; begin < work.end; begin += most_elements) {
      const auto address = [&](const void* base) {
        return reinterpret_cast<std::uintptr_t>(base) + static_cast<std::uintptr_t>(begin * size);
      };
      std::uintptr_t in[2] = {};
      for (int v = 0; v < call.inputs; ++v) in[v] = address(call.in[v]);
      const std::int64_t n = work.end - begin < most_elements ? work.end - begin : most_elements;
      auto arguments = cut_into_vectors(in, call.inputs, address(call.out), size, n);
      const launch_shape shape = shape_of(arguments.vectors, most_vectors / call.inputs, multiprocessors);
      cut_into_tiles(arguments, shape);
      if (status s = launch(kernel_of(contiguous_table(call.out_type), call), shape, how, arguments, call.p); !s)
        return s;
    }
    return {};
  }
  std::int64_t element_bytes[3] = {};
  for (int v = 0; v < call.inputs; ++v) element_bytes[v] = size_of(call.in_type[v]);
  element_bytes[call.inputs] = size_of(call.out_type);
  auto arguments = walk(call.nest, element_bytes, work.begin, work.end);
  for (int v = 0; v < call.inputs; ++v) {
    arguments.in[v] = static_cast<const std::byte*>(call.in[v]);
    arguments.in_type[v] = call.in_type[v];
  }
  arguments.out[0] = static_cast<std::byte*>(call.out);
  arguments.out_type[0] = call.out_type;
  const launch_shape shape = shape_of(work.end - work.begin, strided_elements, multiprocessors);
  arguments.per_thread = shape.per_thread;
  arguments.tiles = shape.tiles;
  return launch(kernel_of(cuda_kernels_strided, call), shape, how, arguments, call.p);
}

}  // namespace sigmax
