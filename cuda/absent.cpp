// Stands in for the CUDA backend where it is not built.
#include "../kernels/dispatch.hpp"

namespace sigmax {

const char* cuda_missing_because() noexcept { return "this build of sigmax has no CUDA backend"; }

}  // namespace sigmax
