// Eigen: array expressions, its own functions where it has them and the formulas as printed elsewhere. No select(),
// which it does not vectorise.
#include "../peer.hpp"

#include <Eigen/Core>
#include <unsupported/Eigen/SpecialFunctions>

namespace sigmax_bench {
namespace {

using input = Eigen::Map<const Eigen::ArrayXf>;
using output = Eigen::Map<Eigen::ArrayXf>;

// log(1 + exp(x)) in the form that does not overflow.
constexpr auto log1p_exp = [](const auto& x) { return x.max(0.0f) + (-x.abs()).exp().log1p(); };

template <class F>
peer_loop elementwise(F) {
  return [](const float* x, float* y, std::int64_t rows, std::int64_t cols) {
    output(y, rows * cols) = F{}(input(x, rows * cols));
  };
}

void softmax(const float* x, float* y, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const input in(x + r * cols, cols);
    output out(y + r * cols, cols);
    out = (in - in.maxCoeff()).exp();
    out *= 1 / out.sum();
  }
}

void log_softmax(const float* x, float* y, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const input in(x + r * cols, cols);
    output out(y + r * cols, cols);
    const float max = in.maxCoeff();
    out = in - (max + std::log((in - max).exp().sum()));
  }
}

peer_loop find(const operation& op) {
  if (op.kind == op_kind::softmax) return softmax;
  if (op.kind == op_kind::log_softmax) return log_softmax;
  if (op.kind != op_kind::activation) return nullptr;
  using a = sigmax::activation;
  switch (op.function) {
    case a::linear: return elementwise([](input x) { return 1.0f * x + 0.0f; });
    case a::relu: return elementwise([](input x) { return x.max(0.0f); });
    case a::relu6: return elementwise([](input x) { return x.max(0.0f).min(6.0f); });
    case a::clip: return elementwise([](input x) { return x.max(-1.0f).min(1.0f); });
    case a::leaky_relu: return elementwise([](input x) { return x.max(0.1f * x); });
    case a::squared_relu: return elementwise([](input x) { return x.max(0.0f).square(); });
    case a::elu:
    case a::celu: return elementwise([](input x) { return x.max(0.0f) + x.min(0.0f).expm1(); });
    case a::selu:
      return elementwise([](input x) { return 1.05070099f * (x.max(0.0f) + 1.67326324f * x.min(0.0f).expm1()); });
    case a::gelu: return elementwise([](input x) { return 0.5f * x * (1.0f + (x * 0.70710678f).erf()); });
    case a::gelu_tanh:
      return elementwise([](input x) { return 0.5f * x * (1.0f + (0.79788456f * (x + 0.044715f * x.cube())).tanh()); });
    case a::quick_gelu: return elementwise([](input x) { return x * (1.702f * x).logistic(); });
    case a::silu: return elementwise([](input x) { return x * x.logistic(); });
    case a::hard_sigmoid: return elementwise([](input x) { return (x / 6.0f + 0.5f).max(0.0f).min(1.0f); });
    case a::hard_swish: return elementwise([](input x) { return x * (x / 6.0f + 0.5f).max(0.0f).min(1.0f); });
    case a::sigmoid: return elementwise([](input x) { return x.logistic(); });
    case a::log_sigmoid: return elementwise([](input x) { return x.min(0.0f) - (-x.abs()).exp().log1p(); });
    case a::tanh: return elementwise([](input x) { return x.tanh(); });
    case a::tanhshrink: return elementwise([](input x) { return x - x.tanh(); });
    case a::softcap: return elementwise([](input x) { return 50.0f * (x * 0.02f).tanh(); });
    case a::softplus: return elementwise([](input x) { return log1p_exp(x); });
    case a::softsign: return elementwise([](input x) { return x / (1.0f + x.abs()); });
    case a::mish: return elementwise([](input x) { return x * log1p_exp(x).tanh(); });
    case a::squareplus: return elementwise([](input x) { return 0.5f * (x + (x.square() + 4.0f).sqrt()); });
    case a::exp: return elementwise([](input x) { return x.exp(); });
    default: return nullptr;
  }
}

#define SIGMAX_TEXT_OF(world, major, minor) #world "." #major "." #minor
#define SIGMAX_TEXT(world, major, minor) SIGMAX_TEXT_OF(world, major, minor)

}  // namespace

peer_loops eigen_avx2() { return {SIGMAX_TEXT(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION), find}; }

}  // namespace sigmax_bench
