// Everything that talks to the CUDA runtime, which is linked statically and finds the driver when it is first asked.
#include "launch.hpp"

#include <cuda_runtime_api.h>

#include "../kernels/cuda_backend.hpp"

namespace sigmax {
namespace {

status refused(const char* what, cudaError_t error) noexcept {
  static_cast<void>(cudaGetLastError());  // or the next call that looks would find it, and take it for its own
  return failure(status_code::backend_error, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

const char* ask_for_devices() noexcept {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  static_cast<void>(cudaGetLastError());
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return devices > 0 ? nullptr : "there is no CUDA device";
}

}  // namespace

const char* cuda_missing_because() noexcept {
  static const char* const why = ask_for_devices();
  return why;
}

status count_multiprocessors(int& count) noexcept {
  int device = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return error == cudaSuccess ? status{} : refused("CUDA device", error);
}

status launch_untyped(const void* kernel, const launch_shape& shape, void** arguments, const options& how) noexcept {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(shape.blocks);
  config.blockDim = dim3(shape.threads);
  config.stream = static_cast<cudaStream_t>(how.stream);
  config.attrs = &attribute;
  config.numAttrs = how.dependent_launch ? 1 : 0;
  const cudaError_t error = cudaLaunchKernelExC(&config, kernel, arguments);
  return error == cudaSuccess ? status{} : refused("CUDA launch", error);
}

}  // namespace sigmax
