// Takes memory out of the caches.
#pragma once

#include <cstddef>

namespace sigmax_bench {

/// Afterwards no cache holds a line of it. Where a program cannot say so, other memory is read until that is likely.
void evict(const void* data, std::size_t bytes);

}  // namespace sigmax_bench
