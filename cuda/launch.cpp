// Everything that talks to the CUDA runtime, which is linked statically and finds the driver when it is first asked.
#include "launch.hpp"

#include <cuda_runtime_api.h>

#include <cstdio>

#include "../kernels/cuda_backend.hpp"
#include "transfer.hpp"

namespace sigmax {
namespace {

status refused(const char* what, cudaError_t error) noexcept {
  static_cast<void>(cudaGetLastError());  // or the next call that looks would find it, and take it for its own
  return failure(status_code::backend_error, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

/// Lets the kernel have all the dynamic shared memory that the device gives a block: the limit belongs to the kernel,
/// so one that followed the launch would be set by one thread between another's setting and launch.
cudaError_t allow_shared_memory(const void* kernel) noexcept {
  int device = 0, most = 0;
  cudaFuncAttributes attributes{};
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, kernel);
  most -= static_cast<int>(attributes.sharedSizeBytes);
  if (error == cudaSuccess) error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
  return error;
}

}  // namespace

bool has_code(int architecture) noexcept {
#if defined(SIGMAX_CUDA_MACHINE_CODE)
  // Machine code runs on later minor versions, PTX on all that comes later.
  for (int a : {SIGMAX_CUDA_MACHINE_CODE})
    if (a / 10 == architecture / 10 && a <= architecture) return true;
  for (int a : {SIGMAX_CUDA_PTX})
    if (a <= architecture) return true;
  return false;
#else
  return architecture > 0;  // what the build has is not known
#endif
}

const char* look_for_devices() noexcept {
  int devices = 0, major = 0, minor = 0;
  cudaError_t error = cudaGetDeviceCount(&devices);
  for (int device = 0; device < devices && error == cudaSuccess; ++device) {
    error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    if (error == cudaSuccess && has_code(10 * major + minor)) return nullptr;
  }
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // ours; what was there before is the caller's
    return cudaGetErrorString(error);
  }
  if (devices <= 0) return "there is no CUDA device";
  static char why[96];
  std::snprintf(why, sizeof why, "built without code for compute capability %d.%d (CMAKE_CUDA_ARCHITECTURES)", major,
                minor);
  return why;
}

const char* cuda_missing_because() noexcept {
  static const char* const why = look_for_devices();
  return why;
}

status count_multiprocessors(int& count) noexcept {
  int device = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return error == cudaSuccess ? status{} : refused("CUDA device", error);
}

status query_device(device_limits& device) noexcept {
  int number = 0, major = 0, minor = 0, shared = 0;
  cudaError_t error = cudaGetDevice(&number);
  const auto ask = [&](int& value, cudaDeviceAttr what) {
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&value, what, number);
  };
  ask(major, cudaDevAttrComputeCapabilityMajor);
  ask(minor, cudaDevAttrComputeCapabilityMinor);
  ask(device.multiprocessors, cudaDevAttrMultiProcessorCount);
  ask(shared, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  device.architecture = 10 * major + minor;
  device.shared_bytes = shared;
  return error == cudaSuccess ? status{} : refused("CUDA device", error);
}

status launch_untyped(const void* kernel, const launch_shape& shape, void** arguments, const options& how) noexcept {
  cudaLaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (how.dependent_launch) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (shape.cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim.x = shape.cluster;
    attributes[count].val.clusterDim.y = attributes[count].val.clusterDim.z = 1;
    ++count;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(shape.blocks);
  config.blockDim = dim3(shape.threads);
  config.dynamicSmemBytes = static_cast<std::size_t>(shape.shared_bytes);
  config.stream = static_cast<cudaStream_t>(how.stream);
  config.attrs = attributes;
  config.numAttrs = count;
  constexpr std::int64_t without_asking = 40 * 1024;  // of 48 KiB: kernels have static shared memory as well
  if (shape.shared_bytes > without_asking) {
    const cudaError_t error = allow_shared_memory(kernel);
    if (error != cudaSuccess) return refused("CUDA shared memory", error);
  }
  const cudaError_t error = cudaLaunchKernelExC(&config, kernel, arguments);
  return error == cudaSuccess ? status{} : refused("CUDA launch", error);
}

namespace {

status done(const char* what, cudaError_t error) noexcept {
  return error == cudaSuccess ? status{} : refused(what, error);
}
/// While it lives, this thread may allocate, free and wait though another one captures a graph. Else CUDA refuses that
/// in its default mode, and gives up the other's capture, of which none of this is a part.
class apart_from_captures {
 public:
  apart_from_captures() noexcept { exchange(); }
  ~apart_from_captures() { exchange(); }
  apart_from_captures(const apart_from_captures&) = delete;
  apart_from_captures& operator=(const apart_from_captures&) = delete;

 private:
  void exchange() noexcept { static_cast<void>(cudaThreadExchangeStreamCaptureMode(&mode_)); }
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};
cudaStream_t stream_of(void* stream) noexcept { return static_cast<cudaStream_t>(stream); }
std::size_t size(std::int64_t bytes) noexcept { return static_cast<std::size_t>(bytes); }

}  // namespace

status current_device(int& device) noexcept { return done("CUDA device", cudaGetDevice(&device)); }

status allocate_pinned(std::int64_t bytes, void*& memory) noexcept {
  const apart_from_captures mode;
  return done("CUDA pinned memory", cudaHostAlloc(&memory, size(bytes), cudaHostAllocDefault));
}
status allocate_on_device(std::int64_t bytes, void*& memory) noexcept {
  const apart_from_captures mode;
  return done("CUDA memory", cudaMalloc(&memory, size(bytes)));
}
status create_stream(void*& stream) noexcept {
  const apart_from_captures mode;
  cudaStream_t made = nullptr;
  const cudaError_t error = cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
  stream = made;
  return done("CUDA stream", error);
}
status free_pinned(void* memory) noexcept {
  const apart_from_captures mode;
  return done("CUDA pinned memory", cudaFreeHost(memory));
}
status free_on_device(void* memory) noexcept {
  const apart_from_captures mode;
  return done("CUDA memory", cudaFree(memory));
}
status destroy_stream(void* stream) noexcept {
  const apart_from_captures mode;
  return stream == nullptr ? status{} : done("CUDA stream", cudaStreamDestroy(stream_of(stream)));
}

status copy_to_device(void* to, const void* from, std::int64_t bytes, void* stream) noexcept {
  return done("CUDA copy to the device",
              cudaMemcpyAsync(to, from, size(bytes), cudaMemcpyHostToDevice, stream_of(stream)));
}
status copy_from_device(void* to, const void* from, std::int64_t bytes, void* stream) noexcept {
  return done("CUDA copy from the device",
              cudaMemcpyAsync(to, from, size(bytes), cudaMemcpyDeviceToHost, stream_of(stream)));
}
status wait_for(void* stream) noexcept {
  const apart_from_captures mode;
  return done("work on the device", cudaStreamSynchronize(stream_of(stream)));
}
void settle(void* stream) noexcept {
  const apart_from_captures mode;
  if (cudaStreamSynchronize(stream_of(stream)) != cudaSuccess) static_cast<void>(cudaGetLastError());
}

}  // namespace sigmax
