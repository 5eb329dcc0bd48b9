// Activations and gates with 8-bit results in CUDA. A block has a row, or a piece of one where the scale is given.
// Where a row's scale follows from its results, these wait in shared memory, each thread's own, and only the maximum
// goes from thread to thread; a row that does not fit is computed twice, to the same bits.
#pragma once

#include "codes.cuh"
#include "gates.cuh"
#include "quantised_kernels.hpp"
#include "row_barriers.hpp"
#include "simt.cuh"

namespace sigmax {
namespace {

/// The elements of a tile that are a thread's: first, first + step, ...; those from `count` on are none.
struct unit_place {
  std::int64_t first, step, count;
  SIGMAX_FN std::int64_t element(int k) const { return first + k * step; }
  SIGMAX_FN bool has(int k) const { return element(k) < count; }
};

SIGMAX_FN void load_unit(const std::byte* p, std::int64_t along, dtype type, bool whole, const unit_place& at,
                         float (&x)[unit]) {
  if (!whole) {
#pragma unroll
    for (int k = 0; k < unit; ++k) x[k] = at.has(k) ? load_element(p + at.element(k) * along, type) : 0.0f;
    return;
  }
  const vector* const from = reinterpret_cast<const vector*>(p + at.first * along);
  const vector v = load(from);
  if (type == dtype::f32) {
    const vector next = load(from + 1);
#pragma unroll
    for (int k = 0; k < 4; ++k) x[k] = from_bits(v.word[k]), x[k + 4] = from_bits(next.word[k]);
  } else {
    unpack(v, x, type);
  }
}

SIGMAX_FN void store_unit(std::byte* p, std::int64_t along, dtype type, bool whole, const unit_place& at,
                          const float (&x)[unit]) {
  std::uint32_t words[2];
  encode(x, type, words);
  if (whole) return store_codes(p + at.first, words[0], words[1]);
#pragma unroll
  for (int k = 0; k < unit; ++k)
    if (at.has(k)) store_code(p + at.element(k) * along, code_at(words, k));
}

SIGMAX_DEVICE std::uint32_t largest_of_block(std::uint32_t best, std::uint32_t* places) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const std::uint32_t other = __shfl_xor_sync(0xffffffffu, best, lanes);
    best = best < other ? other : best;
  }
  if (blockDim.x == 32u) return best;
  if (threadIdx.x % 32u == 0) places[threadIdx.x / 32u] = best;
  if (SIGMAX_BARRIER_IS_THERE(row_amax)) __syncthreads();
#pragma unroll 1
  for (unsigned i = 0; i < blockDim.x / 32u; ++i) best = best < places[i] ? places[i] : best;
  if (SIGMAX_BARRIER_IS_THERE(row_amax_read)) __syncthreads();  // the next row writes there
  return best;
}

/// f(x, y) makes a result from one element of the inputs.
template <int inputs, class F>
SIGMAX_DEVICE void quantise_rows(const quantised_arguments& a, F f) {
  SIGMAX_SHARED(std::uint32_t, places, most_threads / 32);
  float* const kept = dynamic_shared<float>();
  const bool own_scale = a.rows.out[1] != nullptr, measured = own_scale || a.rows.out[2] != nullptr;
  const dtype type = a.rows.out_type[0];
  const std::int64_t turn = std::int64_t{unit} * blockDim.x;
  wait_for_previous_kernel();
  for (std::int64_t tile = a.rows.begin + blockIdx.x; tile < a.rows.end; tile += gridDim.x) {
    const std::int64_t row = a.pieces == 1 ? tile : tile / a.pieces, before = (tile - row * a.pieces) * a.span;
    std::int64_t offset[5] = {};
    if (a.rows.narrow)
      locate(a.rows, static_cast<std::uint32_t>(row), offset);
    else
      locate(a.rows, static_cast<std::uint64_t>(row), offset);
    const std::int64_t left = a.columns - before, count = left < a.span ? left : a.span;
    float scale = a.scale;
    std::uint32_t best = 0;
#pragma unroll 1
    for (int pass = own_scale ? 0 : 1; pass < 2; ++pass) {  // 0 finds the scale, 1 writes codes
      const bool again = pass == 1 && own_scale;
#pragma unroll 1
      for (std::int64_t begin = 0; begin < count; begin += turn) {
        const std::int64_t thread = threadIdx.x;
        const unit_place at = {begin + (a.wide ? thread * unit : thread), a.wide ? 1 : std::int64_t{blockDim.x}, count};
        if (!at.has(0)) continue;
        const bool whole = a.wide && at.has(unit - 1);
        float y[unit];
        if (again && a.kept) {
#pragma unroll
          for (int k = 0; k < unit; ++k) y[k] = kept[begin + k * std::int64_t{blockDim.x} + thread];
        } else {
          float x[2][unit];
#pragma unroll
          for (int i = 0; i < inputs; ++i)
            load_unit(a.rows.in[i] + offset[i] + before * a.along[i], a.along[i], a.rows.in_type[i], whole, at, x[i]);
#pragma unroll
          for (int k = 0; k < unit; ++k) {
            const float from[2] = {x[0][k], x[inputs - 1][k]};
            float to[1];
            f(from, to);
            y[k] = to[0];
          }
        }
        if (measured && !again) {
#pragma unroll
          for (int k = 0; k < unit; ++k)
            if (at.has(k)) best = larger(best, y[k]);
        }
        if (pass == 0) {
          if (!a.kept) continue;
#pragma unroll
          for (int k = 0; k < unit; ++k) kept[begin + k * std::int64_t{blockDim.x} + thread] = y[k];
          continue;
        }
#pragma unroll
        for (int k = 0; k < unit; ++k) y[k] = divide(y[k], scale);
        store_unit(a.rows.out[0] + offset[2] + before * a.along[2], a.along[2], type, whole, at, y);
      }
      if (!measured || again) continue;
      best = largest_of_block(best, places);
      if (own_scale) scale = scale_of_row(from_bits(best), type);
    }
    if (threadIdx.x != 0) continue;
    if (own_scale) store(reinterpret_cast<std::uint32_t*>(a.rows.out[1] + offset[3]), bits_of(scale));
    if (a.rows.out[2] != nullptr) store(reinterpret_cast<std::uint32_t*>(a.rows.out[2] + offset[4]), best);
  }
  let_next_kernel_start();
}

template <class Op, accuracy tier>
__global__ void __launch_bounds__(most_threads) quantised_activation(quantised_arguments a, parameters p) {
  const Op op = make<Op>(p);
  quantise_rows<1>(a, [op](const float(&x)[2], float(&y)[1]) { y[0] = evaluate<tier>(op, false, x[0]); });
}
template <class Gate, accuracy tier>
__global__ void __launch_bounds__(most_threads) quantised_gate(quantised_arguments a, parameters p) {
  quantise_rows<2>(a, gate_value<Gate, tier>{make<Gate>(p)});
}

}  // namespace
}  // namespace sigmax
