// The device that the emulated backend plays.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "emulator.hpp"

#include "../../cuda/row_barriers.hpp"

namespace sigmax_test {

struct recorded_launch {
  std::int64_t blocks, tiles, tile_bytes, n;
  std::uintptr_t first_in, first_out;
};

struct emulated_device {
  const char* missing = nullptr;  ///< why there is no CUDA
  int multiprocessors = 2;
  unsigned most_blocks = 0x7fffffff;  ///< fewer than tiles: blocks take several
  int launches = 0;
  std::vector<recorded_launch>* recorded = nullptr;  ///< where launches on contiguous memory go instead of being run
  int architecture = 90;
  std::int64_t shared_bytes = 227 * 1024;
  simt::schedule order = simt::schedule::forward;
  std::uint64_t seed = 1;
};
extern emulated_device device;

}  // namespace sigmax_test
