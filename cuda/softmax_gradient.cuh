// dx = scale y (dy - sum(dy y)) and dx = scale (dy - e^y sum(dy)): the backward passes of softmax and log_softmax. The
// sum's terms are measured by the largest of them, so that their integers (exact_sum.hpp) do not overflow; what the
// products round off is added, too. With registers for it a row is read once, else three times.
#pragma once

#include "../kernels/math.hpp"
#include "block_reduce.cuh"
#include "row_tile.cuh"
#include "softmax_math.hpp"

namespace sigmax {
namespace {

/// Terms of a sum are multiplied by `factor`, a power of two for which the largest becomes less than 1.
struct term_scale {
  float factor;
  double unit;  ///< 1 / factor
};
SIGMAX_DEVICE term_scale scale_of_terms(float largest) {
  std::uint32_t exponent = bits_of(largest) >> 23;
  exponent = exponent < 1u ? 1u : exponent > 254u ? 254u : exponent;
  const std::uint32_t factor = exponent <= 252u   ? (253u - exponent) << 23
                               : exponent == 253u ? 0x00400000u
                                                  : 0x00200000u;
  return {from_bits(factor), static_cast<double>(from_bits(exponent << 23)) * 2};
}

using term_sum = exact_sum<0>;

/// n terms: dy y, or dy alone if it is the logarithm's.
template <int n>
SIGMAX_DEVICE float largest_term(const gradient_arguments& a, const float (&dy)[n], const float (&y)[n], float largest,
                                 bool& nan) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const float term = a.logarithm ? dy[i] : dy[i] * y[i];
    largest = __builtin_fmaxf(largest, abs(term));
    nan = nan || term != term;
  }
  return largest;
}
/// Of up to 256 terms. Their second and third pieces count twice where products are rounded.
template <int n>
SIGMAX_DEVICE void add_terms(const gradient_arguments& a, const float (&dy)[n], const float (&y)[n], float factor,
                             term_sum& sum) {
  float term[n], rest[n];
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const float product = a.logarithm ? dy[i] : dy[i] * y[i];
    term[i] = product * factor;
    rest[i] = a.logarithm ? 0.0f : fma_exact(dy[i], y[i], negate(product)) * factor;
  }
  sum.add(term, a.fine);
  if (a.fine) sum.add_small(rest);
}
SIGMAX_DEVICE exact_total total_of(const gradient_arguments& a, const term_sum& sum, std::uint32_t count) {
  return sum.total(count, a.fine ? 2 * count : count, a.fine ? 2 * count : 0);
}

/// The sum of a row, in two parts; not a number unless it is finite.
SIGMAX_DEVICE factors sum_of(exact_total total, const term_scale& s, float largest) {
  if (total.low >= poison || largest == __builtin_inff()) return {from_bits(0x7fc00000u), 0};
  total.carry();
  return two_parts(as_double(total) * 0x1p-45 * s.unit);
}

template <int n>
SIGMAX_DEVICE void finish_gradient(const gradient_arguments& a, const float (&y)[n], const factors& sum,
                                   float (&dy)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
    if (a.logarithm) {
      const float e = math::exp(y[i]);
      dy[i] = a.scale * fma(negate(e), sum.high, fma(negate(e), sum.low, dy[i]));
    } else {
      const float d = dy[i] - sum.high, b = d - dy[i];
      dy[i] = a.scale * y[i] * (d + (((dy[i] - (d - b)) - (sum.high + b)) - sum.low));
    }
  }
}

/// A row's tensors from column `begin` on.
struct gradient_row {
  const std::byte *dy, *y;
  std::byte* dx;

  SIGMAX_DEVICE gradient_row(const gradient_arguments& a, std::int64_t row, std::int64_t begin) {
    std::byte* place[gradient_operands];
#pragma unroll
    for (int v = 0; v < gradient_operands; ++v)
      place[v] = a.data[v] + row_offset(a.rows, row, v) + begin * a.stride[v] * bytes_of(a.type[v]);
    dy = place[gradient_dy], y = place[gradient_y], dx = place[gradient_dx];
  }
  SIGMAX_DEVICE lane_layout layout(const gradient_arguments& a, int columns) const {
    const bool alike = (a.type[gradient_dy] == dtype::f32) == (a.type[gradient_y] == dtype::f32);
    return alike ? layout_of(columns, a.type[gradient_dy],
                             reinterpret_cast<std::uintptr_t>(dy) | reinterpret_cast<std::uintptr_t>(y) |
                                 reinterpret_cast<std::uintptr_t>(dx))
                 : lane_layout::elements;
  }
};

template <int lanes, int chunks>
struct gradient_tile {
  row_tile<lanes, chunks> dy, y;

  SIGMAX_DEVICE gradient_tile(const gradient_arguments& a, const gradient_row& r, int columns, unsigned lane)
      : dy(r.layout(a, columns), lane), y(dy.layout, lane) {
    dy.load(r.dy, a.type[gradient_dy], 0, columns, true);
    y.load(r.y, a.type[gradient_y], 0, columns, true);
  }
  SIGMAX_DEVICE float largest(const gradient_arguments& a, float most, bool& nan) const {
#pragma unroll
    for (int c = 0; c < chunks; ++c) most = largest_term(a, dy.t[c], y.t[c], most, nan);
    return most;
  }
  SIGMAX_DEVICE exact_total total(const gradient_arguments& a, float factor) const {
    term_sum sum;
#pragma unroll
    for (int c = 0; c < chunks; ++c) add_terms(a, dy.t[c], y.t[c], factor, sum);
    return total_of(a, sum, chunks * chunk_size);
  }
  SIGMAX_DEVICE void write(const gradient_arguments& a, const gradient_row& r, int columns, const factors& sum) {
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      finish_gradient(a, y.t[c], sum, dy.t[c]);
      dy.store_chunk(c, r.dx, a.type[gradient_dx], columns);
    }
  }
};

template <int config>
__global__ void __launch_bounds__(gradient_configs[config].threads, gradient_configs[config].blocks)
    softmax_gradient_rows(gradient_arguments a) {
  constexpr int lanes = gradient_configs[config].lanes, chunks = gradient_configs[config].chunks;
  constexpr unsigned threads = gradient_configs[config].threads, together = threads / lanes;
  constexpr bool clusters = lanes == most_lanes;
  using group_type = std::conditional_t<lanes <= 32, lane_group<lanes>, row_group<threads / 32, clusters>>;
  SIGMAX_ROW_EXCHANGE(places, lanes <= 32 ? 1 : most_parts);
  group_type group(places);
  wait_for_previous_kernel();
  for (std::int64_t tile_row = a.rows.begin + std::int64_t{blockIdx.x / group.together} * together;
       tile_row < a.rows.end; tile_row += std::int64_t{gridDim.x / group.together} * together) {
    const std::int64_t number = tile_row + threadIdx.x / static_cast<unsigned>(lanes);
    const bool live = number < a.rows.end;  // else a copy of the last row, which writes nothing
    const std::int64_t begin = group.rank * a.span;
    const gradient_row r(a, live ? number : a.rows.end - 1, begin);
    const auto columns = static_cast<int>(clamp(a.columns - begin, 0, a.span));
    gradient_tile<lanes, chunks> tile(a, r, columns, threadIdx.x % static_cast<unsigned>(lanes));
    bool nan = false;
    const float most = group.largest(tile.largest(a, 0, nan));
    const term_scale s = scale_of_terms(most);
    const factors sum = sum_of(group.add(tile.total(a, s.factor), nan), s, most);
    tile.write(a, r, live ? columns : 0, sum);
  }
  group.leave();
  let_next_kernel_start();
}

/// A row for each cluster, in three passes.
static __global__ void __launch_bounds__(long_gradient.lanes) softmax_gradient_long_rows(gradient_arguments a) {
  SIGMAX_ROW_EXCHANGE(places, most_parts);
  row_group<long_gradient.lanes / 32, true> group(places);
  wait_for_previous_kernel();
  for (std::int64_t row = a.rows.begin + blockIdx.x / group.together; row < a.rows.end;
       row += gridDim.x / group.together) {
    const std::int64_t begin = group.rank * a.span, count = clamp(a.columns - begin, 0, a.span);
    float most = 0;
    bool nan = false;
    term_scale s{};
    exact_total total{};
    factors sum{};
#pragma unroll 1
    for (int pass = 0; pass < 3; ++pass) {
#pragma unroll 1
      for (std::int64_t done = 0; done < count; done += long_gradient_columns) {
        const gradient_row r(a, row, begin + done);
        const auto columns = static_cast<int>(clamp(count - done, 0, long_gradient_columns));
        gradient_tile<long_gradient.lanes, long_gradient.chunks> tile(a, r, columns, threadIdx.x);
        if (pass == 0) most = tile.largest(a, most, nan);
        if (pass == 1) total.add(tile.total(a, s.factor)), total.carry();
        if (pass == 2) tile.write(a, r, columns, sum);
      }
      if (pass == 0) most = group.largest(most), s = scale_of_terms(most);
      if (pass == 1) sum = sum_of(group.add(total, nan), s, most);
    }
  }
  group.leave();
  let_next_kernel_start();
}

/// 32 rows side by side, as softmax_columns has them.
static __global__ void __launch_bounds__(column_rows* column_warps) softmax_gradient_columns(gradient_arguments a) {
  SIGMAX_ROW_EXCHANGE(places, column_rows * column_warps);
  column_group group{places, column_warps};
  wait_for_previous_kernel();
  for (std::int64_t tile_row = a.rows.begin + std::int64_t{blockIdx.x} * column_rows; tile_row < a.rows.end;
       tile_row += std::int64_t{gridDim.x} * column_rows) {
    const std::int64_t number = tile_row + threadIdx.x % 32u;
    const bool live = number < a.rows.end;
    const gradient_row r(a, live ? number : a.rows.end - 1, 0);
    float most = 0;
    bool nan = false;
    term_scale s{};
    exact_total total{};
    factors sum{};
#pragma unroll 1
    for (int pass = 0; pass < 3; ++pass) {
#pragma unroll 1
      for (std::int64_t done = threadIdx.x / 32u; done < a.columns; done += column_warps * column_step) {
        float dy[column_step] = {}, y[column_step] = {};
        const auto place = [&](int i, gradient_operand v) {
          return (done + i * column_warps) * a.stride[v] * bytes_of(a.type[v]);
        };
        const auto inside = [&](int i) { return done + i * column_warps < a.columns; };
#pragma unroll
        for (int i = 0; i < column_step; ++i) {
          if (!inside(i)) continue;
          dy[i] = load_element(r.dy + place(i, gradient_dy), a.type[gradient_dy]);
          y[i] = load_element(r.y + place(i, gradient_y), a.type[gradient_y]);
        }
        if (pass == 0) most = largest_term(a, dy, y, most, nan);
        if (pass == 1) {
          term_sum terms;
          add_terms(a, dy, y, s.factor, terms);
          total.add(total_of(a, terms, column_step));
          total.carry();
        }
        if (pass < 2) continue;
        finish_gradient(a, y, sum, dy);
#pragma unroll
        for (int i = 0; i < column_step; ++i)
          if (live && inside(i)) store_element(r.dx + place(i, gradient_dx), a.type[gradient_dx], dy[i]);
      }
      if (pass == 0) most = group.largest(most), s = scale_of_terms(most);
      if (pass == 1) sum = sum_of(group.add(total, nan), s, most);
    }
  }
  let_next_kernel_start();
}

}  // namespace
}  // namespace sigmax
