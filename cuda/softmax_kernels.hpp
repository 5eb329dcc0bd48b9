// The kernels for rows: tables of function pointers that the .cu files of these names fill.
#pragma once

#include "softmax_policy.hpp"

namespace sigmax {

struct cuda_softmax_kernels {
  using kernel = void (*)(softmax_arguments);
  kernel plain[std::size(plain_configs)], fused[std::size(fused_configs)];
  kernel long_rows[2];  ///< plain and fused
  kernel columns;
};
extern const cuda_softmax_kernels cuda_softmax;

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
