#include "evict.hpp"

#include <cstdint>
#include <vector>

namespace sigmax_bench {

void evict(const void* data, std::size_t bytes) {
#if defined(__x86_64__)
  const char* line = static_cast<const char*>(data);
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_ia32_clflush(line + at);
  __builtin_ia32_mfence();
#elif defined(__aarch64__)
  const char* line = static_cast<const char*>(data);
  for (std::size_t at = 0; at < bytes; at += 64) asm volatile("dc civac, %0" ::"r"(line + at) : "memory");
  asm volatile("dsb ish" ::: "memory");
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
  static std::vector<std::uint64_t> other(std::size_t{16} << 20, 1);  // 128 MiB
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < other.size(); i += 8) sum += other[i];
  asm volatile("" ::"r"(sum) : "memory");
#endif
}

}  // namespace sigmax_bench
