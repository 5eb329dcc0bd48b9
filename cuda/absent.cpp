// Stands in for the CUDA backend where it is not built.
#include "../kernels/cuda_backend.hpp"
#include "../kernels/validate.hpp"

namespace sigmax {

const char* cuda_missing_because() noexcept { return "this build of sigmax has no CUDA backend"; }

const char* cuda_elementwise_kernel(const elementwise_call&) noexcept { return ""; }
const char* cuda_gated_kernel(const gated_call&) noexcept { return ""; }

namespace {

status unavailable() noexcept { return failure(status_code::unavailable, "CUDA backend: %s", cuda_missing_because()); }

}  // namespace

status cuda_run_elementwise(const elementwise_call&, const options&) noexcept { return unavailable(); }
status cuda_run_gated(const gated_call&, const options&) noexcept { return unavailable(); }
status cuda_run_quantised(const elementwise_function&, const const_view* const*, int, const quantisation&,
                          const options&) noexcept {
  return unavailable();
}
status cuda_softmax_kernel(const softmax_call&, const char*&) noexcept { return unavailable(); }
status cuda_run_softmax(const softmax_call&, const options&) noexcept { return unavailable(); }
status cuda_run_softmax_gradient(const softmax_gradient_call&, const options&) noexcept { return unavailable(); }
status cuda_run_gating(const gating_call&, const options&) noexcept { return unavailable(); }
status cuda_warm_up(const staging_memory&) noexcept { return unavailable(); }
status cuda_cool_down() noexcept { return {}; }
bool cuda_is_warm() noexcept { return false; }
status cuda_run_host_elementwise(const elementwise_call&, const options&) noexcept { return unavailable(); }
status cuda_run_host_gated(const gated_call&, const options&) noexcept { return unavailable(); }
status cuda_run_host_softmax(const softmax_call&, const options&) noexcept { return unavailable(); }

}  // namespace sigmax
