// SLEEF: its AVX2 functions of 1.0 ULP, composed as the formulas are printed in papers.
#include "../peer.hpp"

#include <immintrin.h>
#include <sleef.h>

namespace sigmax_bench {
namespace {

__m256 value(float v) { return _mm256_set1_ps(v); }
__m256 negative(__m256 x) { return _mm256_sub_ps(_mm256_setzero_ps(), x); }
__m256 logistic(__m256 x) { return value(1) / (value(1) + Sleef_expf8_u10avx2(negative(x))); }
__m256 log1p_exp(__m256 x) { return Sleef_log1pf8_u10avx2(Sleef_expf8_u10avx2(x)); }
__m256 expm1_if_negative(__m256 x) {
  return _mm256_blendv_ps(x, Sleef_expm1f8_u10avx2(x), x);  // by the sign bit
}

template <class F>
peer_call loop(const extent& size, F f) {
  return [n = size.elements(), f](const float* x, float* y) {
    for (std::int64_t i = 0; i < n; i += 8) {
      if (n - i >= 8) {
        _mm256_storeu_ps(y + i, f(_mm256_loadu_ps(x + i)));
      } else {
        alignas(32) float rest[8] = {};
        for (std::int64_t k = i; k < n; ++k) rest[k - i] = x[k];
        _mm256_store_ps(rest, f(_mm256_load_ps(rest)));
        for (std::int64_t k = i; k < n; ++k) y[k] = rest[k - i];
      }
    }
  };
}

peer_call make(const operation& op, const extent& size) {
  using enum sigmax::activation;
  if (op.kind != op_kind::activation) return {};
  switch (op.function) {
    case sigmax::activation::exp: return loop(size, [](__m256 x) { return Sleef_expf8_u10avx2(x); });
    case sigmax::activation::tanh: return loop(size, [](__m256 x) { return Sleef_tanhf8_u10avx2(x); });
    case sigmax::activation::sigmoid: return loop(size, [](__m256 x) { return logistic(x); });
    case silu: return loop(size, [](__m256 x) { return x * logistic(x); });
    case quick_gelu: return loop(size, [](__m256 x) { return x * logistic(value(1.702f) * x); });
    case gelu:
      return loop(size,
                  [](__m256 x) { return value(0.5f) * x * (value(1) + Sleef_erff8_u10avx2(x * value(0.70710678f))); });
    case gelu_tanh:
      return loop(size, [](__m256 x) {
        const __m256 u = value(0.79788456f) * (x + value(0.044715f) * x * x * x);
        return value(0.5f) * x * (value(1) + Sleef_tanhf8_u10avx2(u));
      });
    case sigmax::activation::softplus: return loop(size, [](__m256 x) { return log1p_exp(x); });
    case log_sigmoid: return loop(size, [](__m256 x) { return negative(log1p_exp(negative(x))); });
    case sigmax::activation::elu:
    case celu: return loop(size, [](__m256 x) { return expm1_if_negative(x); });
    case mish: return loop(size, [](__m256 x) { return x * Sleef_tanhf8_u10avx2(log1p_exp(x)); });
    case tanhshrink: return loop(size, [](__m256 x) { return x - Sleef_tanhf8_u10avx2(x); });
    default: return {};
  }
}

}  // namespace

peer sleef_peer() {
  const bool usable = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const std::string version = std::to_string(SLEEF_VERSION_MAJOR) + "." + std::to_string(SLEEF_VERSION_MINOR) + "." +
                              std::to_string(SLEEF_VERSION_PATCHLEVEL);
  return {"sleef", version, usable ? make : nullptr};
}

}  // namespace sigmax_bench
