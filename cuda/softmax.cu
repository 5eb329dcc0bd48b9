#include "softmax.cuh"

#include "softmax_kernels.hpp"

namespace sigmax {

static_assert(std::size(plain_configs) == 10 && std::size(fused_configs) == 6);
extern constinit const cuda_softmax_kernels cuda_softmax{
    {softmax_rows<0, false>, softmax_rows<1, false>, softmax_rows<2, false>, softmax_rows<3, false>,
     softmax_rows<4, false>, softmax_rows<5, false>, softmax_rows<6, false>, softmax_rows<7, false>,
     softmax_rows<8, false>, softmax_rows<9, false>},
    {softmax_rows<0, true>, softmax_rows<1, true>, softmax_rows<2, true>, softmax_rows<3, true>, softmax_rows<4, true>,
     softmax_rows<5, true>},
    {softmax_long_rows<false>, softmax_long_rows<true>},
    softmax_columns};

}  // namespace sigmax
