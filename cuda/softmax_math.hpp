// What becomes of the total of a row.
#pragma once

#include "../kernels/math.hpp"
#include "../kernels/softmax_state.hpp"
#include "exact_sum.hpp"

namespace sigmax {
namespace {

using numerator_sum = exact_sum<25>;  // so that its `high` counts 2^-45 of what the largest score has

/// x (high + low): the rounding of a factor does not count.
SIGMAX_FN float scaled(float x, const factors& f) { return fma(x, f.high, x * f.low); }

/// 1 / total, as a factor for numerators. In floats: many GPUs have few units for doubles.
SIGMAX_FN factors reciprocal_of(const exact_total& total) {
  const float_total t = as_floats(total);
  const float y = divide(1.0f, t.high), unit = t.shift != 0 ? 0x1p20f : 1.0f;
  return {y * unit, y * (fma(negate(y), t.high, 1.0f) - y * t.low) * unit};
}

}  // namespace
}  // namespace sigmax
