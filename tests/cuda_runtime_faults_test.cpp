// cuda/launch.cpp, all that talks to the CUDA runtime, over a runtime whose calls fail one after another: each failure
// is a status with its name, none is left behind for the caller's next look, and nothing is launched after one.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../cuda/launch.hpp"
#include "../cuda/transfer.hpp"
#include "../kernels/cuda_backend.hpp"

namespace {

int calls = 0, fails_at = -1, launches = 0;
cudaError_t last = cudaSuccess;  // what cudaGetLastError would find
int capability[2] = {90, 90};    // of each device
cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
int refusable = 0;  // calls that another thread's capture would not survive

cudaError_t next() {
  if (calls++ != fails_at) return cudaSuccess;
  return last = cudaErrorMemoryAllocation;
}

cudaError_t next_unsafe() {
  refusable += mode != cudaStreamCaptureModeRelaxed;
  return next();
}

}  // namespace

extern "C" {
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* other) {
  std::swap(mode, *other);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  const cudaError_t was = last;
  last = cudaSuccess;
  return was;
}
const char* cudaGetErrorString(cudaError_t) { return "out of memory"; }
const char* cudaGetErrorName(cudaError_t) { return "cudaErrorMemoryAllocation"; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 2, next(); }
cudaError_t cudaGetDevice(int* device) { return *device = 0, next(); }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr what, int device) {
  *value = what == cudaDevAttrComputeCapabilityMajor   ? capability[device] / 10
           : what == cudaDevAttrComputeCapabilityMinor ? capability[device] % 10
                                                       : 9;
  return next();
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  return next();
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return next(); }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t*, const void*, void**) { return ++launches, next(); }
cudaError_t cudaHostAlloc(void**, size_t, unsigned) { return next_unsafe(); }
cudaError_t cudaMalloc(void**, size_t) { return next_unsafe(); }
cudaError_t cudaFreeHost(void*) { return next_unsafe(); }
cudaError_t cudaFree(void*) { return next_unsafe(); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) { return next_unsafe(); }
cudaError_t cudaStreamDestroy(cudaStream_t) { return next_unsafe(); }
cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) { return next(); }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return next_unsafe(); }
}

namespace sigmax_test {
namespace {

using namespace sigmax;

struct named {
  const char* name;
  int calls;  // of the runtime
  std::function<status()> call;
};

std::vector<named> all_calls() {
  static int number;
  static device_limits device;
  static void* memory;
  static char kernel, stream;
  const auto launched = [](std::int64_t shared) {
    launch_shape shape{};
    shape.blocks = shape.threads = 32;
    shape.shared_bytes = static_cast<decltype(shape.shared_bytes)>(shared);
    return launch_untyped(&kernel, shape, nullptr, {});
  };
  return {
      {"count_multiprocessors", 2, [] { return count_multiprocessors(number); }},
      {"query_device", 5, [] { return query_device(device); }},
      {"current_device", 1, [] { return current_device(number); }},
      {"launch", 1, [=] { return launched(0); }},
      {"launch with much shared memory", 5, [=] { return launched(100000); }},
      {"allocate_pinned", 1, [] { return allocate_pinned(8, memory); }},
      {"allocate_on_device", 1, [] { return allocate_on_device(8, memory); }},
      {"create_stream", 1, [] { return create_stream(memory); }},
      {"free_pinned", 1, [] { return free_pinned(&kernel); }},
      {"free_on_device", 1, [] { return free_on_device(&kernel); }},
      {"destroy_stream", 1, [] { return destroy_stream(&stream); }},
      {"copy_to_device", 1, [] { return copy_to_device(&kernel, &kernel, 1, &stream); }},
      {"copy_from_device", 1, [] { return copy_from_device(&kernel, &kernel, 1, &stream); }},
      {"wait_for", 1, [] { return wait_for(&stream); }},
  };
}

TEST(cuda_runtime, every_call_that_fails_is_told_and_leaves_no_error) {
  for (const named& one : all_calls()) {
    for (int at = -1; at < one.calls; ++at) {
      calls = launches = 0, fails_at = at;
      const status s = one.call();
      EXPECT_EQ(s.ok(), at < 0) << one.name << ", call " << at;
      EXPECT_EQ(calls, at < 0 ? one.calls : at + 1) << one.name << ": none comes after one that failed";
      EXPECT_EQ(last, cudaSuccess) << one.name << ", call " << at;
      EXPECT_EQ(refusable, 0) << one.name << ": not while another thread captures a graph";
      EXPECT_EQ(mode, cudaStreamCaptureModeGlobal) << one.name << ": the thread's mode is the caller's again";
      if (at < 0) continue;
      EXPECT_EQ(s.code, status_code::backend_error) << one.name;
      EXPECT_NE(std::strstr(s.message, "out of memory (cudaErrorMemoryAllocation)"), nullptr) << s.message;
      EXPECT_EQ(launches, std::strncmp(one.name, "launch", 6) == 0 && at == one.calls - 1) << one.name;
    }
  }
}

TEST(cuda_runtime, settling_is_silent) {
  for (int at : {-1, 0}) {
    calls = 0, fails_at = at;
    settle(nullptr);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(refusable, 0);
    EXPECT_EQ(last, cudaSuccess);
  }
}

TEST(cuda_runtime, there_is_code_for_what_the_build_names) {  // 75, 80 and 90, and PTX of 120
  for (int architecture : {75, 78, 80, 86, 87, 89, 90, 120, 121, 130})
    EXPECT_TRUE(has_code(architecture)) << architecture;
  for (int architecture : {0, 50, 70, 72, 100, 103, 110, 119}) EXPECT_FALSE(has_code(architecture)) << architecture;
}

TEST(cuda_runtime, some_device_needs_code) {
  fails_at = -1;
  for (const auto& [first, second] : {std::pair{90, 110}, {110, 90}, {130, 70}}) {
    capability[0] = first, capability[1] = second;
    EXPECT_EQ(look_for_devices(), nullptr) << first << " " << second;
  }
  capability[0] = 70, capability[1] = 110;
  EXPECT_STREQ(look_for_devices(), "built without code for compute capability 11.0 (CMAKE_CUDA_ARCHITECTURES)");
}

TEST(cuda_runtime, without_devices_the_reason_is_the_runtimes) {
  capability[0] = capability[1] = 110;
  for (int at = 0; at < 5; ++at) {
    calls = 0, fails_at = at;
    EXPECT_STREQ(look_for_devices(), "out of memory") << at;
    EXPECT_EQ(calls, at + 1);
    EXPECT_EQ(last, cudaSuccess);
  }
}

// Asked once a process; the test has one of its own under ctest.
TEST(cuda_runtime, devices_are_looked_for_once) {
  calls = 0, fails_at = 0;
  const char* why = cuda_missing_because();
  ASSERT_NE(why, nullptr);
  EXPECT_STREQ(why, "out of memory");
  EXPECT_EQ(last, cudaSuccess);
  EXPECT_EQ(cuda_missing_because(), why);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace sigmax_test
