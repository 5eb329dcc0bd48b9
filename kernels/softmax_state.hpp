// The denominator of a softmax row while it is summed up. The order of the additions is fixed by the row length alone,
// so that the result has the same bits for every vector width, thread count, batch and position: element i goes to
// virtual lane i % 64; the eight values of a lane in a block of 512 elements (zero beyond the end of the row) are added
// as ((e0 + e1) + (e2 + e3)) + ((e4 + e5) + (e6 + e7)) and then to the lane's total; all but the four innermost additions
// keep what their rounding loses (Knuth's TwoSum) in the lane's low part. At the end lane l meets l + 32, l + 16, ... l + 1.
#pragma once

namespace sigmax {

inline constexpr int softmax_lanes = 64;
inline constexpr int softmax_depth = 8;
inline constexpr int softmax_block = softmax_depth * softmax_lanes;

struct alignas(64) softmax_sum {
  float high[softmax_lanes];
  float low[softmax_lanes];
};

}  // namespace sigmax
