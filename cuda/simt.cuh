// The words of CUDA that a plain C++ compiler cannot be taught by macros alone: shared memory, clusters and the memory
// of other blocks in one. Everything else in a kernel is ordinary CUDA. nvcc takes the first half; in tests the kernels
// run on the CPU, and the words are those of tests/simt/emulator.hpp, which is included before.
#pragma once

#include <cstdint>
#include <cstring>

/// For functions that only kernels may call.
#define SIGMAX_DEVICE __device__ __forceinline__

#if defined(__CUDACC__)

#define SIGMAX_SHARED(type, name, count) __shared__ type name[count]

namespace sigmax {
namespace {

/// The shared memory whose size the launch tells, aligned to 16 bytes.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char sigmax_dynamic_shared[];
  return reinterpret_cast<T*>(sigmax_dynamic_shared);
}

/// Copies 16 bytes of global memory, both addresses multiples of 16; they are there when this thread has waited.
__device__ __forceinline__ void copy_to_shared(void* to, const void* from) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(to))),
      "l"(from)
      : "memory");
#else
  *static_cast<uint4*>(to) = *static_cast<const uint4*>(from);
#endif
}
__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}
/// This thread's copies since the last time become a group; and all but the last n groups are there.
__device__ __forceinline__ void close_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int n>
__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
#endif
}

// Clusters need sm_90; kernels that use them are never launched below, where these bodies are empty.
__device__ __forceinline__ unsigned cluster_rank() {
  unsigned rank = 0;
#if __CUDA_ARCH__ >= 900
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
  return rank;
}
__device__ __forceinline__ unsigned cluster_size() {
  unsigned size = 1;
#if __CUDA_ARCH__ >= 900
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
#endif
  return size;
}
/// The two halves of a barrier over all threads of a cluster. Writes before the first are seen after the second.
__device__ __forceinline__ void cluster_arrive() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
/// The first half where nothing was written: it shows only that the block has started, and waits for no memory.
__device__ __forceinline__ void cluster_arrive_started() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void cluster_wait() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

/// Writes `value` where block `rank` of the cluster has what this block has at `mine`. That block must have started,
/// which a cluster barrier shows, and must not have left, which takes another one.
template <class T>
__device__ __forceinline__ void store_remote(T* mine, unsigned rank, T value) {
#if __CUDA_ARCH__ >= 900
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  std::uint32_t address;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(address)
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(mine))), "r"(rank));
  if constexpr (sizeof(T) == 4) {
    std::uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(address), "r"(bits) : "memory");
  } else {
    std::uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    asm volatile("st.shared::cluster.u64 [%0], %1;" ::"r"(address), "l"(bits) : "memory");
  }
#endif
}

}  // namespace
}  // namespace sigmax

#elif defined(SIGMAX_SIMT_EMULATOR)

#define SIGMAX_SHARED(type, name, count) \
  struct name##_tag {};                  \
  type(&name)[count] = simt::shared<type[count], name##_tag>()

namespace sigmax {
using simt::close_copies;
using simt::cluster_arrive;
using simt::cluster_rank;
using simt::cluster_size;
using simt::cluster_wait;
inline void cluster_arrive_started() { simt::cluster_arrive(); }
using simt::copy_to_shared;
using simt::dynamic_shared;
using simt::store_remote;
using simt::wait_for_copies;
}  // namespace sigmax

#else
#error "kernels are for nvcc, or for a test that includes tests/simt/emulator.hpp first"
#endif
