// How a call on host memory is cut for a GPU: plain arithmetic, without CUDA. A chunk goes through a slot of pinned and
// of device memory; while one is computed the next is on its way in and the last on its way out.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sigmax {

inline constexpr int staging_slots = 3;             ///< one going in, one computed, one coming out
inline constexpr std::int64_t staging_align = 256;  ///< bytes: of the operands in a slot, as cudaMalloc aligns
inline constexpr int staging_operands = 3;          ///< two inputs and an output
inline constexpr std::int64_t least_slot = std::int64_t{64} * 1024;
// Chosen by arithmetic, never measured: at 25 GB/s a slot takes 160 us, beside some 10 us to start its three steps; and
// two cores' worth of L2 hold what the CPU copies.
inline constexpr std::int64_t default_slot = std::int64_t{4} * 1024 * 1024;
/// Shorter chunks than this cost more to start than their overlap saves.
inline constexpr std::int64_t least_chunk = std::int64_t{256} * 1024;

/// `units` (elements or rows) in `chunks` of `per_chunk`, the last of which may be shorter. No chunks: a unit does not
/// fit a slot.
struct chunk_plan {
  std::int64_t units, per_chunk, chunks;

  constexpr std::int64_t begin(std::int64_t chunk) const noexcept { return chunk * per_chunk; }
  constexpr std::int64_t length(std::int64_t chunk) const noexcept {
    return std::min(per_chunk, units - chunk * per_chunk);
  }
};

/// `unit_bytes`: of all operands together. Chunks are multiples of `grain` units, but for the last; several where that
/// lets them overlap.
constexpr chunk_plan cut_into_chunks(std::int64_t units, std::int64_t unit_bytes, std::int64_t grain,
                                     std::int64_t slot_bytes) noexcept {
  const std::int64_t most = (slot_bytes - staging_operands * staging_align) / unit_bytes / grain * grain;
  if (most < 1 || units < 1) return {units, 0, 0};
  const std::int64_t fair = units / (std::int64_t{2} * staging_slots) + 1;  // so many chunks that ends weigh little
  const std::int64_t wanted = std::max(fair, least_chunk / unit_bytes + 1);
  const std::int64_t rounded = wanted > most ? most : std::min(most, (wanted + grain - 1) / grain * grain);
  return {units, rounded, (units - 1) / rounded + 1};
}

}  // namespace sigmax
