// Every definition of kernels/ as device code, one element a thread. This is the compile check that comes before the
// backend: it shows that the formulas are valid CUDA and that no architecture spills.
#include "../kernels/activations.hpp"

namespace {

template <class Op>
__global__ void forward(const float* x, float* y, std::int64_t n, Op op) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) y[i] = op(x[i]);
}

template <class Op>
__global__ void gradient(const float* dy, const float* x, float* dx, std::int64_t n, Op op) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) dx[i] = dy[i] * op.derivative(x[i]);
}

}  // namespace

// Taking the addresses instantiates every kernel.
extern const void* const sigmax_cuda_kernels[];
const void* const sigmax_cuda_kernels[] = {
#define SIGMAX_ACTIVATION(name)                               \
  reinterpret_cast<const void*>(&forward<sigmax::name##_op>), \
      reinterpret_cast<const void*>(&gradient<sigmax::name##_op>),
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
};
