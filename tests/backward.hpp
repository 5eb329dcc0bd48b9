// What the tests of backward passes share: numbers to feed them, errors, numerical differentiation.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;
using real = long double;

inline std::vector<float> normal(std::size_t n, float mean, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(mean, deviation);
  std::vector<float> x(n);
  for (float& v : x) v = distribution(random);
  return x;
}
inline view along(std::vector<float>& v) { return {v.data(), std::ssize(v)}; }
inline const_view along(const std::vector<float>& v) { return {v.data(), std::ssize(v)}; }
inline bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_bits);
}

/// In units of the last place of `size`.
inline double error_in_ulp(float got, real exact, real size) {
  return static_cast<double>(std::fabs(static_cast<real>(got) - exact) /
                             reference::unit_of(std::fmax(std::fabs(size), 0x1p-126L)));
}

/// d/dx_i of f at x, by central differences in long double.
template <class F>
real difference(std::vector<real> x, std::size_t i, F f) {
  const real h = 1e-6L, at = x[i];
  x[i] = at + h;
  const real above = f(x);
  x[i] = at - h;
  return (above - f(x)) / (2 * h);
}
inline std::vector<real> probabilities(const std::vector<real>& x) {
  std::vector<real> p(x.size());
  real sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += p[i] = std::exp(x[i]);
  for (real& v : p) v /= sum;
  return p;
}

}  // namespace
}  // namespace sigmax_test
