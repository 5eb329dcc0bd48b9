// The CUDA runtime as this program wants it: what fails is one line for the user, memory frees itself.
#pragma once

#include "exit_code.hpp"

#include <sigmax/sigmax.hpp>

#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <cstdint>
#include <memory>

namespace sigmax_bench {

inline void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw usage_error(fmt::format("{}: {}", what, cudaGetErrorString(error)));
}
inline void require(const sigmax::status& s) {
  if (!s.ok()) throw usage_error(s.message);
}
/// Throws nothing_to_measure if there is no device.
inline void require_device() {
  if (const sigmax::status s = sigmax::cuda_available(); !s.ok()) throw nothing_to_measure(s.message);
}

struct free_device {
  void operator()(void* p) const { static_cast<void>(cudaFree(p)); }
};
using device_bytes = std::unique_ptr<void, free_device>;
inline device_bytes allocate(std::size_t bytes) {
  void* p = nullptr;
  require(cudaMalloc(&p, bytes), "cudaMalloc");
  return device_bytes(p);
}

/// A stream of its own, which waits for no other.
class device_stream {
 public:
  device_stream() { require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream"); }
  ~device_stream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  device_stream(const device_stream&) = delete;
  device_stream& operator=(const device_stream&) = delete;
  operator cudaStream_t() const { return stream_; }
  void wait() const { require(cudaStreamSynchronize(stream_), "work on the device"); }

 private:
  cudaStream_t stream_ = nullptr;
};

inline void copy(void* to, const void* from, std::size_t bytes) {
  require(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "copy");
}

inline std::int64_t attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  require(cudaGetDevice(&device), "device");
  require(cudaDeviceGetAttribute(&value, which, device), "device");
  return value;
}

}  // namespace sigmax_bench
