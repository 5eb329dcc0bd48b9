// What dispatch asks of the CUDA backend. cuda/ implements it, and where it is not built cuda/absent.cpp does.
#pragma once

#include "layout.hpp"

namespace sigmax {

/// Null if the CUDA backend can be used, else why not. Asks the driver, once.
const char* cuda_missing_because() noexcept;

/// The tier of elementwise results there. Those of 16 bits have one: the accurate ones come from forms of their own,
/// which are shorter than the fast form and two roundings.
constexpr accuracy tier_on_cuda(accuracy wanted, dtype result) noexcept {
  return result == dtype::f32 ? wanted : accuracy::high;
}

/// A validated elementwise call on memory that the device reaches, of at least one element.
struct elementwise_call;

/// "contiguous" or "strided": which kernel cuda_run_elementwise would launch.
const char* cuda_elementwise_kernel(const elementwise_call& call) noexcept;
/// Launches on how.stream and returns.
status cuda_run_elementwise(const elementwise_call& call, const options& how) noexcept;

/// The same of gates.
struct gated_call;
const char* cuda_gated_kernel(const gated_call& call) noexcept;
status cuda_run_gated(const gated_call& call, const options& how) noexcept;

/// Activations and gates with 8-bit results; as `run_quantised` of the CPU.
struct elementwise_function;
status cuda_run_quantised(const elementwise_function& f, const const_view* const* views, int axis,
                          const quantisation& codes, const options& how) noexcept;

// The same for rows.
struct softmax_call;
struct softmax_gradient_call;
struct gating_call;

/// Which kernel cuda_run_softmax would launch on the current device.
status cuda_softmax_kernel(const softmax_call& call, const char*& name) noexcept;
status cuda_run_softmax(const softmax_call& call, const options& how) noexcept;
status cuda_run_softmax_gradient(const softmax_gradient_call& call, const options& how) noexcept;
status cuda_run_gating(const gating_call& call, const options& how) noexcept;

// Host memory, in chunks through buffers that cuda_warm_up makes for the current device; synchronous.
status cuda_warm_up(const staging_memory& given) noexcept;
status cuda_cool_down() noexcept;
/// Whether the current device has the buffers.
bool cuda_is_warm() noexcept;
/// For a contiguous nest.
status cuda_run_host_elementwise(const elementwise_call& call, const options& how) noexcept;
/// For a gate that `cut_host_gate` cuts.
status cuda_run_host_gated(const gated_call& call, const options& how) noexcept;
/// For a plain softmax of dense rows.
status cuda_run_host_softmax(const softmax_call& call, const options& how) noexcept;

}  // namespace sigmax
