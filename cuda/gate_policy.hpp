// How a call of a gate becomes rows of vectors: plain arithmetic, held by tests/cuda_gate_policy_test.cpp.
#pragma once

#include "policy.hpp"

namespace sigmax {

/// Rows of contiguous elements of one dtype, each cut into 16-byte vectors where the first output's addresses are
/// multiples of 16. So a row's first vector may begin before the row, its last ones end after it.
template <int views>
struct row_arguments {
  std::uintptr_t data[views];  ///< row 0 of the inputs, then of the outputs
  std::int64_t pitch[views];   ///< bytes from a row to the next
  std::int64_t columns, row_bytes;
  std::int64_t row_vectors;  ///< of each row; where rows lie otherwise in their vectors, one too many for some
  std::int64_t vectors, tiles;
  dtype type;
  bool narrow;  ///< every vector's number is below 2^31
  bool plain;   ///< every row of every view is made of whole vectors, and narrow, and 32 bits hold each pitch
  divider by;   ///< if narrow, for row_vectors
};

/// Below it a row is no more than the ends of vectors, which are read element by element, and strided does as well.
inline constexpr std::int64_t shortest_row = 64;  // bytes

/// Whether a nest over tensors of elements of one size, outputs last, is at most two loops, of which the inner one is
/// contiguous and long enough; and whether the outputs lie in their 16-byte vectors alike, so that all are stored whole
/// and none is the input of another thread's vector: where an input is an output, too, its vectors are this thread's.
inline bool is_rows(const loop_nest& nest, const std::uintptr_t* data, int inputs, std::int64_t size) noexcept {
  const int last = nest.rank - 1;
  if (last > 1 || (last == 1 && nest.extent[1] * size < shortest_row)) return false;
  const auto unlike = [](std::uintptr_t a, std::uintptr_t b) { return (a - b) % vector_bytes != 0; };
  bool yes = true;
  for (int v = 0; v < nest.views; ++v) yes = yes && nest.stride[v][last] == 1;
  for (int o = inputs + 1; o < nest.views; ++o) {
    yes = yes && !unlike(data[o], data[inputs]);
    if (last == 1) yes = yes && (nest.stride[o][0] - nest.stride[inputs][0]) * size % vector_bytes == 0;
  }
  return yes;
}

/// `pitch` in elements.
template <int inputs, int outputs>
constexpr row_arguments<inputs + outputs> cut_rows(const std::uintptr_t* data, const std::int64_t* pitch,
                                                   std::int64_t rows, std::int64_t columns, dtype type) noexcept {
  row_arguments<inputs + outputs> a{};
  const std::int64_t size = type == dtype::f32 ? 4 : 2;
  for (int v = 0; v < inputs + outputs; ++v) {
    a.data[v] = data[v];
    a.pitch[v] = pitch[v] * size;
  }
  a.type = type;
  a.columns = columns;
  a.row_bytes = columns * size;
  const bool alike = rows == 1 || a.pitch[inputs] % vector_bytes == 0;
  const auto lead = alike ? static_cast<std::int64_t>(data[inputs] % vector_bytes) : vector_bytes - size;
  a.row_vectors = divide_up(lead + a.row_bytes, vector_bytes);
  a.vectors = rows * a.row_vectors;
  a.narrow = a.vectors <= std::int64_t{1} << 31;
  a.plain = a.narrow && a.row_bytes % vector_bytes == 0;
  for (int v = 0; v < inputs + outputs; ++v) {
    const bool plain_pitch = a.pitch[v] % vector_bytes == 0 && a.pitch[v] >= 0 && a.pitch[v] >> 32 == 0;
    a.plain = a.plain && data[v] % vector_bytes == 0 && (rows == 1 || plain_pitch);
  }
  if (a.narrow && a.row_vectors > 1) a.by = divider_of(static_cast<std::uint32_t>(a.row_vectors));
  return a;
}

}  // namespace sigmax
