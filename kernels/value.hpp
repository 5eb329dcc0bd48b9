// The arithmetic vocabulary that every activation is written in, for one value: V = float, on the CPU and in CUDA.
// cpu/batch.hpp gives the same words for a SIMD batch. Nothing else may be used in a formula: each word is an exactly
// rounded IEEE 754 operation, a comparison, a selection or a bit operation, so every V computes the same bits.
//
// Internal linkage throughout: this header is compiled with different -m flags in one program, and a shared inline
// function could be kept in its AVX-512 form and then called on a CPU without it.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define SIGMAX_FN __host__ __device__ __forceinline__
#else
#define SIGMAX_FN inline __attribute__((always_inline))
#endif

namespace sigmax {
namespace {

SIGMAX_FN std::uint32_t bits_of(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x);
#else
  return __builtin_bit_cast(std::uint32_t, x);
#endif
}
SIGMAX_FN float from_bits(std::uint32_t u) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(u);
#else
  return __builtin_bit_cast(float, u);
#endif
}

/// a * b + c for polynomial steps. One rounding wherever the machine has FMA, two elsewhere (SSE2): the error bound
/// holds either way, the bits are the same only among the former.
SIGMAX_FN float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

/// a * b + c with one rounding on every machine, for residuals, where a second rounding would return noise.
SIGMAX_FN float fma_exact(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

/// a + b. A word of its own because some CPUs add faster if other units than the adders take a share.
SIGMAX_FN float plus(float a, float b) { return a + b; }

/// -x. A word of its own because xsimd's minus sign is 0 - x for AVX-512: another zero, and an instruction more.
SIGMAX_FN float negate(float x) { return -x; }
/// a / b, correctly rounded. A word of its own because xsimd's float division on NEON is an estimate.
SIGMAX_FN float divide(float a, float b) { return a / b; }

#if defined(__CUDACC__)
/// 1 / d for d in [2^-126, 2^126) without the branches of rcp.rn: the hardware's estimate and Newton's step with its
/// residual exact. For such d rcp.rn itself is no more, on sm_75 to sm_120 (tests/cuda_reciprocal.sh), and that is
/// right by its definition; tests/cuda_device_test.cpp asks a device.
__device__ __forceinline__ float reciprocal_by_newton(float d) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(d));
  return __fmaf_rn(y, __fmaf_rn(-d, y, 1.0f), y);
}
#endif
/// 1 / d, correctly rounded, for d in [2^-126, 2^126). sm_120's code goes along as PTX, for devices that nobody has
/// seen. (They get the recipe from a build whose last PTX is older: of a toolkit before 12.8, or by its list.)
SIGMAX_FN float reciprocal(float d) {
#if defined(__CUDA_ARCH__) && (defined(SIGMAX_CUDA_NEWTON) || __CUDA_ARCH__ < 1200)
  return reciprocal_by_newton(d);
#else
  return 1.0f / d;
#endif
}
SIGMAX_FN float sqrt(float x) { return __builtin_sqrtf(x); }
SIGMAX_FN float select(bool condition, float yes, float no) { return condition ? yes : no; }
SIGMAX_FN float abs(float x) { return __builtin_fabsf(x); }

/// magnitude with the sign of `sign`, where it is not negative or has that sign already.
SIGMAX_FN float with_sign(float magnitude, float sign) { return __builtin_copysignf(magnitude, sign); }

/// max(x, bound) and min(x, bound) that keep a NaN in x. Which zero comes back from a tie of -0 and +0 is not
/// defined: machines differ. One instruction since sm_80, of two zeros the positive and the negative one.
SIGMAX_FN float at_least(float x, float bound) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float y;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x), "f"(bound));
  return y;
#else
  return x < bound ? bound : x;
#endif
}
SIGMAX_FN float at_most(float x, float bound) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float y;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x), "f"(bound));
  return y;
#else
  return bound < x ? bound : x;
#endif
}

/// With t = 1.5 * 2^23 + k for an integer k (|k| < 2^22), the low bits of t are k in two's complement.
/// 2^(k - 127), for k in [1, 254].
SIGMAX_FN float power_of_two(float t) { return from_bits(bits_of(t) << 23); }

}  // namespace
}  // namespace sigmax
