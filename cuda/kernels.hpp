// The kernels of the backend: tables of function pointers that cuda/kernels.cu fills, one for each dtype of contiguous
// memory and one for everything else.
#pragma once

#include "../kernels/kernel_table.hpp"
#include "policy.hpp"

namespace sigmax {

template <class Arguments>
struct cuda_kernels {
  using kernel = void (*)(Arguments, parameters);
  kernel forward[accuracy_count][activation_count];
  kernel gradient[activation_count];
};

extern const cuda_kernels<contiguous_arguments> cuda_kernels_f32, cuda_kernels_f16, cuda_kernels_bf16;
extern const cuda_kernels<strided_arguments> cuda_kernels_strided;

}  // namespace sigmax
