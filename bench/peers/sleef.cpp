// SLEEF: its functions of 1.0 ULP, composed as the formulas are printed in papers. Compiled once for each ISA.
#include "../peer.hpp"

#include <immintrin.h>
#include <sleef.h>

#include <cstring>

namespace sigmax_bench {
namespace {

#ifdef __AVX512F__
using vector = __m512;
#define SIGMAX_SLEEF(name) Sleef_##name##f16_u10avx512f
#else
using vector = __m256;
#define SIGMAX_SLEEF(name) Sleef_##name##f8_u10avx2
#endif

vector exp_of(vector x) { return SIGMAX_SLEEF(exp)(x); }
vector tanh_of(vector x) { return SIGMAX_SLEEF(tanh)(x); }
vector logistic(vector x) { return 1.0f / (1.0f + exp_of(-x)); }
// In the form that does not overflow.
vector log1p_exp(vector x) {
  const vector above = x > 0.0f ? x : vector{};
  return above + SIGMAX_SLEEF(log1p)(exp_of(x > 0.0f ? -x : x));
}
vector expm1_if_negative(vector x) { return x < 0.0f ? SIGMAX_SLEEF(expm1)(x) : x; }

template <class F>
peer_loop loop(F) {
  return [](const float* x, float* y, std::int64_t rows, std::int64_t cols) {
    constexpr std::int64_t lanes = sizeof(vector) / sizeof(float);
    const std::int64_t n = rows * cols, whole = n - n % lanes;
    vector v{};
    for (std::int64_t i = 0; i < whole; i += lanes) {
      std::memcpy(&v, x + i, sizeof v);
      v = F{}(v);
      std::memcpy(y + i, &v, sizeof v);
    }
    const auto rest = static_cast<std::size_t>(n - whole) * sizeof(float);
    if (rest == 0) return;
    v = vector{};
    std::memcpy(&v, x + whole, rest);
    v = F{}(v);
    std::memcpy(y + whole, &v, rest);
  };
}

peer_loop find(const operation& op) {
  using a = sigmax::activation;
  if (op.kind != op_kind::activation) return nullptr;
  switch (op.function) {
    case a::exp: return loop([](vector x) { return exp_of(x); });
    case a::tanh: return loop([](vector x) { return tanh_of(x); });
    case a::tanhshrink: return loop([](vector x) { return x - tanh_of(x); });
    case a::softcap: return loop([](vector x) { return 50.0f * tanh_of(x * 0.02f); });
    case a::sigmoid: return loop([](vector x) { return logistic(x); });
    case a::silu: return loop([](vector x) { return x * logistic(x); });
    case a::quick_gelu: return loop([](vector x) { return x * logistic(1.702f * x); });
    case a::gelu: return loop([](vector x) { return 0.5f * x * (1.0f + SIGMAX_SLEEF(erf)(x * 0.70710678f)); });
    case a::gelu_tanh:
      return loop([](vector x) { return 0.5f * x * (1.0f + tanh_of(0.79788456f * (x + 0.044715f * x * x * x))); });
    case a::softplus: return loop([](vector x) { return log1p_exp(x); });
    case a::log_sigmoid: return loop([](vector x) { return -log1p_exp(-x); });
    case a::mish: return loop([](vector x) { return x * tanh_of(log1p_exp(x)); });
    case a::elu:
    case a::celu: return loop([](vector x) { return expm1_if_negative(x); });
    case a::selu:
      return loop([](vector x) { return 1.05070099f * (x < 0.0f ? 1.67326324f * expm1_if_negative(x) : x); });
    default: return nullptr;
  }
}

#define SIGMAX_TEXT_OF(major, minor, patch) #major "." #minor "." #patch
#define SIGMAX_TEXT(major, minor, patch) SIGMAX_TEXT_OF(major, minor, patch)
constexpr const char* version = SIGMAX_TEXT(SLEEF_VERSION_MAJOR, SLEEF_VERSION_MINOR, SLEEF_VERSION_PATCHLEVEL);

}  // namespace

#ifdef __AVX512F__
peer_loops sleef_avx512f() { return {version, find}; }
#else
peer_loops sleef_avx2() { return {version, find}; }
#endif

}  // namespace sigmax_bench
