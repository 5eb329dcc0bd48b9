// What the threads that share a row tell each other: the largest score, and the parts of a sum. A row has a group of
// lanes of a warp, a block, or a cluster of blocks.
#pragma once

#include "exact_sum.hpp"
#include "row_barriers.hpp"
#include "simt.cuh"

namespace sigmax {
namespace {

inline constexpr unsigned whole_warp = 0xffffffffu;

template <int lanes, class T>
SIGMAX_DEVICE T largest_of_lanes(T v) {
#pragma unroll
  for (int step = lanes / 2; step > 0; step /= 2) v = __builtin_fmaxf(v, __shfl_xor_sync(whole_warp, v, step));
  return v;
}
template <int lanes, class T>
SIGMAX_DEVICE T sum_of_lanes(T v) {
#pragma unroll
  for (int step = lanes / 2; step > 0; step /= 2) v += __shfl_xor_sync(whole_warp, v, step);
  return v;
}
template <int lanes>
SIGMAX_DEVICE bool any_lane(bool v) {
  const unsigned ballot = __ballot_sync(whole_warp, v);
  if constexpr (lanes == 32) return ballot != 0;
  return (ballot >> (threadIdx.x % 32u / lanes * lanes) & static_cast<unsigned>((std::uint64_t{1} << lanes) - 1)) != 0;
}

/// What makes `low` that of a total that is no number: carried parts of 2^16 threads add up to less.
inline constexpr std::int64_t poison = std::int64_t{1} << 40;

inline constexpr int most_warps = 16, most_blocks_together = 8;
inline constexpr int most_parts = most_warps * most_blocks_together;

/// The places where the warps of a cluster, or all threads of a block, leave their parts.
struct row_exchange {
  float* largest;
  std::int64_t *top, *high, *low;
  double* number;

  SIGMAX_DEVICE exact_total total(unsigned i) const { return {top[i], high[i], low[i]}; }
};
#define SIGMAX_ROW_EXCHANGE(name, count)           \
  SIGMAX_SHARED(float, name##_largest, count);     \
  SIGMAX_SHARED(std::int64_t, name##_top, count);  \
  SIGMAX_SHARED(std::int64_t, name##_high, count); \
  SIGMAX_SHARED(std::int64_t, name##_low, count);  \
  SIGMAX_SHARED(double, name##_number, count);     \
  const row_exchange name { name##_largest, name##_top, name##_high, name##_low, name##_number }

/// All threads of a block or, if `together` > 1, of a cluster. An exchange may use the places of another one if there
/// was a third between them: then nobody writes what others still read.
template <unsigned warps, bool clusters>
struct row_group {
  row_exchange exchange;
  unsigned together = 1, rank = 0;
  bool started = true;  ///< all blocks of the cluster have

  SIGMAX_DEVICE explicit row_group(const row_exchange& places) : exchange(places) {
    if constexpr (clusters) {
      together = cluster_size(), rank = cluster_rank();
      if (together > 1 && SIGMAX_BARRIER_IS_THERE(cluster_start)) cluster_arrive_started();
      started = together == 1;
    }
  }

  SIGMAX_DEVICE void barrier() {
#if defined(SIGMAX_SIMT_EMULATOR)
    if (block_barrier_for_cluster) return __syncthreads();
#endif
    if (!clusters || together == 1) return __syncthreads();
    start();
    cluster_arrive();
    cluster_wait();
  }
  SIGMAX_DEVICE void start() {
    if (!started && SIGMAX_BARRIER_IS_THERE(cluster_start)) cluster_wait();
    started = true;
  }
  /// Each warp's value goes to every block.
  template <class T>
  SIGMAX_DEVICE void tell(T* place, T value) {
    const unsigned lane = threadIdx.x % 32u, at = rank * warps + threadIdx.x / 32u;
    if (!clusters || together == 1) {
      if (lane == 0) place[at] = value;
      return;
    }
    start();
    if (lane < together) store_remote(place + at, lane, value);
  }
  /// Calls work(i) so that the lanes of a warp together see every part, and returns over how many lanes they lie.
  template <class F>
  SIGMAX_DEVICE unsigned for_parts(F work) const {
    const unsigned n = warps * together, lane = threadIdx.x % 32u;
    if (n <= 32u) {
      work(lane & (n - 1u));
      return n;
    }
#pragma unroll 1
    for (unsigned i = lane; i < n; i += 32u) work(i);
    return 32u;
  }
  /// A sum of what for_parts gave the lanes.
  template <class T>
  SIGMAX_DEVICE T sum_parts(unsigned lanes, T v) const {
#pragma unroll 1
    while ((lanes /= 2u) > 0) v += __shfl_xor_sync(whole_warp, v, static_cast<int>(lanes));
    return v;
  }

  SIGMAX_DEVICE float largest(float v) {
    tell(exchange.largest, largest_of_lanes<32>(v));
    if (SIGMAX_BARRIER_IS_THERE(maximum)) barrier();
    float m = -__builtin_inff();
    unsigned lanes = for_parts([&](unsigned i) { m = __builtin_fmaxf(m, exchange.largest[i]); });
#pragma unroll 1
    while ((lanes /= 2u) > 0) m = __builtin_fmaxf(m, __shfl_xor_sync(whole_warp, m, static_cast<int>(lanes)));
    return m;
  }
  SIGMAX_DEVICE exact_total add(exact_total t, bool nan) {
    t.carry();
    t.low += nan ? poison : 0;
    tell(exchange.top, sum_of_lanes<32>(t.top));
    tell(exchange.high, sum_of_lanes<32>(t.high));
    tell(exchange.low, sum_of_lanes<32>(t.low));
    if (SIGMAX_BARRIER_IS_THERE(total)) barrier();
    t = {0, 0, 0};
    const unsigned lanes = for_parts([&](unsigned i) { t.add(exchange.total(i)); });
    return {sum_parts(lanes, t.top), sum_parts(lanes, t.high), sum_parts(lanes, t.low)};
  }
  /// Without a test for what is no number.
  SIGMAX_DEVICE std::uint64_t add(std::uint64_t v) {
    tell(exchange.high, static_cast<std::int64_t>(sum_of_lanes<32>(v)));
    if (SIGMAX_BARRIER_IS_THERE(total)) barrier();
    v = 0;
    const unsigned lanes = for_parts([&](unsigned i) { v += static_cast<std::uint64_t>(exchange.high[i]); });
    return sum_parts(lanes, v);
  }
  /// Whether it is so for all threads that run together; all of a row say the same.
  SIGMAX_DEVICE bool everywhere(bool v) const { return v; }
  SIGMAX_DEVICE double add(double v) {
    tell(exchange.number, sum_of_lanes<32>(v));
    barrier();
    v = 0;
    const unsigned lanes = for_parts([&](unsigned i) { v += exchange.number[i]; });
    return sum_parts(lanes, v);
  }
  /// Blocks must not leave before all of the cluster have started.
  SIGMAX_DEVICE void leave() {
    if (clusters && together > 1) start();
  }
};

/// Lanes of one warp, with fewer than 2^16 values.
template <int lanes>
struct lane_group {
  static constexpr unsigned together = 1, rank = 0;

  SIGMAX_DEVICE explicit lane_group(const row_exchange&) {}
  SIGMAX_DEVICE float largest(float v) { return largest_of_lanes<lanes>(v); }
  SIGMAX_DEVICE exact_total add(exact_total t, bool nan) {
    const std::int64_t high = sum_of_lanes<lanes>(t.high + (t.low >> 23));
    const auto low = sum_of_lanes<lanes>(static_cast<std::int32_t>(t.low & ((std::int64_t{1} << 23) - 1)));
    return {0, high, low + (any_lane<lanes>(nan) ? poison : 0)};
  }
  SIGMAX_DEVICE std::uint64_t add(std::uint64_t v) { return sum_of_lanes<lanes>(v); }
  SIGMAX_DEVICE bool everywhere(bool v) const { return __all_sync(whole_warp, v); }
  SIGMAX_DEVICE double add(double v) { return sum_of_lanes<lanes>(v); }
  SIGMAX_DEVICE void leave() {}
};

/// The threads threadIdx.x = c (mod 32) of a block.
struct column_group {
  row_exchange exchange;
  unsigned warps;

  template <class T>
  SIGMAX_DEVICE void tell(T* place, T value) {
    place[threadIdx.x] = value;
  }
  template <class F>
  SIGMAX_DEVICE void for_parts(F work) const {
#pragma unroll 1
    for (unsigned w = 0; w < warps; ++w) work(w * 32u + threadIdx.x % 32u);
  }
  SIGMAX_DEVICE float largest(float v) {
    tell(exchange.largest, v);
    if (SIGMAX_BARRIER_IS_THERE(maximum)) __syncthreads();
    for_parts([&](unsigned i) { v = __builtin_fmaxf(v, exchange.largest[i]); });
    return v;
  }
  SIGMAX_DEVICE exact_total add(exact_total t, bool nan) {
    t.carry();
    t.low += nan ? poison : 0;
    tell(exchange.top, t.top), tell(exchange.high, t.high), tell(exchange.low, t.low);
    if (SIGMAX_BARRIER_IS_THERE(total)) __syncthreads();
    t = {0, 0, 0};
    for_parts([&](unsigned i) { t.add(exchange.total(i)); });
    return t;
  }
  SIGMAX_DEVICE double add(double v) {
    tell(exchange.number, v);
    __syncthreads();
    v = 0;
    for_parts([&](unsigned i) { v += exchange.number[i]; });
    return v;
  }
};

}  // namespace
}  // namespace sigmax
