// What the system tells about the processor. Nothing here is measured, and what cannot be read is left out.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace sigmax_bench {

/// cpu, vendor, microarchitecture, family, stepping, SIMD flags, topology, clocks, NUMA, virtualisation.
nlohmann::ordered_json processor_block();

/// "Zen 4" from what CPUID says; "" for one that the table does not have.
std::string microarchitecture(std::string_view vendor, int family, int model);

/// The value of the first "key : value" line of a /proc file; "" if there is none.
std::string proc_value(const char* file, std::string_view key);
std::string first_line(const std::string& file);

std::int64_t memory_bytes();  // physical; 0 if the system does not tell

}  // namespace sigmax_bench
