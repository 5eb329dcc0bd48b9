// One number for the bits of many results. Each pair (index, result) is mixed to 64 random-looking bits and these are
// added, so threads, processes and GPUs may visit the pairs in any order and still meet in the same sum. Also for
// device code, with nvcc's --expt-relaxed-constexpr.
#pragma once

#include <bit>
#include <cstdint>

namespace sigmax_golden {

/// The finaliser "Mix13" of David Stafford, as in SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// What result `y` at `index` adds. All NaN count as one: their sign and payload are the machine's.
constexpr std::uint64_t term(std::uint32_t index, float y) {
  const std::uint32_t bits = y != y ? 0x7fc00000u : std::bit_cast<std::uint32_t>(y);
  return mix((std::uint64_t{index} << 32 | bits) + 1);
}

/// Numbers 2 i and 2 i + 1 are a and b of pair i for gates, on every machine: any bit pattern, or one in [-16, 16).
inline constexpr std::uint32_t gate_pairs = 1u << 18;
constexpr float gate_input(std::uint64_t i) {
  const std::uint64_t random = mix(i);
  const auto bits = static_cast<std::uint32_t>(random >> 32);
  return random % 2 ? std::bit_cast<float>(bits) : static_cast<float>(bits >> 8) * 0x1p-19f - 16;
}

}  // namespace sigmax_golden
