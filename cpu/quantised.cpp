// Activations and gates with 8-bit results on the CPU. f32 results, by the same kernels as those of any other call,
// wait on the stack: a block of them for a given scale, a row for its own. A row that does not fit is computed twice,
// to the same bits.
#include <algorithm>

#include "../kernels/dispatch.hpp"
#include "../kernels/quantise.hpp"
#include "elementwise_blocks.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t row_floats = 16384;  // 64 KiB: the width of most feed-forward layers

struct quantised_job {
  const kernel_table& table;
  const elementwise_function& f;
  const const_view* const* views;
  const quantisation& codes;
  std::size_t tier;
  int inputs;
  std::int64_t columns;  ///< by rows
  loop_nest nest;        ///< inputs, y, row_scales, amax; by rows the innermost loop is the row

  const const_view& y() const noexcept { return *views[inputs]; }
  std::int64_t stride(int v) const noexcept { return nest.stride[v][nest.rank - 1]; }
  /// Calls work(offset of view v, i, n) for the runs of n elements that make up `count` from number `first` on.
  template <class F>
  void runs(int v, std::int64_t first, std::int64_t count, F work) const noexcept {
    nest_cursor cursor(nest, first);
    for (std::int64_t i = 0, n; i < count; i += n) {
      n = std::min(cursor.run(), count - i);
      work(cursor.offset(v), i, n);
      cursor.advance(n);
    }
  }

  /// n <= block elements of input v as f32, where they lie if they can.
  const float* fetch(int v, std::int64_t first, std::int64_t n, float* buffer) const noexcept {
    const const_view& x = *views[v];
    const auto* data = static_cast<const std::byte*>(x.data);
    const float* found = buffer;
    runs(v, first, n, [&](std::int64_t offset, std::int64_t i, std::int64_t run) {
      const std::byte* from = data + offset * size_of(x.type);
      if (run == n && x.type == dtype::f32 && stride(v) == 1)
        found = reinterpret_cast<const float*>(from);
      else
        table.gather[static_cast<std::size_t>(x.type)](from, stride(v), run, buffer + i);
    });
    return found;
  }

  void compute(std::int64_t first, std::int64_t n, float* results) const noexcept {
    alignas(64) float buffer[2][block];
    constexpr auto f32 = static_cast<std::size_t>(dtype::f32);
    const float* const x = fetch(0, first, n, buffer[0]);
    if (!f.of_gate()) return table.forward[tier][f.index][f32](x, results, n, f.p, false);
    const float* const z = fetch(1, first, n, buffer[1]);
    table.gates->forward[tier][f.index][f32](x, z, false, results, n, f.p, false);
  }

  void write(const float* results, std::int64_t first, std::int64_t n, float scale) const noexcept {
    auto* data = static_cast<std::byte*>(const_cast<void*>(y().data));
    runs(inputs, first, n, [&](std::int64_t offset, std::int64_t i, std::int64_t run) {
      table.quantise_to(y().type)(results + i, data + offset, stride(inputs), run, scale);
    });
  }

  void set_row(const view& of_rows, int v, std::int64_t first, float value) const noexcept {
    if (of_rows.data != nullptr) static_cast<float*>(of_rows.data)[nest_cursor(nest, first).offset(v)] = value;
  }
};

void run_elements(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& job = *static_cast<const quantised_job*>(argument);
  alignas(64) float results[block];
  for (std::int64_t n; begin < end; begin += n) {
    n = std::min(block, end - begin);
    job.compute(begin, n, results);
    job.write(results, begin, n, job.codes.scale);
  }
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& job = *static_cast<const quantised_job*>(argument);
  const bool given = job.codes.row_scales.data == nullptr, fits = job.columns <= row_floats;
  alignas(64) float results[row_floats];
  for (; begin < end; ++begin) {
    const std::int64_t first = begin * std::max<std::int64_t>(1, job.columns);
    float amax = 0, scale = job.codes.scale;
    for (std::int64_t i = 0, n; i < job.columns; i += n) {
      n = std::min(block, job.columns - i);
      float* const piece = results + (fits ? i : 0);
      job.compute(first + i, n, piece);
      amax = job.table.row_amax(piece, n, amax);
      if (given) job.write(piece, first + i, n, scale);
    }
    if (!given) scale = scale_of_row(amax, job.y().type);
    for (std::int64_t i = 0, n; i < job.columns && !given; i += n) {
      n = std::min(block, job.columns - i);
      if (!fits) job.compute(first + i, n, results);
      job.write(results + (fits ? i : 0), first + i, n, scale);
    }
    job.set_row(job.codes.row_scales, job.inputs + 1, first, scale);
    job.set_row(job.codes.amax, job.inputs + 2, first, amax);
  }
}

}  // namespace

void run_quantised(const kernel_table& table, const elementwise_function& f, const const_view* const* views, int axis,
                   const quantisation& codes, const options& how) noexcept {
  const int inputs = f.inputs();
  const const_view& y = *views[inputs];
  quantised_job job{table, f, views, codes, static_cast<std::size_t>(how.accuracy), inputs, y.shape[axis], {}};
  if (codes.row_scales.data == nullptr && codes.amax.data == nullptr) {
    make_nest(job.nest, views, inputs + 1, inputs, -1);
    run_split(split_work(element_count(y), grain, smallest_task, how), grain, how, run_elements, &job);
    return;
  }
  const const_view row_scales = codes.row_scales, amax = codes.amax;
  const const_view* all[] = {views[0], views[1], nullptr, nullptr, nullptr};
  all[inputs] = &y;
  all[inputs + 1] = row_scales.data != nullptr ? &row_scales : &amax;
  all[inputs + 2] = amax.data != nullptr ? &amax : &row_scales;
  make_nest(job.nest, all, inputs + 3, inputs, axis);
  const std::int64_t rows = [&] {
    std::int64_t n = 1;
    for (int i = 0; i < y.rank; ++i) n *= i == axis ? 1 : y.shape[i];
    return n;
  }();
  const int last = job.nest.rank++;
  job.nest.extent[last] = std::max<std::int64_t>(1, job.columns);  // an empty row has a scale, too
  for (int v = 0; v < job.nest.views; ++v) job.nest.stride[v][last] = v <= inputs ? all[v]->strides[axis] : 0;
  const std::int64_t least = std::max<std::int64_t>(1, smallest_task / std::max<std::int64_t>(1, job.columns));
  run_split(split_work(rows, 1, least, how), 1, how, run_rows, &job);
}

}  // namespace sigmax
