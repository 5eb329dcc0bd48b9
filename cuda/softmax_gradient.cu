#include "softmax_gradient.cuh"

#include "softmax_kernels.hpp"

namespace sigmax {

static_assert(std::size(gradient_configs) == 6);
extern constinit const cuda_gradient_kernels cuda_softmax_gradient{
    {softmax_gradient_rows<0>, softmax_gradient_rows<1>, softmax_gradient_rows<2>, softmax_gradient_rows<3>,
     softmax_gradient_rows<4>, softmax_gradient_rows<5>},
    softmax_gradient_long_rows,
    softmax_gradient_columns};

}  // namespace sigmax
