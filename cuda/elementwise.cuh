// y[i] = op(x[i]) and dx[i] = dy[i] op'(x[i]) in CUDA: one kernel for contiguous memory of one dtype, one for the rest.
#pragma once

#include "../kernels/activations.hpp"
#include "kernels.hpp"
#include "load_store.cuh"
#include "slope_forms.hpp"
#include "sure_forms.hpp"

namespace sigmax {
namespace {

/// op(x) for a result that will be rounded to f32, or once more to 16 bits: then the odd neighbour of the exact value
/// where the op can tell it (cpu/README.md, "16-bit results"; the CPU only does it where it matters, the bits are the
/// same).
template <accuracy tier, class Op, class... Inputs>
SIGMAX_FN float evaluate(const Op& op, bool to_16_bits, Inputs... x) {
  if constexpr (tier == accuracy::fast) {
    return op.fast(x...);
  } else {
    const float y = op(x...);
    if constexpr (has_residual<Op, float>)
      if (to_16_bits) return math::round_to_odd(y, op.residual(x..., y));
    return y;
  }
}

/// Whether y is in the middle between two 16-bit numbers, where what its rounding left out decides.
SIGMAX_FN bool is_middle(float y, bfloat16) { return (bits_of(y) & 0xffffu) == 0x8000; }
SIGMAX_FN bool is_middle(float y, float16) {
  constexpr float smallest = 0x1p-14f;  // normal f16; below it steps are equal, as they are from there to its double
  const float a = abs(y);
  return (bits_of(a < smallest ? a + smallest : a) & 0x1fffu) == 0x1000;
}
SIGMAX_FN bool is_middle(float y, dtype type) {
  return type == dtype::f16 ? is_middle(y, float16{}) : is_middle(y, bfloat16{});
}

template <accuracy tier, class Op, class Type, int n, class... Inputs>
SIGMAX_FN vector evaluate_vector(const Op& op, Type type, const Inputs (&... x)[n]) {
  float y[n];
#pragma unroll
  for (int k = 0; k < n; ++k) y[k] = evaluate<tier>(op, false, x[k]...);
  return pack(y, type);
}

/// The number of `v` whose bit, of one a number, is `bit`.
template <int n>
SIGMAX_FN float chosen(std::uint32_t bit, const float (&v)[n]) {
  float one = v[0];
#pragma unroll
  for (int k = 1; k < n; ++k) one = (bit & 1u << k) != 0 ? v[k] : one;
  return one;
}

/// The number of a vector of 16-bit ones whose bit is `bit`.
template <class Type>
SIGMAX_FN float chosen(std::uint32_t bit, const vector& v, Type type) {
  vector one{{v.word[0]}};
#pragma unroll
  for (int w = 1; w < 4; ++w) one.word[0] = (bit & 3u << 2 * w) != 0 ? v.word[w] : one.word[0];
  one.word[0] = (bit & 0xaau) != 0 ? one.word[0] >> 16 : one.word[0];
  float x[8];
  unpack(one, x, type);
  return x[0];
}

/// `op` for the long form of what is left open. On sm_100 gates would spill.
template <int inputs, class Op>
SIGMAX_FN Op for_long_form(const Op& op) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ / 100 == 10
  if constexpr (inputs > 1) return op;
#endif
  return afresh(op);
}

/// Vectors of results that lie between numbers: where both round to one 16-bit number, that is the result. What that
/// leaves open, a few in a thousand, is computed again one element at a time, so that the longer formula is in the code
/// once: long_form(bit, y) sets the results of the element with that number. One question decides for all.
template <int outputs, class Type, int n, class F>
SIGMAX_FN void settle(const float (&from)[outputs][n], const float (&to)[outputs][n], Type type,
                      vector (&result)[outputs], F long_form) {
  std::uint32_t difference[n / 2], any = 0;
#pragma unroll
  for (int w = 0; w < n / 2; ++w) difference[w] = 0;
#pragma unroll
  for (int o = 0; o < outputs; ++o) {
    result[o] = pack(from[o], type);
    const vector other = pack(to[o], type);
#pragma unroll
    for (int w = 0; w < n / 2; ++w) any |= difference[w] |= result[o].word[w] ^ other.word[w];
  }
  if (any == 0) return;
  std::uint32_t again = 0;
#pragma unroll
  for (int k = 0; k < n; ++k) again |= (difference[k / 2] & 0xffffu << k % 2 * 16) != 0 ? 1u << k : 0u;
#pragma unroll 1
  for (; again != 0; again &= again - 1) {
    const std::uint32_t bit = again & (0u - again);
    float y[outputs];
    long_form(bit, y);
#pragma unroll
    for (int o = 0; o < outputs; ++o) {
      const float first[n] = {y[o]};
      const std::uint32_t one = pack(first, type).word[0] & 0xffffu;
#pragma unroll
      for (int k = 0; k < n; ++k) {
        std::uint32_t& word = result[o].word[k / 2];
        word = (bit & 1u << k) != 0 ? (word & ~(0xffffu << k % 2 * 16)) | one << k % 2 * 16 : word;
      }
    }
  }
}

/// A vector of results by an op's short form, or close form.
template <class Op, class Type, int n, class... Inputs>
SIGMAX_FN vector evaluate_short_form(const Op& op, Type type, const Inputs (&... x)[n]) {
  float from[1][n], to[1][n];
  const auto ends = [&](auto form) {
#pragma unroll
    for (int k = 0; k < n; ++k) {
      const between y = form(x[k]...);
      from[0][k] = y.from, to[0][k] = y.to;
    }
  };
  if constexpr (!has_close_form<Op, Type>)
    ends([&](auto... v) { return short_form(op, v...); });
  else if (is_default(op))
    ends([&](float v) { return close_form(op, v, type); });
  else if constexpr (has_short_form<Op, Inputs...>)
    ends([own = afresh(op)](float v) { return short_form(own, v); });
  vector result[1];
  settle(from, to, type, result, [&](std::uint32_t bit, float(&y)[1]) {
    y[0] = evaluate<accuracy::high>(for_long_form<sizeof...(Inputs)>(op), true, chosen(bit, x)...);
  });
  return result[0];
}

/// From the short form, or not rounded to odd but in the middle between two 16-bit numbers. What that leaves open, a
/// few in a thousand, is computed again one at a time, so that the longer formula is in the code once.
template <class Op, class Type, int n, class... Inputs>
SIGMAX_FN vector evaluate_with_fallback(const Op& op, Type type, const Inputs (&... x)[n]) {
  if constexpr (has_short_form<Op, Inputs...> || has_close_form<Op, Type>) {
    return evaluate_short_form(op, type, x...);
  } else {
    float y[n];
    std::uint32_t again = 0;
#pragma unroll
    for (int k = 0; k < n; ++k) {
      y[k] = op(x[k]...);
      if constexpr (has_residual<Op, float>) again |= is_middle(y[k], type) ? 1u << k : 0u;
    }
#pragma unroll 1
    for (; again != 0; again &= again - 1) {
      const std::uint32_t bit = again & (0u - again);
      const float result = evaluate<accuracy::high>(for_long_form<sizeof...(Inputs)>(op), true, chosen(bit, x)...);
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] = (bit & 1u << k) != 0 ? result : y[k];
    }
    return pack(y, type);
  }
}

/// A vector of results of the 16-bit dtype `type`, T or dtype, with the bits of `evaluate` (cpu/elementwise.cpp has the
/// same by other means).
template <class Op, class Type, int n, class... Inputs>
SIGMAX_FN vector evaluate_16_bits(const Op& op, Type type, const Inputs (&... x)[n]) {
  if constexpr (has_sure_form<Op, Type>) {
    if (is_default(op)) {
      float y[n];
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] = sure_form(op, x[k]..., type);
      return pack(y, type);
    }
    return evaluate_with_fallback(afresh(op), type, x...);
  } else {
    return evaluate_with_fallback(op, type, x...);
  }
}

/// Each block takes a tile, each thread per_thread vectors of it. All loads are issued before the first is used; then
/// one vector at a time is computed by f, packed, and stored, so that f is compiled once. Most tiles are plain: whole
/// vectors, where one question, which a block's threads answer alike, takes the place of those for each vector. Those
/// at the ends of the memory, or misaligned, go through the same f.
template <class T, int inputs, class F>
SIGMAX_FN void map(const contiguous_arguments& a, F f) {
  constexpr int size = per_vector<T>, most = inputs == 1 ? most_vectors : most_vectors / 2;
  static_assert(most <= 2);  // of the vectors that wait, one moves up
  wait_for_previous_kernel();
  const std::uintptr_t place =
      static_cast<std::uintptr_t>(blockIdx.x) * a.tile_bytes + threadIdx.x * std::uint32_t{vector_bytes};
  const auto word = [&](std::uintptr_t base) { return reinterpret_cast<vector*>(base + place); };
  vector* out = word(a.out);
  const auto number = [&](int u) {
    return (out - reinterpret_cast<vector*>(a.out)) + static_cast<std::int64_t>(u) * blockDim.x;
  };
  const bool plain = blockIdx.x - a.plain_begin < a.plain_tiles;
  vector loaded[most][inputs];
  const auto load_each = [&](auto load_one) {
#pragma unroll
    for (int u = 0; u < most; ++u)
#pragma unroll
      for (int i = 0; i < inputs; ++i)
        if (u == 0 || u < a.per_thread) load_one(u, i, word(a.in[i]) + static_cast<std::uint32_t>(u) * blockDim.x);
  };
  int turns = most == 1 ? 1 : a.per_thread;
  const auto within = [&](std::int64_t v) { return a.whole_begin <= v && v < a.whole_end; };
  bool whole = true;  // of a tile of one vector a thread; of more it is asked again, which takes fewer instructions
  if (plain) {
    load_each([&](int u, int i, const vector* p) { loaded[u][i] = load(p); });
  } else {
    turns = 0;
    if constexpr (most == 1) whole = within(number(0));
    load_each([&](int u, int i, const vector* p) {
      if (i == 0 && number(u) < a.vectors) ++turns;
      if (within(number(u))) loaded[u][i] = a.shift[i] == 0 ? load(p) : load_shifted(p, a.shift[i]);
    });
    if (turns == 0) return;
  }
#pragma unroll 1
  for (;;) {
    if (most == 1 ? !whole : !plain && !within(number(0))) {
#pragma unroll
      for (int i = 0; i < inputs; ++i) loaded[0][i] = load_partial<T>(a.first_in[i], number(0) * size - a.head, a.n);
    }
    float x[inputs][size];
#pragma unroll
    for (int i = 0; i < inputs; ++i) unpack(loaded[0][i], x[i], T{});
    const vector result = f(x);
    if (most == 1 ? whole : plain || within(number(0)))
      store(out, result);
    else
      store_partial<T>(a.first_out, number(0) * size - a.head, a.n, result);
    if (most == 1 || --turns == 0) break;
    out += blockDim.x;
#pragma unroll
    for (int i = 0; i < inputs; ++i) loaded[0][i] = loaded[most - 1][i];
  }
  let_next_kernel_start();
}

/// Blocks that must fit on a multiprocessor: five of two vectors a thread are 40 KiB of loads. sm_75 holds four, and
/// with five sm_80 and sm_120 would spill. 0: as ptxas likes.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1200
inline constexpr int resident_blocks = 5;
#else
inline constexpr int resident_blocks = 4;
#endif
template <class T>
inline constexpr int least_blocks = sizeof(T) == 2 ? resident_blocks : 0;

/// Of results that are Element; void: of any, where 16 bits are never fast. Those have one tier (tier_on_cuda).
template <class Function, class Element>
inline constexpr accuracy fast_tier =
    std::is_same_v<Element, float> || std::is_void_v<Element> ? fastest<Function> : accuracy::high;

template <class Op, class T, accuracy tier>
__global__ void __launch_bounds__(most_threads, least_blocks<T>) forward(contiguous_arguments a, parameters p) {
  const Op op = make<Op>(p);
  map<T, 1>(a, [op](const float(&x)[1][per_vector<T>]) {
    if constexpr (sizeof(T) == 2)
      return evaluate_16_bits(op, T{}, x[0]);
    else
      return evaluate_vector<tier>(op, T{}, x[0]);
  });
}

/// A vector of dy op'(x) of the 16-bit dtype T, with the bits of the long form.
template <class Op, class T, int n>
SIGMAX_FN vector gradient_16_bits(const Op& op, T type, const float (&dy)[n], const float (&x)[n]) {
  float from[1][n], to[1][n];
#pragma unroll
  for (int k = 0; k < n; ++k) {
    const between dx = slope_form(op, x[k]) * dy[k];
    from[0][k] = dx.from, to[0][k] = dx.to;
  }
  vector result[1];
  settle(from, to, type, result,
         [&](std::uint32_t bit, float(&y)[1]) { y[0] = chosen(bit, dy) * afresh(op).derivative(chosen(bit, x)); });
  return result[0];
}

template <class Op, class T>
__global__ void __launch_bounds__(most_threads, least_blocks<T>) gradient(contiguous_arguments a, parameters p) {
  const Op op = make<Op>(p);
  map<T, 2>(a, [op](const float(&x)[2][per_vector<T>]) {
    if constexpr (sizeof(T) == 2 && has_slope_form<Op>) {
      return gradient_16_bits(op, T{}, x[0], x[1]);
    } else {
      float y[per_vector<T>];
#pragma unroll
      for (int k = 0; k < per_vector<T>; ++k) y[k] = x[0][k] * op.derivative(x[1][k]);
      return pack(y, T{});
    }
  });
}

/// Where element number `n` of the nest lies in each view, in bytes.
template <class Number, int inputs, int outputs>
SIGMAX_FN void locate(const strided_views<inputs, outputs>& a, Number n, std::int64_t (&offset)[inputs + outputs]) {
#pragma unroll 1
  for (int d = a.rank - 1; d >= 0; --d) {
    Number index = n;
    if (d > 0) {
      if constexpr (sizeof(Number) == 4)
        n = quotient(n, a.by[d]);
      else
        n = n / static_cast<Number>(a.extent[d]);
      index -= n * static_cast<Number>(a.extent[d]);
    }
#pragma unroll
    for (int v = 0; v < inputs + outputs; ++v) offset[v] += static_cast<std::int64_t>(index) * a.stride[v][d];
  }
}

/// f(x, y) makes an element of the outputs from one of the inputs.
template <int inputs, int outputs, class F>
SIGMAX_FN void map_strided(const strided_views<inputs, outputs>& a, F f) {
  const std::int64_t tile_elements = static_cast<std::int64_t>(blockDim.x) * a.per_thread;
  wait_for_previous_kernel();
  for (std::int64_t tile = blockIdx.x; tile < a.tiles; tile += gridDim.x) {
    float x[strided_elements][inputs];
    std::byte* out[strided_elements][outputs] = {};
#pragma unroll
    for (int u = 0; u < strided_elements; ++u) {
      const std::int64_t n = a.begin + tile * tile_elements + static_cast<std::int64_t>(u) * blockDim.x + threadIdx.x;
      if (u >= a.per_thread || n >= a.end) continue;
      std::int64_t offset[inputs + outputs] = {};
      if (a.narrow)
        locate(a, static_cast<std::uint32_t>(n), offset);
      else
        locate(a, static_cast<std::uint64_t>(n), offset);
#pragma unroll
      for (int i = 0; i < inputs; ++i)
        x[u][i] = i == 0 || i < a.inputs ? load_element(a.in[i] + offset[i], a.in_type[i]) : 0.0f;
#pragma unroll
      for (int o = 0; o < outputs; ++o) out[u][o] = a.out[o] + offset[inputs + o];
    }
#pragma unroll 1
    for (int u = 0; u < a.per_thread; ++u) {
      if (out[0][0] == nullptr) break;
      float y[outputs];
      f(x[0], y);
#pragma unroll
      for (int o = 0; o < outputs; ++o) store_element(out[0][o], a.out_type[o], y[o]);
#pragma unroll
      for (int k = 1; k < strided_elements; ++k) {
#pragma unroll
        for (int i = 0; i < inputs; ++i) x[k - 1][i] = x[k][i];
#pragma unroll
        for (int o = 0; o < outputs; ++o) out[k - 1][o] = out[k][o];
      }
    }
  }
  let_next_kernel_start();
}

template <class Op, accuracy tier>
__global__ void __launch_bounds__(most_threads) forward_strided(strided_arguments a, parameters p) {
  const Op op = make<Op>(p);
  const bool to_16_bits = a.out_type[0] != dtype::f32;
  map_strided(a, [=](const float(&x)[2], float(&y)[1]) { y[0] = evaluate<tier>(op, to_16_bits, x[0]); });
}

template <class Op>
__global__ void __launch_bounds__(most_threads) gradient_strided(strided_arguments a, parameters p) {
  const Op op = make<Op>(p);
  map_strided(a, [op](const float(&x)[2], float(&y)[1]) { y[0] = x[0] * op.derivative(x[1]); });
}

}  // namespace
}  // namespace sigmax
