// A ready-made pool for options::threads: the OpenMP runtime of the compiler that builds the caller. Include it in a
// file compiled with OpenMP; the library itself never links or starts it.
#pragma once

#if !defined(_OPENMP)
#error "sigmax/openmp.hpp needs OpenMP: compile this file with -fopenmp"
#endif

#include <sigmax/sigmax.hpp>

namespace sigmax {

/// Runs tasks on an OpenMP team of `threads` threads.
inline parallel_for openmp(int threads) noexcept {
  parallel_for pool;
  pool.concurrency = threads;
  pool.run = [](void*, std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(tasks))
    for (std::int64_t i = 0; i < tasks; ++i) task(argument, i);
  };
  return pool;
}

}  // namespace sigmax
