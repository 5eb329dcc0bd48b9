// How a call with 8-bit results becomes blocks that each have a row, or a piece of one: plain arithmetic.
#pragma once

#include "policy.hpp"

namespace sigmax {

inline constexpr int unit = 8;  ///< elements that a thread works on at once: 8 bytes of codes
/// Elements of a piece, where one scale serves the whole tensor and rows may be cut.
inline constexpr std::int64_t piece_elements = unit * most_threads;

struct quantised_arguments {
  strided_views<2, 3>
      rows;               ///< a nest over rows; outputs are y, row_scales and amax (null: absent); tiles [begin, end)
  std::int64_t along[3];  ///< bytes from an element of a row to the next, of the inputs and of y
  std::int64_t columns, span, pieces;  ///< of each row; a tile is `span` columns of it
  float scale;                         ///< unless rows have their own
  bool kept;                           ///< results of a tile fit the shared memory
  bool wide;                           ///< every row lies so that units are loaded and stored as vectors
};

/// Longer rows with scales of their own are computed twice: 64 KiB of f32 results, as on the CPU; less where a block
/// may have less shared memory.
inline constexpr std::int64_t most_kept = 16384;

/// Threads for so many elements: a warp where that is enough.
constexpr unsigned quantised_threads(std::int64_t elements) noexcept {
  unsigned threads = 32;
  while (threads < most_threads && std::int64_t{threads} * unit < elements) threads *= 2;
  return threads;
}
/// Of shared memory, for the f32 results of so many elements.
constexpr std::int64_t kept_bytes(std::int64_t elements, unsigned threads) noexcept {
  const std::int64_t turn = std::int64_t{threads} * unit;
  return divide_up(elements, turn) * turn * 4;
}

/// Whether units of view v can be vectors: 16-byte loads of inputs, a store of 8 bytes.
constexpr bool is_wide(const quantised_arguments& a, int v, std::uintptr_t data, std::int64_t element_bytes,
                       std::int64_t alignment) noexcept {
  bool yes = a.along[v] == element_bytes && data % static_cast<std::uintptr_t>(alignment) == 0;
  for (int d = 0; d < a.rows.rank; ++d) yes = yes && a.rows.stride[v][d] % alignment == 0;
  return yes;
}

}  // namespace sigmax
