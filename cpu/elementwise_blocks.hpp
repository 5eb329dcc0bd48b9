// How elementwise calls on the CPU, with 8-bit results too, are cut.
#pragma once

#include <cstdint>

namespace sigmax {

inline constexpr std::int64_t block = 1024;           // 4 KiB a buffer: three of them leave most of a 32 KiB L1 free
inline constexpr std::int64_t grain = 64;             // elements: cuts never share a cache line of the output
inline constexpr std::int64_t smallest_task = 16384;  // about 5 us of work, several times the cost of waking a thread

}  // namespace sigmax
