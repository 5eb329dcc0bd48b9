#include "threads.hpp"

#ifdef _OPENMP
#include <sigmax/openmp.hpp>
#endif

namespace sigmax_bench {

sigmax::parallel_for pool([[maybe_unused]] int threads) {
#ifdef _OPENMP
  if (threads > 1) return sigmax::openmp(threads);
#endif
  return {};
}

}  // namespace sigmax_bench
