// The kernels for rows: tables of function pointers that the .cu files of these names fill (cuda_staged_*:
// softmax_staged.cu).
#pragma once

#include "softmax_policy.hpp"

namespace sigmax {

struct cuda_softmax_kernels {
  using kernel = void (*)(softmax_arguments);
  kernel rows[std::size(row_configs)];
  kernel long_rows[2];  ///< plain and fused
  kernel columns;
};
extern const cuda_softmax_kernels cuda_softmax;

/// For rows of words, plain and with what goes with those; one table for each dtype.
struct cuda_staged_kernels {
  cuda_softmax_kernels::kernel rows[2][std::size(staged_configs)];
};
extern const cuda_staged_kernels cuda_staged_f32, cuda_staged_f16, cuda_staged_bf16;

/// With 8-bit results; what is fused is in all of them.
struct cuda_softmax_code_kernels {
  cuda_softmax_kernels::kernel rows[std::size(row_configs)];
  cuda_softmax_kernels::kernel long_rows, columns;
};
extern const cuda_softmax_code_kernels cuda_softmax_codes;

struct cuda_gradient_kernels {
  using kernel = void (*)(gradient_arguments);
  kernel rows[std::size(gradient_configs)];
  kernel long_rows, columns;
};
extern const cuda_gradient_kernels cuda_softmax_gradient;

struct cuda_gating_kernels {
  using kernel = void (*)(gating_arguments);
  kernel rows[std::size(gating_configs)];
};
extern const cuda_gating_kernels cuda_gating;

}  // namespace sigmax
