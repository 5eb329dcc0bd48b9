// How a call becomes a launch: vectors, tiles, blocks, and the numbers a kernel needs. Plain arithmetic over addresses
// and sizes; nothing here touches memory or the CUDA runtime, so tests/cuda_policy_test.cpp holds all of it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "../kernels/layout.hpp"

namespace sigmax {

inline constexpr int vector_bytes = 16;  // the widest load of sm_75 to sm_90
inline constexpr int most_threads = 256;
inline constexpr int least_threads = 128;
/// Vectors that a thread has in flight. 2 x 256 threads x 16 bytes x 6 or 8 resident blocks are 48 to 64 KiB a
/// multiprocessor; CUB's DeviceTransform asks for 32 on H100 and 48 on H200 (cub/device/dispatch/tuning).
inline constexpr int most_vectors = 2;
/// Elements of a thread in the strided kernel.
inline constexpr int strided_elements = 4;
inline constexpr std::int64_t most_blocks = (std::int64_t{1} << 31) - 1;  // gridDim.x

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) noexcept { return a / b + (a % b != 0); }

struct launch_shape {
  unsigned blocks, threads;
  int per_thread;                 ///< items of each thread in a tile
  std::int64_t tiles;             ///< a block takes every blocks-th
  unsigned cluster = 1;           ///< blocks
  std::int64_t shared_bytes = 0;  ///< dynamic, of a block
};

/// What of a device decides.
struct device_limits {
  int architecture;  ///< 90 is sm_90
  int multiprocessors;
  std::int64_t shared_bytes;  ///< that one block may have
};

/// Tiles as large as they may be, smaller where there would be fewer than two for each multiprocessor.
constexpr launch_shape shape_of(std::int64_t items, int per_thread, int multiprocessors) noexcept {
  launch_shape s{.blocks = 0, .threads = most_threads, .per_thread = per_thread, .tiles = 0};
  const std::int64_t enough = 2 * std::int64_t{multiprocessors};
  const auto tiles = [&] { return divide_up(items, std::int64_t{s.threads} * s.per_thread); };
  while (s.per_thread > 1 && tiles() < enough) s.per_thread /= 2;
  while (s.threads > least_threads && tiles() < enough) s.threads /= 2;
  s.tiles = tiles();
  s.blocks = static_cast<unsigned>(s.tiles < most_blocks ? s.tiles : most_blocks);
  return s;
}

/// n contiguous elements of one dtype in up to two inputs and an output, cut into 16-byte vectors where the output's
/// addresses are multiples of 16. The first vector may begin before element 0, the last end after element n - 1;
/// vectors [whole_begin, whole_end) do neither, and what is loaded for them lies within the inputs.
struct contiguous_arguments {
  std::uintptr_t in[2];                   ///< the 16-byte word in which the first byte of vector 0 lies
  std::uintptr_t out;                     ///< vector 0
  std::uintptr_t first_in[2], first_out;  ///< element 0
  std::uint32_t shift[2];                 ///< how many bytes into its word vector 0 begins
  std::int32_t head;                      ///< elements of vector 0 that come before element 0
  std::int32_t per_thread;
  std::uint32_t tile_bytes;
  std::uint32_t plain_begin, plain_tiles;  ///< tiles of whole vectors, where no input is shifted
  std::int64_t n, vectors, whole_begin, whole_end;
};

constexpr contiguous_arguments cut_into_vectors(const std::uintptr_t* in, int inputs, std::uintptr_t out,
                                                std::int64_t size, std::int64_t n) noexcept {
  contiguous_arguments a{};
  const std::int64_t per_vector = vector_bytes / size;
  a.n = n;
  a.head = static_cast<std::int32_t>(static_cast<std::int64_t>(out % vector_bytes) / size);
  const std::uintptr_t lead = static_cast<std::uintptr_t>(a.head) * static_cast<std::uintptr_t>(size);
  a.out = out - lead;
  a.first_out = out;
  a.vectors = n > 0 ? divide_up(n + a.head, per_vector) : 0;
  a.whole_begin = a.head > 0;
  a.whole_end = (n + a.head) / per_vector;
  for (int i = 0; i < inputs; ++i) {
    a.first_in[i] = in[i];
    const std::uintptr_t first = in[i] - lead;  // of vector 0, before the input if there is a head
    a.shift[i] = static_cast<std::uint32_t>(first % vector_bytes);
    a.in[i] = first - a.shift[i];
    if (a.shift[i] == 0) continue;
    // A vector comes from the two words v and v + 1: the first must not begin before the input, the second not end
    // after.
    const auto begin = static_cast<std::int64_t>(in[i] - a.in[i]);  // where the input begins, in bytes from word 0
    const std::int64_t first_word = divide_up(begin, vector_bytes);
    const std::int64_t end_word = (begin + n * size) / vector_bytes;  // words before it end within the input
    a.whole_begin = first_word > a.whole_begin ? first_word : a.whole_begin;
    a.whole_end = end_word - 1 < a.whole_end ? end_word - 1 : a.whole_end;
  }
  if (a.whole_end <= a.whole_begin) a.whole_begin = a.whole_end = 0;
  return a;
}

/// What one launch takes at most: tiles, one a block, are 1024 elements or more where there are so many.
inline constexpr std::int64_t most_elements = std::int64_t{1} << 40;

/// The tiles that a launch cuts such memory into.
constexpr void cut_into_tiles(contiguous_arguments& a, const launch_shape& shape) noexcept {
  const std::int64_t tile = std::int64_t{shape.threads} * shape.per_thread;
  a.per_thread = shape.per_thread;
  a.tile_bytes = static_cast<std::uint32_t>(tile * vector_bytes);
  const std::int64_t begin = divide_up(a.whole_begin, tile),
                     end = a.shift[0] == 0 && a.shift[1] == 0 ? a.whole_end / tile : 0;
  a.plain_begin = static_cast<std::uint32_t>(begin);
  a.plain_tiles = end > begin ? static_cast<std::uint32_t>(end - begin) : 0;
}

/// Division of numbers below 2^31 by a constant: n / d = (n m) >> (32 + shift). The quotient is exact with l =
/// ceil(log2 d) and m = floor(2^(31 + l) / d) + 1 (Granlund and Montgomery, PLDI 1994, theorem 4.2 for 31 bits).
struct divider {
  std::uint32_t multiplier, shift;
};
constexpr divider divider_of(std::uint32_t d) noexcept {  // d >= 2
  const int bits = static_cast<int>(std::bit_width(d - 1));
  return {static_cast<std::uint32_t>((std::uint64_t{1} << (31 + bits)) / d + 1), static_cast<std::uint32_t>(bits - 1)};
}

/// Elements [begin, end) of a loop nest, in its order; any strides and dtypes. Up to so many inputs.
template <int most_inputs, int outputs>
struct strided_views {
  const std::byte* in[most_inputs];
  std::byte* out[outputs];
  dtype in_type[most_inputs], out_type[outputs];
  std::int32_t inputs, rank, per_thread;
  bool narrow;  ///< every element's number is below 2^31
  std::int64_t begin, end, tiles;
  std::int64_t extent[max_rank];
  divider by[max_rank];                                  ///< if narrow, for all but the outermost loop
  std::int64_t stride[most_inputs + outputs][max_rank];  ///< in bytes: the inputs', the outputs' last
};
using strided_arguments = strided_views<2, 1>;

/// What a nest over inputs, then outputs, of elements so many bytes wide, tells a strided kernel.
template <int most_inputs = 2, int outputs = 1>
strided_views<most_inputs, outputs> walk(const loop_nest& nest, const std::int64_t* element_bytes, std::int64_t begin,
                                         std::int64_t end) noexcept {
  strided_views<most_inputs, outputs> a{};
  const int inputs = nest.views - outputs;
  a.inputs = inputs;
  a.rank = nest.rank;
  a.begin = begin;
  a.end = end;
  a.narrow = nest.count() <= std::int64_t{1} << 31;
  for (int d = 0; d < nest.rank; ++d) {
    a.extent[d] = nest.extent[d];
    if (a.narrow && d > 0) a.by[d] = divider_of(static_cast<std::uint32_t>(nest.extent[d]));
    for (int v = 0; v < nest.views; ++v)
      a.stride[v < inputs ? v : most_inputs + v - inputs][d] = nest.stride[v][d] * element_bytes[v];
  }
  return a;
}

}  // namespace sigmax
