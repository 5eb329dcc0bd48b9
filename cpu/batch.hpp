// The vocabulary of kernels/value.hpp for one SIMD batch, through xsimd. Included before any formula, because templates
// look plain names up where they are defined. SIGMAX_ARCH is the row's xsimd architecture.
#pragma once

#include <xsimd/xsimd.hpp>

#include "../kernels/value.hpp"

namespace sigmax {
namespace {

using arch = SIGMAX_ARCH;
using vec = xsimd::batch<float, arch>;
using vec_bits = xsimd::batch<std::uint32_t, arch>;
using vec_mask = xsimd::batch_bool<float, arch>;
inline constexpr int lanes = static_cast<int>(vec::size);

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__riscv_flen)
inline constexpr bool has_fma = true;
#else
inline constexpr bool has_fma = false;
#endif

SIGMAX_FN vec_bits bits_of(vec x) { return xsimd::bitwise_cast<std::uint32_t>(x); }
SIGMAX_FN vec from_bits(vec_bits u) { return xsimd::bitwise_cast<float>(u); }

#if defined(__riscv) && !defined(__riscv_vector)  // where xsimd's batch is an array, its fma a product and a sum
SIGMAX_FN vec fma(vec a, vec b, vec c) {
  for (std::size_t i = 0; i < vec::size; ++i) a.data[i] = __builtin_fmaf(a.data[i], b.data[i], c.data[i]);
  return a;
}
#else
SIGMAX_FN vec fma(vec a, vec b, vec c) { return xsimd::fma(a, b, c); }
#endif

SIGMAX_FN vec fma_exact(vec a, vec b, vec c) {
  if constexpr (has_fma) {
    return fma(a, b, c);
  } else {
    // Through double: the product is exact there, the sum is rounded to 53 bits and then to 24.
    alignas(64) float p[lanes], q[lanes], r[lanes];
    a.store_aligned(p);
    b.store_aligned(q);
    c.store_aligned(r);
    for (int i = 0; i < lanes; ++i)
      p[i] = static_cast<float>(static_cast<double>(p[i]) * static_cast<double>(q[i]) + static_cast<double>(r[i]));
    return vec::load_aligned(p);
  }
}

/// a + b, where multipliers are idle and adders are not: half of the pipes of a Zen only add, the others take fma.
SIGMAX_FN vec plus(vec a, vec b) {
  if constexpr (has_fma)
    return fma(a, vec(1.0f), b);
  else
    return a + b;
}

#if defined(__riscv)  // whose registers have no operators
SIGMAX_FN vec negate(vec x) { return -x; }
SIGMAX_FN vec divide(vec a, vec b) { return a / b; }
#else
SIGMAX_FN vec negate(vec x) { return vec(-x.data); }  // on the register, so that it melts into an fma
SIGMAX_FN vec divide(vec a, vec b) { return vec(a.data / b.data); }
#endif
SIGMAX_FN vec reciprocal(vec d) { return divide(vec(1.0f), d); }
SIGMAX_FN vec sqrt(vec x) {
#if defined(__aarch64__) && !defined(__ARM_FEATURE_SVE)
  return vec(vsqrtq_f32(x));  // xsimd's is an estimate here, as its division is
#else
  return xsimd::sqrt(x);
#endif
}
SIGMAX_FN vec select(vec_mask condition, vec yes, vec no) { return xsimd::select(condition, yes, no); }
SIGMAX_FN vec abs(vec x) { return from_bits(bits_of(x) & vec_bits(0x7fffffffu)); }
SIGMAX_FN vec with_sign(vec magnitude, vec sign) {
  return from_bits(bits_of(magnitude) | (bits_of(sign) & vec_bits(0x80000000u)));
}

// xsimd's min and max return a NaN in their first argument on x86 (the instruction returns its second operand, which
// xsimd makes the first argument); NEON's and SVE's return any NaN, RISC-V's none. The tests hold this on every row.
#if defined(__riscv)
SIGMAX_FN vec at_least(vec x, vec bound) { return select(x < bound, bound, x); }
SIGMAX_FN vec at_most(vec x, vec bound) { return select(x > bound, bound, x); }
#else
SIGMAX_FN vec at_least(vec x, vec bound) { return xsimd::max(x, bound); }
SIGMAX_FN vec at_most(vec x, vec bound) { return xsimd::min(x, bound); }
#endif

/// The larger of a and x, a where x is NaN or equal.
SIGMAX_FN vec larger(vec a, vec x) {
#if defined(__SSE2__)
  return xsimd::max(a, x);  // one instruction, see above
#else
  return select(x > a, x, a);
#endif
}

/// The smaller of a and x, a where x is NaN or equal.
SIGMAX_FN vec smaller(vec a, vec x) {
#if defined(__SSE2__)
  return xsimd::min(a, x);
#else
  return select(x < a, x, a);
#endif
}

SIGMAX_FN vec power_of_two(vec t) { return from_bits(bits_of(t) << 23); }

}  // namespace
}  // namespace sigmax
