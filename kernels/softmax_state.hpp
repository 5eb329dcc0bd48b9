// The denominator of a softmax row while it is summed up. The order of the additions is fixed by the row length alone,
// so that the result has the same bits for every vector width, thread count, batch and position: element i goes to
// virtual lane i % 64; eight values of a lane are added in order (a block of 512 elements), the block's sum joins the
// lane's total without rounding error (Knuth's TwoSum), and at the end lane l meets l + 32, l + 16, ... l + 1.
#pragma once

namespace sigmax {

inline constexpr int softmax_lanes = 64;
inline constexpr int softmax_block = 8 * softmax_lanes;

struct alignas(64) softmax_sum {
  float high[softmax_lanes];
  float low[softmax_lanes];
};

}  // namespace sigmax
