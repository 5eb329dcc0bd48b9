// A case as a call of the library on plain pointers, of the device or of the host, so that either can check the other.
#pragma once

#include "bench_case.hpp"

#include <sigmax/sigmax.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sigmax_bench {

/// What a call reads and writes, in the order of the library's parameters; nullptr where it has fewer. A gate of a
/// ROWSxCOLS shape has a and b (and da and db) packed as the halves of rows of 2 COLS, else each its own tensor.
struct call_tensors {
  std::array<void*, 3> in{};
  std::array<void*, 2> out{};
};

/// Elements of each tensor for an element of the case: 2 for packed halves, 0 for what there is not.
struct tensor_counts {
  std::array<int, 3> in{};
  std::array<int, 2> out{};
};
tensor_counts counts_of(const bench_case& c);

/// Throws usage_error for what the command cuda does not time.
void require_cuda_case(const bench_case& c);

/// The call of `c` on the first elements, or rows, that `size` says.
sigmax::status call_on(const bench_case& c, const extent& size, const call_tensors& t, sigmax::memory where,
                       const sigmax::options& how);

}  // namespace sigmax_bench
