// y[i] = f(x[i]) over contiguous memory, two batches a turn, the end and the unaligned beginning through the same f.
#pragma once

#include <cstddef>
#include <type_traits>

#include "load_store.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/math.hpp"

namespace sigmax {
namespace {

/// How far ahead of the loads a streaming loop asks for its input, in bytes. See cpu/README.md.
inline constexpr std::size_t prefetch_distance = 4096;

template <bool streaming, class T, class F>
SIGMAX_FN void map(const T* x, T* y, std::int64_t n, F f) {
  std::int64_t i = 0;
  if constexpr (streaming) {
    for (const std::int64_t head = elements_to_alignment(y, n); i < head;) {
      std::int64_t count = head - i < pair_size - 1 ? head - i : pair_size - 1;
      store_partial(y + i, f(i, load_partial(x + i, count), count), count);
      i += count;
    }
  }
  for (; i + pair_size <= n; i += pair_size) {
    if constexpr (streaming) {
      for (std::size_t line = 0; line < pair_size * sizeof(T); line += 64)
        __builtin_prefetch(reinterpret_cast<const std::byte*>(x + i) + prefetch_distance + line);
    }
    store<streaming>(y + i, f(i, load(x + i), std::int64_t{pair_size}));
  }
  if (i < n) store_partial(y + i, f(i, load_partial(x + i, n - i), n - i), n - i);
  if constexpr (streaming) finish_streaming();
}

template <class Op>
SIGMAX_FN Op make(const parameters& p) {  // an op's parameters are its only data members, in the public order
  constexpr std::size_t count = std::extent_v<decltype(Op::params)>;
  if constexpr (count == 0)
    return Op{};
  else if constexpr (count == 1)
    return Op{p.first};
  else
    return Op{p.first, p.second};
}

template <class Op>
concept has_residual = requires(const Op& op, vec v) {
  op.residual(v, v);
};

/// op(x); `once_more` if a 16-bit type shall hold it: rounded to odd then, where the op can tell its exact value.
template <bool once_more, accuracy tier, class Op>
SIGMAX_FN vec evaluate(const Op& op, vec x) {
  if constexpr (tier == accuracy::fast) {
    return op.fast(x);
  } else {
    vec y = op(x);
    if constexpr (once_more && has_residual<Op>) y = math::round_to_odd(y, op.residual(x, y));
    return y;
  }
}

template <class Op, class T, bool once_more, accuracy tier>
void forward(const void* x, void* y, std::int64_t n, const parameters& p, bool streaming) noexcept {
  const Op op = make<Op>(p);
  auto f = [op](std::int64_t, pair v, std::int64_t) __attribute__((always_inline)) {
    return pair{evaluate<once_more, tier>(op, v.first), evaluate<once_more, tier>(op, v.second)};
  };
  if (streaming)
    map<true>(static_cast<const T*>(x), static_cast<T*>(y), n, f);
  else
    map<false>(static_cast<const T*>(x), static_cast<T*>(y), n, f);
}

template <class Op>
void gradient(const float* dy, const float* x, float* dx, std::int64_t n, const parameters& p,
              bool streaming) noexcept {
  const Op op = make<Op>(p);
  auto f = [ op, dy ](std::int64_t i, pair v, std::int64_t count) __attribute__((always_inline)) {
    pair g = count == pair_size ? load(dy + i) : load_partial(dy + i, count);
    return pair{g.first * op.derivative(v.first), g.second * op.derivative(v.second)};
  };
  if (streaming)
    map<true>(x, dx, n, f);
  else
    map<false>(x, dx, n, f);
}

template <class T>
void gather(const void* x, std::int64_t stride, std::int64_t n, float* out) noexcept {
  const T* p = static_cast<const T*>(x);
  if (stride == 1)
    for (std::int64_t i = 0; i < n; ++i) out[i] = to_float(p[i]);
  else
    for (std::int64_t i = 0; i < n; ++i) out[i] = to_float(p[i * stride]);
}

template <class T>
void scatter(const float* x, void* out, std::int64_t stride, std::int64_t n) noexcept {
  T* p = static_cast<T*>(out);
  if (stride == 1)
    for (std::int64_t i = 0; i < n; ++i) from_float(x[i], p[i]);
  else
    for (std::int64_t i = 0; i < n; ++i) from_float(x[i], p[i * stride]);
}

}  // namespace
}  // namespace sigmax
