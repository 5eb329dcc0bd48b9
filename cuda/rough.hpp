// The words of kernels/value.hpp for a value whose quotients need not be correctly rounded: a fast form's, where a
// rounding test follows. Everything else is as for float.
#pragma once

#include "../kernels/value.hpp"

namespace sigmax {
namespace {

struct rough {
  float value;
  SIGMAX_FN explicit rough(float v) : value(v) {}
};
SIGMAX_FN rough operator+(rough a, rough b) { return rough(a.value + b.value); }
SIGMAX_FN rough operator-(rough a, rough b) { return rough(a.value - b.value); }
SIGMAX_FN rough operator*(rough a, rough b) { return rough(a.value * b.value); }
SIGMAX_FN bool operator<(rough a, rough b) { return a.value < b.value; }
SIGMAX_FN bool operator>(rough a, rough b) { return a.value > b.value; }
SIGMAX_FN rough fma(rough a, rough b, rough c) { return rough(fma(a.value, b.value, c.value)); }
SIGMAX_FN rough fma_exact(rough a, rough b, rough c) { return rough(fma_exact(a.value, b.value, c.value)); }
SIGMAX_FN rough negate(rough x) { return rough(negate(x.value)); }
SIGMAX_FN rough sqrt(rough x) { return rough(sqrt(x.value)); }
SIGMAX_FN rough abs(rough x) { return rough(abs(x.value)); }
SIGMAX_FN rough select(bool condition, rough yes, rough no) { return condition ? yes : no; }
SIGMAX_FN rough with_sign(rough magnitude, rough sign) { return rough(with_sign(magnitude.value, sign.value)); }
SIGMAX_FN rough at_least(rough x, rough bound) { return rough(at_least(x.value, bound.value)); }
SIGMAX_FN rough at_most(rough x, rough bound) { return rough(at_most(x.value, bound.value)); }
SIGMAX_FN rough power_of_two(rough t) { return rough(power_of_two(t.value)); }

/// a / b within 2 ULP, for b > 0; 0 where b is so large that 1 / b is subnormal. PTX has the estimate within 1 ULP.
SIGMAX_FN rough divide(rough a, rough b) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(b.value));
#else
  const float y = b.value > 0x1p126f ? 0.0f : 1.0f / b.value;
#endif
  return rough(a.value * y);
}

}  // namespace
}  // namespace sigmax
