// How a struct states its parameters.
#pragma once

#include <type_traits>

#include "../value.hpp"
#include "sigmax/sigmax.hpp"

namespace sigmax {
namespace {

inline constexpr float largest = 0x1.fffffep127f, infinity = __builtin_inff();
inline constexpr float any_low = -largest, any_high = largest;
/// Factors of x inside an exponential stay within these, so that clamps written in terms of x stay exact and no
/// scaled intermediate overflows.
inline constexpr float smallest_factor = 0x1p-20f, largest_factor = 0x1p20f;

/// An op may have a second form, `fast(x)`, and its bound; elsewhere one form serves both tiers.
template <class Op>
concept has_fast_form = requires {
  Op::bound_fast;
};
template <class Op>
inline constexpr accuracy fastest = has_fast_form<Op> ? accuracy::fast : accuracy::high;

/// Whether results of the 16-bit type T may come from the fast form where both forms round to the same number. It has
/// to hold its bound, in ULP of the result, from `fast_from()` up, or for every x if the op has no such function; from
/// there on results are normal numbers whatever the parameters, for a gate multiplies what the last unit of a subnormal
/// loses. An op whose fast form does not has a `fast_with_tail` in its place. False also where both forms are so close
/// in speed that the test whether the fast one rounds right costs more than it saves.
template <class Op, class T>
inline constexpr bool fast_serves = has_fast_form<Op>;

/// Whether results are arguments, or numbers that every dtype has.
template <class Op>
inline constexpr bool keeps_dtype = false;

/// An op made of sums and products can tell what the rounding of its result left out, up to a positive factor.
template <class Op, class V>
concept has_residual = requires(const Op& op, V v) {
  op.residual(v, v);
};

struct no_parameters {
  static constexpr const parameter_info* begin() { return nullptr; }
  static constexpr const parameter_info* end() { return nullptr; }
};

/// The op with these parameters: they are its only data members, in the public order.
template <class Op>
SIGMAX_FN Op make(const parameters& p) {
  constexpr std::size_t count = std::extent_v<decltype(Op::params)>;
  if constexpr (count == 0)
    return Op{};
  else if constexpr (count == 1)
    return Op{p.first};
  else
    return Op{p.first, p.second};
}

}  // namespace
}  // namespace sigmax
