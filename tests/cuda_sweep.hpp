// What sweeps over all inputs need on the device itself: 2^32 floats are too many to send.
#pragma once

#include <cstdint>

namespace sigmax_test {

/// x[i] = the float whose bits are (first + i) stride; asynchronous on the default stream.
void fill_with_bits(float* x, std::uint64_t first, std::uint64_t stride, std::int64_t n);
/// Adds sigmax_golden::term((first + i) stride, y[i]) over all i to *sum, which is on the device.
void add_terms(const float* y, std::uint64_t first, std::uint64_t stride, std::int64_t n, std::uint64_t* sum);

/// How many of all floats d in [1, 2^25) have another quotient 1 / d than math says: `newton` of the recipe in
/// kernels/value.hpp, `reference` (which must be 0) of rcp.rn, compared with the double quotient.
struct reciprocal_faults {
  std::uint64_t newton, reference;
  std::uint32_t first_bits;  ///< of a d for which the recipe fails
};
/// Writes to `faults`, which is on the device and zero.
void sweep_reciprocals(reciprocal_faults* faults);

}  // namespace sigmax_test
