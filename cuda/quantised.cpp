// Activations and gates with 8-bit results on CUDA, from views to a launch.
#include "../kernels/dispatch.hpp"
#include "launch.hpp"
#include "quantised_kernels.hpp"

namespace sigmax {
namespace {

/// Of the shared memory of a block, for the kernel's own.
constexpr std::int64_t static_shared = 1024;

/// Takes the innermost loop of a nest as its rows.
std::int64_t take_columns(loop_nest& nest, std::int64_t* along) noexcept {
  const int last = --nest.rank;
  for (int v = 0; v < nest.views; ++v) along[v] = nest.stride[v][last];
  return nest.extent[last];
}

}  // namespace

status cuda_run_quantised(const elementwise_function& f, const const_view* const* views, int axis,
                          const quantisation& codes, const options& how) noexcept {
  const int inputs = f.inputs();
  const const_view& y = *views[inputs];
  const const_view scales = codes.row_scales, amax = codes.amax;
  const bool by_rows = scales.data != nullptr || amax.data != nullptr;
  const const_view* all[5] = {};
  for (int v = 0; v <= inputs; ++v) all[v] = views[v];
  all[inputs + 1] = scales.data != nullptr ? &scales : amax.data != nullptr ? &amax : &y;
  all[inputs + 2] = amax.data != nullptr ? &amax : all[inputs + 1];

  loop_nest nest;
  make_nest(nest, all, inputs + 3, inputs, by_rows ? axis : -1);
  std::int64_t steps[5] = {}, bytes[5], columns = y.shape[axis];
  for (int v = 0; v <= inputs; ++v) steps[v] = views[v]->strides[axis];
  if (!by_rows) columns = take_columns(nest, steps);
  for (int v = 0; v < inputs + 3; ++v) bytes[v] = size_of(all[v]->type);
  const std::int64_t span = by_rows ? columns : piece_elements;
  const std::int64_t pieces = by_rows ? 1 : divide_up(columns, span);
  const work_split work = split_work(nest.count() * pieces, 1, 1, how);
  if (work.begin >= work.end) return {};

  quantised_arguments a{};
  a.rows = walk<2, 3>(nest, bytes, work.begin, work.end);
  a.columns = columns, a.span = span, a.pieces = pieces;
  a.scale = codes.scale;
  a.wide = true;
  for (int v = 0; v <= inputs; ++v) {
    const int at = v < inputs ? v : 2;
    a.along[at] = steps[v] * bytes[v];
    const auto data = reinterpret_cast<std::uintptr_t>(views[v]->data);
    a.wide = a.wide && is_wide(a, at, data, bytes[v], v < inputs ? vector_bytes : unit);
  }
  for (int v = 0; v < inputs; ++v) {
    a.rows.in[v] = static_cast<const std::byte*>(views[v]->data);
    a.rows.in_type[v] = views[v]->type;
  }
  const void* const outputs[] = {y.data, scales.data, amax.data};
  for (int o = 0; o < 3; ++o) a.rows.out[o] = static_cast<std::byte*>(const_cast<void*>(outputs[o]));
  a.rows.out_type[0] = y.type;

  device_limits device{};
  if (status s = query_device(device); !s) return s;
  launch_shape shape{};
  const std::int64_t tile = span < columns ? span : columns;
  shape.threads = quantised_threads(tile);
  shape.tiles = work.end - work.begin;
  shape.blocks = static_cast<unsigned>(shape.tiles < most_blocks ? shape.tiles : most_blocks);
  a.kept = scales.data != nullptr && kept_bytes(tile, shape.threads) <= device.shared_bytes - static_shared &&
           tile <= most_kept;
  if (a.kept) shape.shared_bytes = kept_bytes(tile, shape.threads);
  const auto tier = static_cast<std::size_t>(how.accuracy);
  return launch(f.of_gate() ? cuda_quantised.gates[tier][f.index] : cuda_quantised.activations[tier][f.index], shape,
                how, a, f.p);
}

}  // namespace sigmax
