#include "softmax.cuh"

#include "softmax_kernels.hpp"

namespace sigmax {

static_assert(std::size(row_configs) == 6);
extern constinit const cuda_softmax_code_kernels cuda_softmax_codes{
    {softmax_rows<0, true>, softmax_rows<1, true>, softmax_rows<2, true>, softmax_rows<3, true>, softmax_rows<4, true>,
     softmax_rows<5, true>},
    softmax_long_rows<true, true>,
    softmax_columns<true>};

}  // namespace sigmax
