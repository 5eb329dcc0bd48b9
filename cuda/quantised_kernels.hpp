// The kernels with 8-bit results: tables that cuda/quantised.cu fills.
#pragma once

#include "../kernels/kernel_table.hpp"
#include "quantised_policy.hpp"

namespace sigmax {

struct cuda_quantised_kernels {
  using kernel = void (*)(quantised_arguments, parameters);
  kernel activations[accuracy_count][activation_count];
  kernel gates[accuracy_count][gate_count];
};
extern const cuda_quantised_kernels cuda_quantised;

}  // namespace sigmax
