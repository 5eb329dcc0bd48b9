// The vocabulary of kernels/value.hpp for two values at once, batches or such pairs again: what a formula does to one
// it does to the other in the next instruction, so that neither waits for its own chain. Included before any formula.
#pragma once

#include "batch.hpp"

namespace sigmax {
namespace {

template <class V>
struct two {
  using value_type = typename V::value_type;
  static constexpr int size = 2 * static_cast<int>(V::size);
  V first, second;
  two() = default;
  SIGMAX_FN two(V a, V b) : first(a), second(b) {}
  SIGMAX_FN explicit two(value_type both) : first(both), second(both) {}
};
using pair = two<vec>;

#define SIGMAX_OPERATOR(sign)                                 \
  template <class V>                                          \
  SIGMAX_FN auto operator sign(two<V> a, two<V> b) {          \
    return two{a.first sign b.first, a.second sign b.second}; \
  }
SIGMAX_OPERATOR(+)
SIGMAX_OPERATOR(-)
SIGMAX_OPERATOR(*)
SIGMAX_OPERATOR(|)
SIGMAX_OPERATOR(^)
SIGMAX_OPERATOR(&)
SIGMAX_OPERATOR(<)
SIGMAX_OPERATOR(>)
SIGMAX_OPERATOR(<=)
SIGMAX_OPERATOR(==)
#undef SIGMAX_OPERATOR
#define SIGMAX_WORD(word)                                                     \
  template <class V, class... Twos>                                           \
  SIGMAX_FN auto word(two<V> x, Twos... more) {                               \
    return two{word(x.first, more.first...), word(x.second, more.second...)}; \
  }
SIGMAX_WORD(bits_of)
SIGMAX_WORD(fma)
SIGMAX_WORD(fma_exact)
SIGMAX_WORD(plus)
SIGMAX_WORD(negate)
SIGMAX_WORD(divide)
SIGMAX_WORD(reciprocal)
SIGMAX_WORD(sqrt)
SIGMAX_WORD(abs)
SIGMAX_WORD(with_sign)
SIGMAX_WORD(at_least)
SIGMAX_WORD(at_most)
SIGMAX_WORD(power_of_two)
#undef SIGMAX_WORD
template <class U>
SIGMAX_FN auto from_bits(two<U> u) {
  return two{from_bits(u.first), from_bits(u.second)};
}
template <class M, class V>
SIGMAX_FN two<V> select(two<M> condition, two<V> yes, two<V> no) {
  return {select(condition.first, yes.first, no.first), select(condition.second, yes.second, no.second)};
}

}  // namespace
}  // namespace sigmax
