// One table of the gates' kernels: compiled once for each size of elements by cmake/cuda.cmake, with SIGMAX_CUDA_TABLE
// (its name) and SIGMAX_CUDA_ELEMENT (as gates.cuh has it, or void for any strides and dtypes).
#include "gates.cuh"

#define SIGMAX_JOIN_(a, b) a##b
#define SIGMAX_JOIN(a, b) SIGMAX_JOIN_(a, b)

namespace sigmax {
namespace {

using element = SIGMAX_CUDA_ELEMENT;
using table = std::conditional_t<std::is_void_v<element>, cuda_gate_strided, cuda_gate_rows>;

template <class Gate, accuracy tier>
constexpr table::forward_kernel forward_kernel() {
  if constexpr (std::is_void_v<element>)
    return gated_strided<Gate, tier>;
  else
    return gated<Gate, element, tier>;
}
template <class Gate>
constexpr table::gradient_kernel gradient_kernel() {
  if constexpr (std::is_void_v<element>)
    return gated_gradient_strided<Gate>;
  else
    return gated_gradient<Gate, element>;
}

}  // namespace

extern constinit const table SIGMAX_JOIN(cuda_gates_, SIGMAX_CUDA_TABLE){
    {{
#define SIGMAX_GATE(name) forward_kernel<name##_gate, accuracy::high>(),
#include "sigmax/gates.def"
#undef SIGMAX_GATE
     },
     {
#define SIGMAX_GATE(name) forward_kernel<name##_gate, fast_tier<name##_gate, element>>(),
#include "sigmax/gates.def"
#undef SIGMAX_GATE
     }},
    {
#define SIGMAX_GATE(name) gradient_kernel<name##_gate>(),
#include "sigmax/gates.def"
#undef SIGMAX_GATE
    },
};

}  // namespace sigmax
