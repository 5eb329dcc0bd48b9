// The threads that kernels, roofs and naive loops all run on, so that their ratios compare kernels and not pools.
#pragma once

#include <sigmax/sigmax.hpp>

#include <algorithm>
#include <cstdint>

namespace sigmax_bench {

inline constexpr bool has_threads =
#ifdef _OPENMP
    true;
#else
    false;
#endif

/// Serial (null run) for one thread.
sigmax::parallel_for pool(int threads);

/// f(begin, end) over [0, total) in one piece per thread, each a multiple of `granule` but the last.
template <class F>
void for_slices(int threads, std::int64_t total, std::int64_t granule, F f) {
  if (threads == 1) return f(std::int64_t{0}, total);
  struct job {
    std::int64_t total, step;
    F* f;
  };
  const std::int64_t granules = (total + granule - 1) / granule;
  job all{total, (granules + threads - 1) / threads * granule, &f};
  const sigmax::parallel_for workers = pool(threads);
  workers.run(
      workers.context, threads,
      [](void* argument, std::int64_t index) {
        const job& j = *static_cast<job*>(argument);
        const std::int64_t begin = std::min(j.total, index * j.step);
        const std::int64_t end = std::min(j.total, begin + j.step);
        if (begin < end) (*j.f)(begin, end);
      },
      &all);
}

}  // namespace sigmax_bench
