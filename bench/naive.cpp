// Compiled with -O3 and no -m flag (CMakeLists.txt): the compiler may vectorise what a distribution's build could. And
// once more, under another name and with other flags, as the peer in peers/libmvec.cpp.
#include "naive.hpp"

#include "storage.hpp"

#include <cmath>
#include <limits>
#include <type_traits>

namespace sigmax_bench {
namespace {

using sigmax::activation;
using sigmax::gate;

constexpr float pi = 3.14159265358979f;

float clamped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
float softplus(float x) { return std::log(1.0f + std::exp(x)); }
float cdf(float x) { return 0.5f * (1.0f + std::erf(x / std::sqrt(2.0f))); }
float pdf(float x) { return std::exp(-0.5f * x * x) / std::sqrt(2.0f * pi); }
float gelu_tanh_t(float x) { return std::tanh(std::sqrt(2.0f / pi) * (x + 0.044715f * x * x * x)); }

// a and b are the op's parameters in the order of describe(). `each(f)` runs f over the elements. No case for a new
// op is not an error: its ratio stays empty until somebody writes the naive loop.
template <class Each>
bool forward(activation op, float a, float b, Each each) {
  constexpr float selu_alpha = 1.67326324f, selu_scale = 1.05070099f;
  switch (op) {
    case activation::linear: return each([=](float x) { return a * x + b; });
    case activation::relu: return each([](float x) { return x > 0 ? x : 0.0f; });
    case activation::relu6: return each([](float x) { return x < 0 ? 0.0f : x > 6 ? 6.0f : x; });
    case activation::clip: return each([=](float x) { return x < a ? a : x > b ? b : x; });
    case activation::leaky_relu: return each([=](float x) { return x > 0 ? x : a * x; });
    case activation::thresholded_relu: return each([=](float x) { return x > a ? x : 0.0f; });
    case activation::squared_relu: return each([](float x) { return x > 0 ? x * x : 0.0f; });
    case activation::elu: return each([=](float x) { return x > 0 ? x : a * (std::exp(x) - 1); });
    case activation::celu: return each([=](float x) { return x > 0 ? x : a * (std::exp(x / a) - 1); });
    case activation::selu:
      return each([](float x) { return selu_scale * (x > 0 ? x : selu_alpha * (std::exp(x) - 1)); });
    case activation::gelu: return each([](float x) { return x * cdf(x); });
    case activation::gelu_tanh: return each([](float x) { return 0.5f * x * (1 + gelu_tanh_t(x)); });
    case activation::quick_gelu: return each([=](float x) { return x * sigmoid(a * x); });
    case activation::silu: return each([=](float x) { return x * sigmoid(a * x); });
    case activation::hard_sigmoid: return each([=](float x) { return clamped(a * x + b, 0, 1); });
    case activation::hard_swish: return each([](float x) { return x * clamped(x / 6 + 0.5f, 0, 1); });
    case activation::sigmoid: return each(sigmoid);
    case activation::log_sigmoid: return each([](float x) { return -softplus(-x); });
    case activation::tanh: return each([](float x) { return std::tanh(x); });
    case activation::softcap: return each([=](float x) { return a * std::tanh(x / a); });
    case activation::tanhshrink: return each([](float x) { return x - std::tanh(x); });
    case activation::softplus: return each([=](float x) { return softplus(a * x) / a; });
    case activation::softsign: return each([](float x) { return x / (1 + std::fabs(x)); });
    case activation::shrink: return each([=](float x) { return x < -a ? x + b : x > a ? x - b : 0.0f; });
    case activation::mish: return each([](float x) { return x * std::tanh(softplus(x)); });
    case activation::squareplus: return each([=](float x) { return 0.5f * (x + std::sqrt(x * x + a)); });
    case activation::exp: return each([](float x) { return std::exp(x); });
    default: return false;
  }
}

template <class Each>
bool derivative(activation op, float a, float b, Each each) {
  constexpr float selu_alpha = 1.67326324f, selu_scale = 1.05070099f;
  const auto swish = [](float x, float beta) {
    const float s = sigmoid(beta * x);
    return s * (1 + beta * x * (1 - s));
  };
  switch (op) {
    case activation::linear: return each([=](float) { return a; });
    case activation::relu: return each([](float x) { return x > 0 ? 1.0f : 0.0f; });
    case activation::relu6: return each([](float x) { return x > 0 && x < 6 ? 1.0f : 0.0f; });
    case activation::clip: return each([=](float x) { return x > a && x < b ? 1.0f : 0.0f; });
    case activation::leaky_relu: return each([=](float x) { return x > 0 ? 1.0f : a; });
    case activation::thresholded_relu: return each([=](float x) { return x > a ? 1.0f : 0.0f; });
    case activation::squared_relu: return each([](float x) { return x > 0 ? 2 * x : 0.0f; });
    case activation::elu: return each([=](float x) { return x > 0 ? 1.0f : a * std::exp(x); });
    case activation::celu: return each([=](float x) { return x > 0 ? 1.0f : std::exp(x / a); });
    case activation::selu: return each([](float x) { return selu_scale * (x > 0 ? 1.0f : selu_alpha * std::exp(x)); });
    case activation::gelu: return each([](float x) { return cdf(x) + x * pdf(x); });
    case activation::gelu_tanh:
      return each([](float x) {
        const float t = gelu_tanh_t(x);
        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * std::sqrt(2.0f / pi) * (1 + 0.134145f * x * x);
      });
    case activation::quick_gelu: return each([=](float x) { return swish(x, a); });
    case activation::silu: return each([=](float x) { return swish(x, a); });
    case activation::hard_sigmoid: return each([=](float x) { return a * x + b > 0 && a * x + b < 1 ? a : 0.0f; });
    case activation::hard_swish: return each([](float x) { return x <= -3 ? 0.0f : x >= 3 ? 1.0f : x / 3 + 0.5f; });
    case activation::sigmoid:
      return each([](float x) {
        const float s = sigmoid(x);
        return s * (1 - s);
      });
    case activation::log_sigmoid: return each([](float x) { return sigmoid(-x); });
    case activation::tanh: return each([](float x) { return 1 - std::tanh(x) * std::tanh(x); });
    case activation::softcap: return each([=](float x) { return 1 - std::tanh(x / a) * std::tanh(x / a); });
    case activation::tanhshrink: return each([](float x) { return std::tanh(x) * std::tanh(x); });
    case activation::softplus: return each([=](float x) { return sigmoid(a * x); });
    case activation::softsign: return each([](float x) { return 1 / ((1 + std::fabs(x)) * (1 + std::fabs(x))); });
    case activation::shrink: return each([=](float x) { return x < -a || x > a ? 1.0f : 0.0f; });
    case activation::mish:
      return each([](float x) {
        const float t = std::tanh(softplus(x));
        return t + x * sigmoid(x) * (1 - t * t);
      });
    case activation::squareplus: return each([=](float x) { return 0.5f * (1 + x / std::sqrt(x * x + a)); });
    case activation::exp: return each([](float x) { return std::exp(x); });
    default: return false;
  }
}

template <class Each>
bool gated(gate op, float p, float limit, Each each) {
  switch (op) {
    case gate::glu: return each([](float a, float b) { return a * sigmoid(b); });
    case gate::swiglu:
    case gate::geglu_quick: return each([=](float a, float b) { return a * sigmoid(p * a) * b; });
    case gate::mul_and_silu: return each([=](float a, float b) { return a * b * sigmoid(p * b); });
    case gate::geglu: return each([](float a, float b) { return a * cdf(a) * b; });
    case gate::geglu_tanh: return each([](float a, float b) { return 0.5f * a * (1 + gelu_tanh_t(a)) * b; });
    case gate::reglu: return each([](float a, float b) { return a > 0 ? a * b : 0.0f; });
    case gate::swiglu_oai:
      return each([=](float a, float b) {
        const float g = a < limit ? a : limit, u = clamped(b, -limit, limit);
        return (u + 1) * g * sigmoid(p * g);
      });
    case gate::fatrelu_and_mul: return each([=](float a, float b) { return a > p ? a * b : 0.0f; });
    default: return false;
  }
}

template <class T>
void softmax_row(bool logarithm, const T* x, T* y, std::int64_t cols) {
  float max = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < cols; ++i) max = load(x[i]) > max ? load(x[i]) : max;
  constexpr bool keeps = std::is_same_v<T, float>;  // 16 bits would round what is kept
  float sum = 0;
  for (std::int64_t i = 0; i < cols; ++i) {
    const float e = std::exp(load(x[i]) - max);
    if (keeps && !logarithm) y[i] = store<T>(e);
    sum += e;
  }
  const float log_sum = std::log(sum);
  for (std::int64_t i = 0; i < cols; ++i) {
    const float shifted = logarithm || !keeps ? load(x[i]) - max : 0;
    y[i] = store<T>(logarithm ? shifted - log_sum : (keeps ? load(y[i]) : std::exp(shifted)) / sum);
  }
}

template <class T>
bool run(const operation& op, const T* x, const T* dy, T* y, std::int64_t begin, std::int64_t end, std::int64_t cols) {
  if (op.by_rows() && !op.plain_softmax()) return false;  // naive_rows.cpp
  if (op.by_rows()) {
    for (std::int64_t row = begin; row < end; ++row) {
      softmax_row(op.kind == op_kind::log_softmax, x + row * cols, y + row * cols, cols);
    }
    return true;
  }
  const bool of_gate = op.kind == op_kind::gated;
  const auto defaults = of_gate ? sigmax::describe(op.gate).parameters : sigmax::describe(op.function).parameters;
  const float a = !defaults.empty() ? defaults[0].default_value : 0.0f;
  const float b = defaults.size() > 1 ? defaults[1].default_value : 0.0f;
  if (of_gate) {
    return gated(op.gate, a, b, [=](auto f) {
      for (std::int64_t i = begin; i < end; ++i) y[i] = store<T>(f(load(x[i]), load(dy[i])));
      return true;
    });
  }
  if (op.kind == op_kind::activation) {
    return forward(op.function, a, b, [=](auto f) {
      for (std::int64_t i = begin; i < end; ++i) y[i] = store<T>(f(load(x[i])));
      return true;
    });
  }
  return derivative(op.function, a, b, [=](auto f) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = store<T>(load(dy[i]) * f(load(x[i])));
    return true;
  });
}

template <class T>
bool run(const operation& op, const void* x, const void* dy, void* y, std::int64_t begin, std::int64_t end,
         std::int64_t cols) {
  return run(op, static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(y), begin, end, cols);
}

}  // namespace

#ifndef SIGMAX_BENCH_NAIVE
#define SIGMAX_BENCH_NAIVE run_naive
#endif
bool SIGMAX_BENCH_NAIVE(const operation& op, sigmax::dtype type, const void* x, const void* dy, void* y,
                        std::int64_t begin, std::int64_t end, std::int64_t cols) {
  switch (type) {
    case sigmax::dtype::f32: return run<float>(op, x, dy, y, begin, end, cols);
    case sigmax::dtype::f16: return run<sigmax::float16>(op, x, dy, y, begin, end, cols);
    case sigmax::dtype::bf16: return run<sigmax::bfloat16>(op, x, dy, y, begin, end, cols);
    default: return false;
  }
}

}  // namespace sigmax_bench
