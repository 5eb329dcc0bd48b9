#include "gating.cuh"

#include "softmax_kernels.hpp"

namespace sigmax {

static_assert(std::size(gating_configs) == 3);
extern constinit const cuda_gating_kernels cuda_gating{{gate_rows<0>, gate_rows<1>, gate_rows<2>}};

}  // namespace sigmax
