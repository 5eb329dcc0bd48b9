// Memory that CUDA kernels reach, for tests that run on a GPU or, with SIGMAX_EMULATED_CUDA, in the SIMT emulator.
#pragma once

#include "harness.hpp"

#if defined(SIGMAX_EMULATED_CUDA)
#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#else
#include <cuda_runtime_api.h>
#endif

namespace sigmax_test {

inline constexpr dtype types[] = {dtype::f32, dtype::f16, dtype::bf16};

/// Room for `bytes` bytes, of which the first is `offset` bytes behind a multiple of 256. In the emulator forbidden
/// pages begin right after them if `at_end` (then `offset` must fit), else right before that multiple; and the address
/// sanitizer forbids the rest.
class device_memory {
 public:
  device_memory(std::size_t bytes, std::size_t offset = 0, bool at_end = false);
  ~device_memory();
  device_memory(const device_memory&) = delete;
  device_memory& operator=(const device_memory&) = delete;

  std::byte* data() const { return data_; }
  void upload(const void* from) const { copy(data_, from); }
  void download(void* to) const { copy(to, data_); }

 private:
  void copy(void* to, const void* from) const;
  std::size_t bytes_, reserved_;
  std::byte *base_, *data_;
};

#if defined(SIGMAX_EMULATED_CUDA)

inline device_memory::device_memory(std::size_t bytes, std::size_t offset, bool at_end) : bytes_(bytes) {
  constexpr std::size_t page = 4096;
  const std::size_t inside = (bytes + offset + page - 1) / page * page + page;
  reserved_ = inside + 2 * page;
  base_ = static_cast<std::byte*>(mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_EQ(mprotect(base_ + page, inside, PROT_READ | PROT_WRITE), 0);
  std::byte* const end = base_ + page + inside;
  data_ = at_end ? end - bytes : base_ + page + offset;
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(base_ + page, inside);
  __asan_unpoison_memory_region(data_, bytes);
#endif
}
inline device_memory::~device_memory() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(base_, reserved_);
#endif
  munmap(base_, reserved_);
}
inline void device_memory::copy(void* to, const void* from) const {
  if (bytes_ > 0) std::memcpy(to, from, bytes_);
}

#else

inline device_memory::device_memory(std::size_t bytes, std::size_t offset, bool) : bytes_(bytes) {
  reserved_ = bytes + offset + 1;
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, reserved_), cudaSuccess);
  base_ = static_cast<std::byte*>(memory);
  data_ = base_ + offset;
}
inline device_memory::~device_memory() { EXPECT_EQ(cudaFree(base_), cudaSuccess); }
/// Waits: a copy from pageable memory returns while it is still on its way, and streams of the tests do not wait for
/// it.
inline void device_memory::copy(void* to, const void* from) const {
  EXPECT_EQ(cudaMemcpy(to, from, bytes_, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

#endif

}  // namespace sigmax_test
