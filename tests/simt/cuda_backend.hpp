// The device that the emulated backend plays.
#pragma once

#include <cstdint>

#include "emulator.hpp"

#include "../../cuda/row_barriers.hpp"

namespace sigmax_test {

struct emulated_device {
  const char* missing = nullptr;  ///< why there is no CUDA
  int multiprocessors = 2;
  unsigned most_blocks = 0x7fffffff;  ///< fewer than tiles: blocks take several
  int launches = 0;
  int architecture = 90;
  std::int64_t shared_bytes = 227 * 1024;
  simt::schedule order = simt::schedule::forward;
  std::uint64_t seed = 1;
};
extern emulated_device device;

}  // namespace sigmax_test
