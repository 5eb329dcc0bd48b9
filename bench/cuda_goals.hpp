// What the kernels on a GPU are meant to reach, so that a run says by itself what it missed.
#pragma once

#include "bench_case.hpp"

namespace sigmax_bench {

/// One of the two is 0.
struct cuda_goal {
  double of_copy = 0;  ///< at least this share of a copy of as many bytes in the same run
  double us = 0;       ///< at most this time a call

  bool met(double ns, double copy_ns) const { return us > 0 ? ns <= 1e3 * us : copy_ns / ns >= of_copy; }
};

/// The goal of a case, or nullptr where none was set.
const cuda_goal* goal_of(const bench_case& c);

}  // namespace sigmax_bench
