// y[i] = gate(a[i], b[i]) and its derivatives in CUDA: one kernel for rows of contiguous memory of one dtype, which
// packed halves are, one for the rest.
#pragma once

#include "../kernels/gates.hpp"
#include "elementwise.cuh"
#include "gate_kernels.hpp"

namespace sigmax {
namespace {

/// Where a vector lies.
template <int inputs, int outputs>
struct vector_place {
  std::uintptr_t row[inputs + outputs];  ///< of each view
  std::int64_t first;                    ///< bytes of the row before it; negative if it begins before the row
  bool whole;  ///< it ends within the row, too, and so do the words that are loaded for it; else it goes by elements
  std::uint32_t shift[inputs];  ///< how many bytes into a 16-byte word it begins
};

template <int inputs, int outputs>
SIGMAX_FN vector_place<inputs, outputs> locate(const row_arguments<inputs + outputs>& a, std::int64_t n) {
  std::int64_t row = n;
  if (a.row_vectors > 1) {
    if (a.narrow)
      row = quotient(static_cast<std::uint32_t>(n), a.by);
    else
      row = static_cast<std::int64_t>(static_cast<std::uint64_t>(n) / static_cast<std::uint64_t>(a.row_vectors));
  }
  vector_place<inputs, outputs> at;
#pragma unroll
  for (int v = 0; v < inputs + outputs; ++v) at.row[v] = a.data[v] + static_cast<std::uintptr_t>(row * a.pitch[v]);
  at.first = (n - row * a.row_vectors) * vector_bytes;
  at.first -= static_cast<std::int64_t>(at.row[inputs] % vector_bytes);
  at.whole = at.first >= 0 && at.first + vector_bytes <= a.row_bytes;
#pragma unroll
  for (int i = 0; i < inputs; ++i) {
    at.shift[i] = static_cast<std::uint32_t>(at.row[i] + static_cast<std::uintptr_t>(at.first)) % vector_bytes;
    if (at.shift[i] == 0) continue;
    const std::int64_t begin = at.first - at.shift[i];
    at.whole = at.whole && begin >= 0 && begin + 2 * vector_bytes <= a.row_bytes;
  }
  return at;
}

/// Where plain vector `n` lies in each view.
template <int views>
SIGMAX_FN void locate_plain(const row_arguments<views>& a, std::uint32_t n, std::uintptr_t (&at)[views]) {
  const std::uint32_t row = a.row_vectors > 1 ? quotient(n, a.by) : n;
  const std::uint32_t column = n - row * static_cast<std::uint32_t>(a.row_vectors);
#pragma unroll
  for (int v = 0; v < views; ++v)
    at[v] = a.data[v] + static_cast<std::uintptr_t>(column) * vector_bytes +
            static_cast<std::uintptr_t>(row) * static_cast<std::uint32_t>(a.pitch[v]);
}

/// f(packed, x, y, dtype) makes a packed vector of each output from one of each input, which x has as numbers. Each
/// thread takes a vector of each input, in tiles of a block, of which there is one where vectors are plain; all loads
/// are issued before the first is used.
template <class T, int inputs, int outputs, class F>
SIGMAX_FN void map_rows(const row_arguments<inputs + outputs>& a, F f) {
  constexpr int size = per_vector<T>;
  wait_for_previous_kernel();
  std::int64_t tile = blockIdx.x;
  do {
    const auto located = [&] { return locate<inputs, outputs>(a, tile * blockDim.x + threadIdx.x); };
    std::uintptr_t place[inputs + outputs];
    vector loaded[inputs];
    bool whole = true;
    if (a.plain) {
      const std::uint32_t n = blockIdx.x * blockDim.x + threadIdx.x;
      if (n >= a.vectors) break;
      locate_plain(a, n, place);
#pragma unroll
      for (int i = 0; i < inputs; ++i) loaded[i] = load(reinterpret_cast<const vector*>(place[i]));
    } else {
      if (tile * blockDim.x + threadIdx.x >= a.vectors) break;
      const auto at = located();
      if (at.first >= a.row_bytes) continue;
      whole = at.whole;
#pragma unroll
      for (int v = 0; v < inputs + outputs; ++v) place[v] = at.row[v] + static_cast<std::uintptr_t>(at.first);
#pragma unroll
      for (int i = 0; i < inputs; ++i) {
        const vector* p = reinterpret_cast<const vector*>(place[i] - at.shift[i]);
        if (!whole)
          loaded[i] = load_partial<T>(at.row[i], at.first / static_cast<std::int64_t>(sizeof(T)), a.columns);
        else
          loaded[i] = at.shift[i] == 0 ? load(p) : load_shifted(p, at.shift[i]);
      }
    }
    float x[inputs][size];
    vector y[outputs];
#pragma unroll
    for (int i = 0; i < inputs; ++i) unpack(loaded[i], x[i], a.type);
    f(loaded, x, y, a.type);
    const auto store_whole = [&] {
#pragma unroll
      for (int o = 0; o < outputs; ++o) store(reinterpret_cast<vector*>(place[inputs + o]), y[o]);
    };
    if (a.plain) {
      store_whole();
      break;
    }
    if (whole) {
      store_whole();
    } else {  // located once more, rather than kept in registers
      const auto at = located();
#pragma unroll
      for (int o = 0; o < outputs; ++o)
        store_partial<T>(at.row[inputs + o], at.first / static_cast<std::int64_t>(sizeof(T)), a.columns, y[o]);
    }
  } while ((tile += gridDim.x) < a.tiles);
  let_next_kernel_start();
}

template <class Gate, accuracy tier>
struct gate_value {
  Gate gate;
  SIGMAX_FN void operator()(const float (&x)[2], float (&y)[1]) const {
    if constexpr (tier == accuracy::fast)
      y[0] = gate.fast(x[0], x[1]);
    else
      y[0] = gate(x[0], x[1]);
  }
  template <int size>
  SIGMAX_FN void operator()(const vector (&)[2], const float (&x)[2][size], vector (&y)[1], dtype type) const {
    if constexpr (size == per_vector<std::uint16_t>)
      y[0] = evaluate_16_bits(gate, type, x[0], x[1]);
    else
      y[0] = evaluate_vector<tier>(gate, type, x[0], x[1]);
  }
};
template <class Gate>
struct gate_gradient {
  Gate gate;
  SIGMAX_FN void operator()(const float (&x)[3], float (&y)[2]) const {
    const partials<float> d = gate.derivative(x[1], x[2]);
    y[0] = x[0] * d.a;
    y[1] = x[0] * d.b;
  }
  template <int size>
  SIGMAX_FN void operator()(const vector (&packed)[3], const float (&x)[3][size], vector (&y)[2], dtype type) const {
    if constexpr (size == per_vector<std::uint16_t> && has_gradient_form<Gate>) {
      float from[2][size], to[2][size];
#pragma unroll
      for (int k = 0; k < size; ++k) {
        const partials<between> d = gradient_form(gate, x[0][k], x[1][k], x[2][k]);
        from[0][k] = d.a.from, to[0][k] = d.a.to, from[1][k] = d.b.from, to[1][k] = d.b.to;
      }
      settle(from, to, type, y, [&](std::uint32_t bit, float(&one)[2]) {
        const float at[3] = {chosen(bit, packed[0], type), chosen(bit, packed[1], type), chosen(bit, packed[2], type)};
        gate_gradient{for_long_form<2>(gate)}(at, one);
      });
    } else {
      float d[2][size];
#pragma unroll
      for (int k = 0; k < size; ++k) {
        const float from[3] = {x[0][k], x[1][k], x[2][k]};
        float to[2];
        (*this)(from, to);
        d[0][k] = to[0], d[1][k] = to[1];
      }
      y[0] = pack(d[0], type), y[1] = pack(d[1], type);
    }
  }
};

/// As `least_blocks`, of forms so short that they are bound by memory; with fewer registers the long ones would spill,
/// and what needs few would take more.
template <class Gate, class T, accuracy tier>
inline constexpr int least_gate_blocks =
    tier == accuracy::fast || !has_short_form<Gate, float, float> ? 0 : least_blocks<T>;

/// T: float, or std::uint16_t for both 16-bit dtypes.
template <class Gate, class T, accuracy tier>
__global__ void __launch_bounds__(most_threads, least_gate_blocks<Gate, T, tier>)
    gated(row_arguments<3> a, parameters p) {
  map_rows<T, 2, 1>(a, gate_value<Gate, tier>{make<Gate>(p)});
}
/// Of gradients those that without a bound take so many registers that a block less fits: in f32 the short ones, in 16
/// bits the long ones.
template <class Gate, class T>
inline constexpr int least_gradient_blocks = sizeof(T) == 4 ? (has_short_form<Gate, float, float> ? 0 : resident_blocks)
                                                            : (has_short_form<Gate, float, float> ? 4 : 0);
template <>
inline constexpr int least_gradient_blocks<swiglu_oai_gate, std::uint16_t> = 3;  // with four it spills on sm_90

template <class Gate, class T>
__global__ void __launch_bounds__(most_threads, least_gradient_blocks<Gate, T>)
    gated_gradient(row_arguments<5> a, parameters p) {
  map_rows<T, 3, 2>(a, gate_gradient<Gate>{make<Gate>(p)});
}

template <class Gate, accuracy tier>
__global__ void __launch_bounds__(most_threads) gated_strided(strided_views<2, 1> a, parameters p) {
  map_strided(a, gate_value<Gate, tier>{make<Gate>(p)});
}
template <class Gate>
__global__ void __launch_bounds__(most_threads) gated_gradient_strided(strided_views<3, 2> a, parameters p) {
  map_strided(a, gate_gradient<Gate>{make<Gate>(p)});
}

}  // namespace
}  // namespace sigmax
