// The denominator of a softmax row while it is summed up. The order of the additions is fixed by the row length alone,
// so that the result has the same bits for every vector width, thread count, batch and position. A row is cut into
// chunks; element i of a chunk goes to virtual lane i % 64, a lane adds its values in order, and at the end lane l
// meets l + 32, l + 16, ... l + 1. What each addition loses to rounding is kept in the lane's low part, so the sum is
// good to about 2^-46: next to a dominating maximum log_softmax needs that. The sums of the chunks are added in double,
// in order.
#pragma once

#include <cstdint>

namespace sigmax {

inline constexpr int softmax_lanes = 64;
/// Chunks are summed a piece at a time; any multiple of softmax_lanes gives the same bits.
inline constexpr int softmax_block = 8 * softmax_lanes;

/// Where a lane of numerators starts: above each of them, so that the sum is the larger operand of every addition and
/// its error takes three operations (Dekker's Fast2Sum) instead of six. It is taken off again, exactly.
inline constexpr float numerators_start = 2;

struct alignas(64) softmax_sum {
  float high[softmax_lanes];
  float low[softmax_lanes];

  void begin(float start) noexcept {
    for (int l = 0; l < softmax_lanes; ++l) high[l] = start, low[l] = 0;
  }
};

/// How many columns of a row make a chunk. The threads that share a row each take whole ones.
inline constexpr int most_chunks = 64;
inline constexpr std::int64_t smallest_chunk = 16384;
constexpr std::int64_t softmax_chunk(std::int64_t columns) noexcept {
  constexpr std::int64_t most = most_chunks * smallest_chunk;
  return columns <= most ? smallest_chunk : (columns / most + (columns % most != 0)) * smallest_chunk;
}

}  // namespace sigmax
