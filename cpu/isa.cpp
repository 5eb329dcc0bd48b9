// Which ISA rows this build has and which this machine can run. Compiled for the baseline: it runs everywhere.
#include <unistd.h>

#include <cstdint>
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
#define SIGMAX_ISA_ROW(row, condition)                                                               \
  {                                                                                                   \
    const kernel_table& table = kernels_##row;                                                       \
    const bool usable = condition;                                                                    \
    if (usable) list.usable[list.usable_count++] = &table;                                            \
    list.all[list.all_count++] = {table.name, table.lanes, table.fma, usable};                        \
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

std::int64_t last_level_cache_bytes() noexcept {
  static const std::int64_t bytes = []() noexcept -> std::int64_t {
#if defined(_SC_LEVEL3_CACHE_SIZE)
    for (int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE})
      if (const long size = sysconf(level); size > 0) return size;
#endif
    return std::int64_t{8} << 20;  // unknown: between the last-level caches of small and large machines
  }();
  return bytes;
}

}  // namespace sigmax
