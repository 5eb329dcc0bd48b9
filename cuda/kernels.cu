// One table of kernels: compiled once per dtype by cmake/cuda.cmake, with SIGMAX_CUDA_TABLE (its name) and
// SIGMAX_CUDA_ELEMENT (its type in memory, or void for any).
#include "elementwise.cuh"

#define SIGMAX_JOIN_(a, b) a##b
#define SIGMAX_JOIN(a, b) SIGMAX_JOIN_(a, b)

namespace sigmax {
namespace {

using element = SIGMAX_CUDA_ELEMENT;
using arguments = std::conditional_t<std::is_void_v<element>, strided_arguments, contiguous_arguments>;

template <class Op, accuracy tier>
constexpr cuda_kernels<arguments>::kernel forward_kernel() {
  if constexpr (std::is_void_v<element>)
    return forward_strided<Op, tier>;
  else
    return forward<Op, element, tier>;
}
template <class Op>
constexpr cuda_kernels<arguments>::kernel gradient_kernel() {
  if constexpr (std::is_void_v<element>)
    return gradient_strided<Op>;
  else
    return gradient<Op, element>;
}

}  // namespace

extern constinit const cuda_kernels<arguments> SIGMAX_JOIN(cuda_kernels_, SIGMAX_CUDA_TABLE){
    {{
#define SIGMAX_ACTIVATION(name) forward_kernel<name##_op, accuracy::high>(),
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
     },
     {
#define SIGMAX_ACTIVATION(name) forward_kernel<name##_op, fast_tier<name##_op, element>>(),
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
     }},
    {
#define SIGMAX_ACTIVATION(name) gradient_kernel<name##_op>(),
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
    },
};

}  // namespace sigmax
