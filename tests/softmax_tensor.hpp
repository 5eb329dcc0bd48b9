// The tensors of the tests of softmax in a form: 2 x 3 x 5 rows along the last axis.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "harness.hpp"

namespace sigmax_test {
namespace {

constexpr float inf = INFINITY;
constexpr int last = 3;

/// batch x head x query x key, one dense row-major tensor, or with keys outermost.
struct tensor {
  std::int64_t shape[4];
  std::int64_t strides[4];
  std::vector<float> data;

  tensor(std::int64_t n, bool transposed, float fill = 0) : shape{2, 3, 5, n} {
    const std::int64_t dense[] = {15 * n, 5 * n, n, 1}, keys_first[] = {15, 5, 1, 30};
    std::copy_n(transposed ? keys_first : dense, 4, strides);
    data.assign(static_cast<std::size_t>(30 * n), fill);
  }
  float& at(std::int64_t b, std::int64_t h, std::int64_t q, std::int64_t k) {
    return data[static_cast<std::size_t>(b * strides[0] + h * strides[1] + q * strides[2] + k * strides[3])];
  }
  std::int64_t columns() const { return shape[3]; }
  operator const_view() const { return {data.data(), dtype::f32, shape, strides}; }
  operator view() { return {data.data(), dtype::f32, shape, strides}; }
};

template <class F>
void for_each_row(F f) {
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t h = 0; h < 3; ++h)
      for (std::int64_t q = 0; q < 5; ++q) f(b, h, q);
}

tensor random_tensor(std::int64_t n, bool transposed, float deviation, unsigned seed) {
  tensor t(n, transposed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  for_each_row([&](auto b, auto h, auto q) {
    for (std::int64_t k = 0; k < n; ++k) t.at(b, h, q, k) = normal(random);
  });
  return t;
}

/// One value for each of the 30 rows, in their order.
struct row_values {
  std::vector<float> data = std::vector<float>(30);
  std::int64_t shape[4] = {2, 3, 5, 1};
  operator const_view() const { return {data.data(), dtype::f32, shape}; }
  operator view() { return {data.data(), dtype::f32, shape}; }
};

}  // namespace
}  // namespace sigmax_test
