// Which ISA rows this build has and which this machine can run. Compiled for the baseline: it runs everywhere.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
// After <cstdint>, which xsimd 14.3 forgets to include here.
#include <xsimd/config/xsimd_cpu_features.hpp>

#include "../kernels/kernel_table.hpp"

namespace sigmax {

// SIGMAX_ISA_ROW(row, condition), best first; written by cmake/isa.cmake.
#define SIGMAX_ISA_ROW(row, condition) extern const kernel_table kernels_##row;
#include "sigmax_isa_rows.inc"
#undef SIGMAX_ISA_ROW

namespace {

isa_list find_isas() noexcept {
  isa_list list{};
  // Reads CPUID and XCR0 (what the operating system saves), so a row that the kernel does not support is not usable.
  const xsimd::cpu_features cpu{};
  static_cast<void>(cpu);
#define SIGMAX_ISA_ROW(row, condition)                                         \
  {                                                                            \
    const kernel_table& table = kernels_##row;                                 \
    const bool usable = condition;                                             \
    if (usable) list.usable[list.usable_count++] = &table;                     \
    list.all[list.all_count++] = {table.name, table.lanes, table.fma, usable}; \
  }
#include "sigmax_isa_rows.inc"
#undef SIGMAX_ISA_ROW
  return list;
}

}  // namespace

const isa_list& cpu_isa_list() noexcept {
  static const isa_list list = find_isas();
  return list;
}

std::span<const isa_info> cpu_isas() noexcept {
  const isa_list& list = cpu_isa_list();
  return {list.all, static_cast<std::size_t>(list.all_count)};
}

namespace {

/// The largest cache that the kernel lists for the first CPU, or 0. Not sysconf: on a virtual EPYC glibc 2.36
/// multiplies one 32 MiB L3 into 320 MiB. No stdio, which allocates.
std::int64_t largest_cache_listed() noexcept {
  std::int64_t largest = 0;
  char path[] = "/sys/devices/system/cpu/cpu0/cache/index0/size";
  for (char& digit = path[sizeof "/sys/devices/system/cpu/cpu0/cache/index" - 1]; digit <= '9'; ++digit) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) break;
    char text[32] = {};
    const bool got = read(file, text, sizeof text - 1) > 0;
    close(file);
    char* unit = nullptr;
    std::int64_t size = got ? std::strtoll(text, &unit, 10) : 0;
    if (unit != nullptr && *unit == 'K') size <<= 10;
    if (unit != nullptr && *unit == 'M') size <<= 20;
    if (size > largest) largest = size;
  }
  return largest;
}

}  // namespace

std::int64_t cache_share_bytes() noexcept {
  static const std::int64_t bytes = []() noexcept {
    const int error = errno;  // the caller's, which a file that is not there changes
    const std::int64_t listed = largest_cache_listed();
    errno = error;
    // A larger one is shared by many cores, of which a guest may see two: cpu/README.md, "How memory is moved".
    constexpr std::int64_t most = std::int64_t{32} << 20;
    return listed > 0 ? std::min(listed, most) : std::int64_t{8} << 20;  // unknown: between small and large machines
  }();
  return bytes;
}

}  // namespace sigmax
