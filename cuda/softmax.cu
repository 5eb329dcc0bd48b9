#include "softmax.cuh"

#include "softmax_kernels.hpp"

namespace sigmax {

static_assert(std::size(row_configs) == 6);
extern constinit const cuda_softmax_kernels cuda_softmax{
    {softmax_rows<0, false>, softmax_rows<1, false>, softmax_rows<2, false>, softmax_rows<3, false>,
     softmax_rows<4, false>, softmax_rows<5, false>},
    {softmax_long_rows<false, false>, softmax_long_rows<true, false>},
    softmax_columns<false>};

}  // namespace sigmax
