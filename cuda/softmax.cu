#include "softmax.cuh"

#include "softmax_kernels.hpp"
#include "softmax_staged.cuh"

namespace sigmax {

#define SIGMAX_STAGED(T, fused)                                                                \
  {                                                                                            \
    softmax_staged<T, 0, fused>, softmax_staged<T, 1, fused>, softmax_staged<T, 2, fused>,     \
        softmax_staged<T, 3, fused>, softmax_staged<T, 4, fused>, softmax_staged<T, 5, fused>, \
        softmax_staged<T, 6, fused>, softmax_staged<T, 7, fused>, softmax_staged<T, 8, fused>, \
        softmax_staged<T, 9, fused>, softmax_staged<T, 10, fused>                              \
  }
static_assert(std::size(staged_configs) == 11 && std::size(row_configs) == 6);
extern constinit const cuda_softmax_kernels cuda_softmax{
    {{SIGMAX_STAGED(float, false), SIGMAX_STAGED(float, true)},
     {SIGMAX_STAGED(float16, false), SIGMAX_STAGED(float16, true)},
     {SIGMAX_STAGED(bfloat16, false), SIGMAX_STAGED(bfloat16, true)}},
    {softmax_rows<0, false>, softmax_rows<1, false>, softmax_rows<2, false>, softmax_rows<3, false>,
     softmax_rows<4, false>, softmax_rows<5, false>},
    {softmax_long_rows<false, false>, softmax_long_rows<true, false>},
    softmax_columns<false>};

}  // namespace sigmax
