// The device that the emulated backend plays.
#pragma once

namespace sigmax_test {

struct emulated_device {
  const char* missing = nullptr;  ///< why there is no CUDA
  int multiprocessors = 2;
  unsigned most_blocks = 0x7fffffff;  ///< fewer than tiles: blocks take several
  int launches = 0;
};
extern emulated_device device;

}  // namespace sigmax_test
