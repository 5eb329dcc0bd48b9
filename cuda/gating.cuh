// Top-k gating: a group of lanes of a warp has a row, whose largest entries are taken out one round after the other,
// as integers in which order and place are one number, and weighted with the arithmetic of softmax and sigmoid.
#pragma once

#include "../kernels/activations/logistic.hpp"
#include "block_reduce.cuh"
#include "row_tile.cuh"
#include "softmax_math.hpp"

namespace sigmax {
namespace {

/// Numbers in the order of x, NaN above all, equals by falling column; 0 for what is taken or not there.
SIGMAX_DEVICE std::uint64_t gate_key(float x, int column) {
  const std::uint32_t u = bits_of(x + 0.0f);  // -0 is 0
  const std::uint32_t order = x != x ? 0xffffffffu : (u >> 31) != 0 ? ~u : u | 0x80000000u;
  return (std::uint64_t{order} << 32) | (0xffffffffu - static_cast<std::uint32_t>(column));
}
template <int lanes>
SIGMAX_DEVICE std::uint64_t largest_key(std::uint64_t key) {
#pragma unroll
  for (int step = lanes / 2; step > 0; step /= 2) {
    const std::uint64_t other = __shfl_xor_sync(whole_warp, key, step);
    key = other > key ? other : key;
  }
  return key;
}

/// Up to count * lanes numbers of a row: element i of lane l is number i * lanes + l. What is beyond n is -inf.
template <int lanes, int count>
struct gate_row {
  float v[count];

  /// The softmax over all numbers, of which `most` is the largest: their total and, if asked for, numerators in place.
  SIGMAX_DEVICE double exponentiate(lane_group<lanes>& group, float most, bool keep) {
    bool nan = most == infinity || most == no_score;
    const math::row_maximum<float> reference = math::reduce_maximum(most);
    numerator_sum sum;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const float e[1] = {math::exp_below<true>(v[i], reference)};
      sum.add(e, true);
      nan = nan || v[i] != v[i];
      if (keep) v[i] = e[0] * numerator_down;
    }
    exact_total total = group.add(sum.total(count, count, count), nan);
    if (total.low >= poison) return static_cast<double>(from_bits(0x7fc00000u));
    total.carry();
    return as_sum(total);
  }
};

template <int config>
__global__ void __launch_bounds__(128, gating_configs[config].blocks) gate_rows(gating_arguments a) {
  constexpr int lanes = gating_configs[config].lanes, count = gating_configs[config].chunks * chunk_size;
  constexpr unsigned together = 128 / lanes;
  SIGMAX_SHARED(float, chosen, 128 * count);
  lane_group<lanes> group{row_exchange{}};
  const auto lane = static_cast<int>(threadIdx.x % static_cast<unsigned>(lanes));
  float* const mine = chosen + threadIdx.x / static_cast<unsigned>(lanes) * (lanes * count);
  const auto n = static_cast<int>(a.columns), k = static_cast<int>(a.chosen);
  wait_for_previous_kernel();
  for (std::int64_t tile_row = a.rows.begin + std::int64_t{blockIdx.x} * together; tile_row < a.rows.end;
       tile_row += std::int64_t{gridDim.x} * together) {
    const std::int64_t number = tile_row + threadIdx.x / static_cast<unsigned>(lanes);
    const bool live = number < a.rows.end;
    const std::int64_t row = live ? number : a.rows.end - 1;
    const auto place = [&](gating_operand which, std::int64_t i) {
      return a.data[which] + row_offset(a.rows, row, which) + i * a.stride[which] * bytes_of(a.type[which]);
    };
    gate_row<lanes, count> x;
    std::uint64_t key[count];
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const int column = i * lanes + lane;
      x.v[i] = column < n ? load_element(place(gating_x, column), a.type[gating_x]) : no_score;
    }
    // What decides the choice: the logits, or their scores and the bias.
    const bool biased = a.data[gating_bias] != nullptr;
    gate_row<lanes, count> by = x;
    double row_total = 1;
    float most = no_score;
    if (!a.sigmoid && (biased || !a.renormalise)) {
#pragma unroll
      for (int i = 0; i < count; ++i) most = __builtin_fmaxf(most, x.v[i]);
      most = group.largest(most);
      row_total = by.exponentiate(group, most, biased);
    }
    if (biased) {
      const factors f = two_parts(1.0 / row_total);
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const int column = i * lanes + lane;
        const float score = a.sigmoid ? sigmoid_op{}(x.v[i]) : scaled(by.v[i], f);
        by.v[i] = column < n ? score + load_element(place(gating_bias, column), a.type[gating_bias]) : 0.0f;
      }
    }
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const int column = i * lanes + lane;
      key[i] = column < n ? gate_key(by.v[i], column) : 0;
    }
#pragma unroll 1
    for (int round = 0; round < k; ++round) {
      std::uint64_t best = 0;
#pragma unroll
      for (int i = 0; i < count; ++i) best = key[i] > best ? key[i] : best;
      best = largest_key<lanes>(best);
      const auto column = static_cast<int>(0xffffffffu - static_cast<std::uint32_t>(best));
#pragma unroll
      for (int i = 0; i < count; ++i) {
        if (key[i] != best) continue;
        key[i] = 0;
        mine[round] = x.v[i];
      }
      if (lane != 0 || !live) continue;
      std::byte* const out = place(gating_experts, round);
      if (a.type[gating_experts] == dtype::i32)
        *reinterpret_cast<std::int32_t*>(out) = column;
      else
        *reinterpret_cast<std::int64_t*>(out) = column;
    }
    __syncwarp();
    // The chosen logits become weights, in place: in a loop, there are few of them.
    const auto for_chosen = [&](auto work) {
#pragma unroll 1
      for (int at = lane; at < k; at += lanes) work(at);
    };
    float largest_chosen = no_score;
    bool nan = false;
    for_chosen([&](int at) {
      largest_chosen = __builtin_fmaxf(largest_chosen, mine[at]);
      nan = nan || mine[at] != mine[at];
    });
    largest_chosen = group.largest(largest_chosen);
    // Below -20 e^x is sigmoid(x) to 2^-28, and sigmoids may be 0 where their quotients are not.
    const bool sigmoids = a.sigmoid && !(a.renormalise && largest_chosen < -20.0f);
    const float reference = a.renormalise ? largest_chosen : most;
    const math::row_maximum<float> row_max = math::reduce_maximum(reference);
    numerator_sum sum;
    std::uint32_t added = 0;
    for_chosen([&](int at) {
      const float v = mine[at];
      const float w = sigmoids ? sigmoid_op{}(v) : math::exp_below<true>(v, row_max) * numerator_down;
      const float term[1] = {w == w ? w * numerator_up : 0.0f};
      sum.add(term, true);
      ++added;
      mine[at] = w;
    });
    double total = row_total;
    if (a.renormalise) {
      nan = nan || row_total != row_total || (!sigmoids && (reference == infinity || reference == no_score));
      exact_total t = group.add(sum.total(added, added, added), nan);
      nan = t.low >= poison;
      t.carry();
      total = nan ? static_cast<double>(from_bits(0x7fc00000u)) : as_sum(t);
    }
    const factors f = two_parts(static_cast<double>(a.scale) / total);
    for_chosen([&](int at) {
      if (live) store_element(place(gating_weights, at), a.type[gating_weights], scaled(mine[at], f));
    });
    __syncwarp();  // before the next row's logits
  }
  let_next_kernel_start();
}

}  // namespace
}  // namespace sigmax
