// y[i] = op(x[i]) and dx[i] = dy[i] op'(x[i]) in CUDA: one kernel for contiguous memory of one dtype, one for the rest.
#pragma once

#include <bit>

#include "../kernels/activations.hpp"
#include "kernels.hpp"
#include "load_store.cuh"
#include "rough.hpp"
#include "short_forms.hpp"

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

/// Where y, up to `slack` ULP off (a power of two, or 0 for the middle itself), may be rounded another way to 16 bits,
/// or may have lost what is left of it beside `scale`; cpu/elementwise.hpp has the same for SIMD.
template <std::uint32_t middle, std::uint32_t slack>
SIGMAX_FN bool near_middle(float y) {
  constexpr std::uint32_t low_bits = 2 * middle - 1, kept = slack > 0 ? low_bits & ~(2 * slack - 1) : low_bits;
  return ((bits_of(y) + slack) & kept) == middle;
}
template <std::uint32_t slack>
SIGMAX_FN bool undecided(float scale, float y, bfloat16) {
  return near_middle<0x8000, slack>(y) || (slack > 0 && !(abs(y) >= abs(scale) * 0x1p-100f));
}
template <std::uint32_t slack>
SIGMAX_FN bool undecided(float, float y, float16) {
  constexpr float smallest = 0x1p-14f;  // normal f16; below it steps are equal, as they are from there to its double
  const float a = abs(y);
  return near_middle<0x1000, slack>(a < smallest ? a + smallest : a) || (slack > 0 && y != y);
}
template <class Op>
SIGMAX_FN float scale_of(const Op&, float x) {
  return x;
}
template <class Op>
SIGMAX_FN float scale_of(const Op& op, float a, float b) {
  return op.scale(a, b);
}
/// Which results are undecided, a bit each.
template <std::uint32_t slack, class T, class Op, int n, class... Inputs>
SIGMAX_FN std::uint32_t undecided_of(const Op& op, T type, const float (&y)[n], const Inputs&... x) {
  std::uint32_t again = 0;
#pragma unroll
  for (int k = 0; k < n; ++k) {
    if constexpr (slack == 0)
      again |= undecided<0>(0, y[k], type) ? 1u << k : 0u;
    else
      again |= undecided<slack>(scale_of(op, x[k]...), y[k], type) ? 1u << k : 0u;
  }
  return again;
}

template <std::uint32_t slack, class Op, int n, class... Inputs>
SIGMAX_FN std::uint32_t undecided_of(const Op& op, dtype type, const float (&y)[n], const Inputs&... x) {
  return type == dtype::f16 ? undecided_of<slack>(op, float16{}, y, x...) : undecided_of<slack>(op, bfloat16{}, y, x...);
}

/// Both bounds, the quotient's, and the rounding of the test; the middle alone where the op can tell its exact value.
template <class Op>
inline constexpr std::uint32_t slack_of = std::bit_ceil(static_cast<std::uint32_t>(Op::bound + Op::bound_fast + 3));
template <class Op>
requires has_residual<Op, float>
inline constexpr std::uint32_t slack_of<Op> = 0;

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

/// A vector of results that an op's short form leaves open in a few numbers of a thousand: where both ends of what it
/// returns round to one 16-bit number, that is the result. One question decides for the whole vector.
template <class Op, class Type, int n, class... Inputs>
SIGMAX_FN vector evaluate_short_form(const Op& op, Type type, const Inputs (&... x)[n]) {
  float from[n], to[n];
#pragma unroll
  for (int k = 0; k < n; ++k) {
    const between y = short_form(op, x[k]...);
    from[k] = y.from, to[k] = y.to;
  }
  vector result = pack(from, type);
  const vector other = pack(to, type);
  std::uint32_t difference[n / 2], any = 0;
#pragma unroll
  for (int w = 0; w < n / 2; ++w) any |= difference[w] = result.word[w] ^ other.word[w];
  if (any == 0) return result;
  std::uint32_t again = 0;
#pragma unroll
  for (int k = 0; k < n; ++k) again |= (difference[k / 2] & 0xffffu << k % 2 * 16) != 0 ? 1u << k : 0u;
#pragma unroll 1
  for (; again != 0; again &= again - 1) {
    const std::uint32_t bit = again & (0u - again);
    const float both[n] = {evaluate<accuracy::high>(op, true, chosen(bit, x)...)};
    const std::uint32_t one = pack(both, type).word[0] & 0xffffu;
#pragma unroll
    for (int k = 0; k < n; ++k) {
      const std::uint32_t kept = result.word[k / 2] & ~(0xffffu << k % 2 * 16);
      result.word[k / 2] = (bit & 1u << k) != 0 ? kept | one << k % 2 * 16 : result.word[k / 2];
    }
  }
  return result;
}

/// A vector of results of the 16-bit dtype `type`, with the bits of `evaluate` (cpu/elementwise.cpp does the same):
/// from the short form, the fast form, or not rounded to odd, but where that might be rounded another way. Those, a few
/// in a thousand, are computed again one at a time, so that the longer formula is in the code once. T is the type of
/// `type`, or std::uint16_t for either; Type is T, or dtype.
template <class T, class Op, class Type, int n, class... Inputs>
SIGMAX_FN vector evaluate_16_bits(const Op& op, Type type, const Inputs (&... x)[n]) {
  if constexpr (has_short_form<Op, Inputs...>) return evaluate_short_form(op, type, x...);
  constexpr bool serves = (std::is_same_v<T, bfloat16> || fast_serves<Op, float16>)&&(std::is_same_v<T, float16> ||
                                                                                      fast_serves<Op, bfloat16>);
  constexpr bool to_odd = has_residual<Op, float>, from_fast = serves && !to_odd;
  float y[n];
#pragma unroll
  for (int k = 0; k < n; ++k) {
    if constexpr (from_fast)
      y[k] = op.fast(rough(x[k])...).value;
    else
      y[k] = op(x[k]...);
  }
  if constexpr (to_odd || from_fast) {
    constexpr std::uint32_t slack = slack_of<Op>;
    std::uint32_t again = undecided_of<slack>(op, type, y, x...);
#pragma unroll 1
    for (; again != 0; again &= again - 1) {
      const std::uint32_t bit = again & (0u - again);
      const float result = evaluate<accuracy::high>(op, true, chosen(bit, x)...);
#pragma unroll
      for (int k = 0; k < n; ++k) y[k] = (bit & 1u << k) != 0 ? result : y[k];
    }
  }
  return pack(y, type);
}

/// Each thread takes per_thread vectors of each of its block's tiles. All loads of a tile are issued before the first
/// is used; then one vector at a time is computed by f, packed, and stored, so that f is compiled once. Vectors at the ends of
/// the memory go through the same f.
template <class T, int inputs, class F>
SIGMAX_FN void map(const contiguous_arguments& a, F f) {
  constexpr int size = per_vector<T>, most = inputs == 1 ? most_vectors : most_vectors / 2;
  const std::uint32_t tile_vectors = blockDim.x * static_cast<std::uint32_t>(a.per_thread);
  const std::uintptr_t element_0 = a.out + static_cast<std::uintptr_t>(a.head) * sizeof(T);
  wait_for_previous_kernel();
  for (std::int64_t tile = blockIdx.x; tile < a.tiles; tile += gridDim.x) {
    const std::int64_t first = tile * tile_vectors;
    const auto within = [&](std::int64_t v) {  // as a vector of this tile
      const std::int64_t d = v - first;
      return static_cast<std::uint32_t>(d < 0 ? 0 : d > tile_vectors ? tile_vectors : d);
    };
    // Most tiles consist of whole vectors, of which one answer takes the place of those for each vector.
    bool plain = first >= a.whole_begin && first + tile_vectors <= a.whole_end;
    std::uint32_t begin = 0, end = tile_vectors, count = tile_vectors;
    if (!plain) begin = within(a.whole_begin), end = within(a.whole_end), count = within(a.vectors);
    const auto whole = [&](std::uint32_t v) { return v - begin < end - begin; };
    for (int i = 0; i < inputs; ++i) plain = plain && a.shift[i] == 0;
    vector loaded[most][inputs];
    const auto load_each = [&](auto load_one) {
#pragma unroll
      for (int u = 0; u < most; ++u)
#pragma unroll
        for (int i = 0; i < inputs; ++i)
          if (u < a.per_thread)
            load_one(u, i, reinterpret_cast<const vector*>(a.in[i]) + first + threadIdx.x + u * blockDim.x);
    };
    if (plain)
      load_each([&](int u, int i, const vector* p) { loaded[u][i] = load(p); });
    else
      load_each([&](int u, int i, const vector* p) {
        if (!whole(static_cast<std::uint32_t>(u) * blockDim.x + threadIdx.x)) return;
        loaded[u][i] = a.shift[i] == 0 ? load(p) : load_shifted(p, a.shift[i]);
      });
#pragma unroll 1
    for (std::uint32_t v = threadIdx.x; v < count; v += blockDim.x) {
      const auto element = [&] { return (first + v) * size - a.head; };
      if (!whole(v)) {
#pragma unroll
        for (int i = 0; i < inputs; ++i)
          loaded[0][i] =
              load_partial<T>(a.in[i] + a.shift[i] + static_cast<std::uintptr_t>(a.head) * sizeof(T), element(), a.n);
      }
      float x[inputs][size];
#pragma unroll
      for (int i = 0; i < inputs; ++i) unpack(loaded[0][i], x[i], T{});
      const vector result = f(x);
      if (whole(v))
        store(reinterpret_cast<vector*>(a.out) + first + v, result);
      else
        store_partial<T>(element_0, element(), a.n, result);
#pragma unroll
      for (int u = 1; u < most; ++u)
#pragma unroll
        for (int i = 0; i < inputs; ++i) loaded[u - 1][i] = loaded[u][i];
    }
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

template <class Op, class T, accuracy tier>
__global__ void __launch_bounds__(most_threads, least_blocks<T>) forward(contiguous_arguments a, parameters p) {
  const Op op = make<Op>(p);
  map<T, 1>(a, [op](const float(&x)[1][per_vector<T>]) {
    if constexpr (sizeof(T) == 2 && tier == accuracy::high)
      return evaluate_16_bits<T>(op, T{}, x[0]);
    else
      return evaluate_vector<tier>(op, T{}, x[0]);
  });
}

template <class Op, class T>
__global__ void __launch_bounds__(most_threads, least_blocks<T>) gradient(contiguous_arguments a, parameters p) {
  const Op op = make<Op>(p);
  map<T, 2>(a, [op](const float(&x)[2][per_vector<T>]) {
    float y[per_vector<T>];
#pragma unroll
    for (int k = 0; k < per_vector<T>; ++k) y[k] = x[0][k] * op.derivative(x[1][k]);
    return pack(y, T{});
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
        n = static_cast<Number>(std::uint64_t{n} * a.by[d].multiplier >> 32) >> a.by[d].shift;
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
