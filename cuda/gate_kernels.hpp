// The kernels of the gates: tables that cuda/gates.cu fills, one for each size of contiguous elements and one for
// everything else.
#pragma once

#include "../kernels/kernel_table.hpp"
#include "gate_policy.hpp"

namespace sigmax {

template <class Forward, class Gradient>
struct cuda_gate_kernels {
  using forward_kernel = void (*)(Forward, parameters);
  forward_kernel forward[accuracy_count][gate_count];
  using gradient_kernel = void (*)(Gradient, parameters);
  gradient_kernel gradient[gate_count];
};
using cuda_gate_rows = cuda_gate_kernels<row_arguments<3>, row_arguments<5>>;
using cuda_gate_strided = cuda_gate_kernels<strided_views<2, 1>, strided_views<3, 2>>;

extern const cuda_gate_rows cuda_gates_f32, cuda_gates_16_bits;
extern const cuda_gate_strided cuda_gates_strided;

}  // namespace sigmax
