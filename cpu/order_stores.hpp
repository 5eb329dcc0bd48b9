// The fence behind non-temporal stores, for code that is compiled for the baseline.
#pragma once

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace sigmax {
namespace {

/// Once a call: makes non-temporal stores visible.
inline void order_streamed_stores() noexcept {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace sigmax
