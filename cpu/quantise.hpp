// Rows of f32 to 8-bit codes, and the largest magnitude of a row.
#pragma once

#include "../kernels/quantise.hpp"

namespace sigmax {
namespace {

template <class T>
void quantise(const float* __restrict x, void* q, std::int64_t stride, std::int64_t n, float scale) noexcept {
  T* __restrict p = static_cast<T*>(q);
  if (stride == 1)
    for (std::int64_t i = 0; i < n; ++i) quantise_one(divide(x[i], scale), p[i]);
  else
    for (std::int64_t i = 0; i < n; ++i) quantise_one(divide(x[i], scale), p[i * stride]);
}

inline float row_amax(const float* x, std::int64_t n, float bound) noexcept {
  std::uint32_t best = bits_of(bound);  // bits of positive floats are in the order of the floats
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t magnitude = bits_of(x[i]) & 0x7fffffffu, finite = magnitude < 0x7f800000u ? magnitude : 0;
    best = best < finite ? finite : best;
  }
  return from_bits(best);
}

}  // namespace
}  // namespace sigmax
