// The sum of a row's values; kernels/softmax_state.hpp fixes the order of every addition.
#pragma once

#include <algorithm>

#include "load_store.hpp"
#include "../kernels/softmax_state.hpp"

namespace sigmax {
namespace {

SIGMAX_FN void add_exact(vec& high, vec& low, vec x) {
  vec s = high + x;
  vec b = s - high;
  low = low + ((high - (s - b)) + (x - b));
  high = s;
}

/// Adds to a lane; `started`: where it began is above every value.
template <bool started>
SIGMAX_FN void add(vec& high, vec& low, vec x) {
  if constexpr (started) {
    vec s = high + x;
    low = low + (x - (s - high));
    high = s;
  } else {
    add_exact(high, low, x);
  }
}

/// A pair of the virtual lanes, in registers.
struct lane_pair {
  pair high, low;
  explicit SIGMAX_FN lane_pair(vec start) : high{start, start}, low{vec(0.0f), vec(0.0f)} {}
  explicit SIGMAX_FN lane_pair(const softmax_sum& sum, int l)
      : high{vec::load_aligned(sum.high + l), vec::load_aligned(sum.high + l + lanes)},
        low{vec::load_aligned(sum.low + l), vec::load_aligned(sum.low + l + lanes)} {}
  template <bool started>
  SIGMAX_FN void take(pair v) {
    add<started>(high.first, low.first, v.first);
    add<started>(high.second, low.second, v.second);
  }
  SIGMAX_FN void keep(softmax_sum& sum, int l) const {
    high.first.store_aligned(sum.high + l);
    high.second.store_aligned(sum.high + l + lanes);
    low.first.store_aligned(sum.low + l);
    low.second.store_aligned(sum.low + l + lanes);
  }
};

/// For all n of a chunk value(first(i, count), i, count, add) adds the `count` values from i on. Beyond `count` a pair
/// must hold zeros. `together`: what is half a turn apart is added before it goes to its lane. `begin`: the sum is yet
/// to begin, at *begin. Unless `together`, the first steps of a pair go before the value of the pair in front of it:
/// its steps depend on one another, and more of them than a core looks ahead.
template <bool started, bool together, class First, class Value>
SIGMAX_FN void sum_row(std::int64_t n, softmax_sum& sum, const float* begin, First first, Value value) {
  static_assert(softmax_lanes % pair_size == 0);
  constexpr std::int64_t whole = pair_size;
  constexpr bool in_registers = softmax_lanes == pair_size;  // all lanes
  // A piece of the row that stays in the L1 cache, and of that one pair of lanes after the other.
  for (std::int64_t start = 0; start < n; start += softmax_block) {
    const std::int64_t end = in_registers || start + softmax_block >= n ? n : start + softmax_block;
    for (int l = 0; l < softmax_lanes && start + l < end; l += pair_size) {
      lane_pair t = start == 0 && begin != nullptr ? lane_pair(vec(*begin)) : lane_pair(sum, l);
      pair kept;
      const auto add = [&](bool second) __attribute__((always_inline)) {
        return [&t, &kept, second ](pair v) __attribute__((always_inline)) {
          if (together && second) v = {kept.first + v.first, kept.second + v.second};
          if (together && !second)
            kept = v;
          else
            t.template take<started>(v);
        };
      };
      std::int64_t i = start + l;
      if constexpr (together)
        for (; i + softmax_lanes + pair_size <= end; i += softmax_turn) {
          value(first(i, whole), i, whole, add(false));
          value(first(i + softmax_lanes, whole), i + softmax_lanes, whole, add(true));
        }
      if (i < end) {
        std::int64_t count = std::min(end - i, whole);
        auto begun = first(i, count);
        if constexpr (!together)
          for (; i + softmax_lanes + pair_size <= end; i += softmax_lanes) {
            const auto next = first(i + softmax_lanes, whole);
            value(begun, i, whole, add(false));
            begun = next;
          }
        for (bool second = false;; second = !second) {
          value(begun, i, count, add(second));
          i += softmax_lanes;
          if (i >= end) {
            if (together && !second) t.template take<started>(kept);
            break;
          }
          count = std::min(end - i, whole);
          begun = first(i, count);
        }
      }
      t.keep(sum, l);
    }
    if (in_registers) break;
  }
}

using vec_double = xsimd::batch<double, arch>;

/// v<0> to v<count - 1> added as lanes are: the upper half meets the lower one, until `left` are left, of which this is
/// the one at `at`.
template <int count, int left, std::int64_t at = 0, class F>
SIGMAX_FN auto met(F v) {
  if constexpr (left == count)
    return v.template operator()<at>();
  else
    return met<count, 2 * left, at>(v) + met<count, 2 * left, at + left>(v);
}

/// Lane l of `used` meets l + used / 2 ..., in double, until a vector of them is left; the low parts do so in float as
/// far as 16 lanes, which rounds what is 2^-24 of the whole. `low` null: each lane is a value, and started at none.
template <int used>
SIGMAX_FN vec_double lanes_met(const float* high, const float* low, float start) {
  constexpr int width = lanes / 2, count = used / width, single = 16 / width, met_in_float = used / 16;
  static_assert(lanes <= 16 && used >= 16);
  const auto high_part = [&]<std::int64_t at>() __attribute__((always_inline)) {
    return xsimd::widen(vec::load_aligned(high + at / 2 * lanes))[at % 2];
  };
  const auto low_part = [&]<std::int64_t at>() __attribute__((always_inline)) {
    return vec::load_aligned(low + at * lanes);
  };
  const auto part = [&]<std::int64_t at>() __attribute__((always_inline)) {
    vec_double sum = met<count, single, at>(high_part);
    if (low != nullptr)
      sum = (sum - vec_double(static_cast<double>(start) * met_in_float)) +  // exact
            xsimd::widen(met<used / lanes, single / 2, at / 2>(low_part))[at % 2];
    return sum;
  };
  return met<single, 1>(part);
}

double row_total(const softmax_sum& sum) noexcept {
  constexpr int width = lanes / 2;
  alignas(64) double last[width];
  lanes_met<softmax_lanes>(sum.high, sum.low, sum.start).store_aligned(last);
#pragma GCC unroll 4
  for (int half = width / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) last[l] += last[l + half];
  return last[0];
}

template <bool from_memory>
void dot(const float* a, const float* b, std::int64_t n, softmax_sum& sum) noexcept {
  const auto part = [](const float* p, std::int64_t count) __attribute__((always_inline)) {
    if (from_memory) prefetch(p, pair_size);
    return count == pair_size ? load(p) : load_partial(p, count);
  };
  sum_row<false, false>(
      n, sum,
      nullptr, [=](std::int64_t i, std::int64_t count) __attribute__((always_inline)) { return part(a + i, count); },
      [=](pair u, std::int64_t i, std::int64_t count, auto&& add_pair) __attribute__((always_inline)) {
        if (b == nullptr) return add_pair(u);
        const pair v = part(b + i, count), product{u.first * v.first, u.second * v.second};
        add_pair(product);
        add_pair({fma_exact(u.first, v.first, negate(product.first)),
                  fma_exact(u.second, v.second, negate(product.second))});
      });
}
/// With b null, of a alone. What the products lose to rounding is added, too.
void row_dot(const float* a, const float* b, std::int64_t n, softmax_sum& sum, bool from_memory) noexcept {
  (from_memory ? dot<true> : dot<false>)(a, b, n, sum);
}

}  // namespace
}  // namespace sigmax
