// The machine's copy roofs: what moving the bytes alone costs. Every speed is shown as a share of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace sigmax_bench {

// A roof is the best of its kind: prefetching the source by software wins beyond the caches and loses inside.
enum class copy_kind {
  library,  ///< memcpy
  vector,   ///< the widest vectors of this machine, ordinary stores
  vector_prefetch,
  nontemporal,  ///< stores that bypass the caches
  nontemporal_prefetch
};
inline constexpr copy_kind copy_kinds[] = {copy_kind::library, copy_kind::vector, copy_kind::vector_prefetch,
                                           copy_kind::nontemporal, copy_kind::nontemporal_prefetch};
inline constexpr std::size_t copy_kind_count = std::size(copy_kinds);
constexpr bool bypasses_caches(copy_kind kind) { return kind >= copy_kind::nontemporal; }

const char* name_of(copy_kind kind);
/// Whether this build and machine have the loop. memcpy(p, p) is undefined, so in place there is no `library`.
bool has_copy(copy_kind kind, bool in_place);
/// source == destination reads and rewrites every line. Both must be 64-byte aligned.
/// `times` in a row, without waiting for the other threads in between.
void copy(copy_kind kind, const void* source, void* destination, std::int64_t bytes, int threads, int times = 1);

/// One direction alone, and arithmetic alone.
enum class one_way { read, write, write_nontemporal };
const char* name_of(one_way kind);
bool has_one_way(one_way kind);
/// `data` must be 64-byte aligned; `bytes` are rounded down to whole blocks of 256.
void move_one_way(one_way kind, void* data, std::int64_t bytes, int threads, int times = 1);

/// `rounds` of twelve independent multiply-adds of the widest vectors: returns how many floating-point operations
/// that was, on each of the threads.
std::int64_t multiply_adds(std::int64_t rounds, int threads);

}  // namespace sigmax_bench
