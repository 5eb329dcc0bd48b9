// Runs unmodified CUDA kernels on the CPU: include this, then the kernels' .cuh files, and call simt::run. Each CUDA
// thread is a fiber, all blocks of a cluster are resident at once, and clusters run one after the other. What it shows:
// missing or misplaced barriers (with several schedules), divergent barriers, deadlocks, shared memory that nobody
// wrote (it starts as garbage), remote access to blocks that have not started or have left, and, under the address
// sanitizer, everything beyond an array. What it does not: a weak memory model, timing.
#pragma once

#define SIGMAX_SIMT_EMULATOR

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__ __restrict

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace simt {

/// In which order ready threads run. The greedy ones let a block, or a warp, run as far as it can by itself before
/// anything else does: they alone see that a barrier of a block stands where one of a cluster is needed.
enum class schedule { forward, reverse, random, greedy_block, greedy_warp };
inline constexpr schedule schedules[] = {schedule::forward, schedule::reverse, schedule::random, schedule::greedy_block,
                                         schedule::greedy_warp};

struct launch {
  dim3 grid{}, block{};
  unsigned cluster = 1;  ///< blocks, along x
  std::size_t dynamic_shared = 0;
};

/// Runs `body`, which calls the kernel, once for each thread. Returns an empty string, or what was wrong.
std::string run(const launch& shape, schedule order, std::uint64_t seed, const std::function<void()>& body);

// What follows is for kernels.
const dim3& thread_index();
const dim3& block_index();
const dim3& grid_extent();
const dim3& block_extent();

void block_barrier(const char* file, int line);
void warp_barrier(unsigned mask, const char* file, int line);
/// What the lane `source` of this warp gave to the same call. All lanes in `mask` must come; `source` must be one.
std::uint64_t exchange(unsigned mask, std::uint64_t value, unsigned source, const char* file, int line);
unsigned ballot(unsigned mask, bool predicate, const char* file, int line);
unsigned lane();

unsigned cluster_rank();
unsigned cluster_size();
void cluster_arrive(const char* file = __builtin_FILE(), int line = __builtin_LINE());
void cluster_wait(const char* file = __builtin_FILE(), int line = __builtin_LINE());
void* remote(void* mine, unsigned rank, const char* file, int line);

/// 16 bytes that arrive when the thread waits for them, not before.
void copy_to_shared(void* to, const void* from);
void wait_for_copies();
/// What was copied since the last time is a group; all but the last `n` groups arrive.
void close_copies();
void wait_for_copies_but(std::size_t n);
template <int n>
void wait_for_copies() {
  wait_for_copies_but(n);
}

void* shared_variable(const void* key, std::size_t bytes);
void* dynamic_shared_memory();

template <class T, class Tag>
T& shared() {
  static const char key = 0;
  return *static_cast<T*>(shared_variable(&key, sizeof(T)));
}
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(dynamic_shared_memory());
}
template <class T>
void store_remote(T* mine, unsigned rank, T value, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  *static_cast<T*>(remote(mine, rank, file, line)) = value;
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source, const char* file, int line) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, source, file, line);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace simt

#define threadIdx (simt::thread_index())
#define blockIdx (simt::block_index())
#define gridDim (simt::grid_extent())
#define blockDim (simt::block_extent())
inline constexpr int warpSize = 32;

#define SIGMAX_SIMT_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
inline void __syncthreads(SIGMAX_SIMT_HERE) { simt::block_barrier(file, line); }
inline void __syncwarp(unsigned mask = 0xffffffffu, SIGMAX_SIMT_HERE) { simt::warp_barrier(mask, file, line); }
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIGMAX_SIMT_HERE) {
  const unsigned first = simt::lane() & ~static_cast<unsigned>(width - 1);
  return simt::shuffle(mask, value, first + static_cast<unsigned>(source & (width - 1)), file, line);
}
// As on the device: a lane that would read beyond its `width` keeps its own value.
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, SIGMAX_SIMT_HERE) {
  const unsigned self = simt::lane(), other = self ^ static_cast<unsigned>(lanes);
  const unsigned end = (self & ~static_cast<unsigned>(width - 1)) + static_cast<unsigned>(width);
  return simt::shuffle(mask, value, other < end ? other : self, file, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, SIGMAX_SIMT_HERE) {
  const unsigned self = simt::lane(), in_segment = self & static_cast<unsigned>(width - 1);
  return simt::shuffle(mask, value, in_segment >= delta ? self - delta : self, file, line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, SIGMAX_SIMT_HERE) {
  const unsigned self = simt::lane(), in_segment = self & static_cast<unsigned>(width - 1);
  const bool inside = in_segment + delta < static_cast<unsigned>(width);
  return simt::shuffle(mask, value, inside ? self + delta : self, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, SIGMAX_SIMT_HERE) {
  return simt::ballot(mask, predicate != 0, file, line);
}
inline int __any_sync(unsigned mask, int predicate, SIGMAX_SIMT_HERE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SIGMAX_SIMT_HERE) {
  return __ballot_sync(mask, predicate, file, line) == mask;
}
#undef SIGMAX_SIMT_HERE

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, T value) {
  *p = value;
}
inline std::uint32_t __float_as_uint(float x) { return __builtin_bit_cast(std::uint32_t, x); }
inline float __uint_as_float(std::uint32_t x) { return __builtin_bit_cast(float, x); }
