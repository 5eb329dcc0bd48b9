// The reader of stored results: whatever the file holds, it is read or refused with usage_error, and what was read can
// be summarised.
#include <cstdint>
#include <string_view>

#include "../../bench/exit_code.hpp"
#include "../../bench/result_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sigmax_bench;
  try {
    const result_file file = parse_results({reinterpret_cast<const char*>(data), size}, "fuzz.json");
    double total = 0;
    for (const result_row& row : file.rows) {
      if (!row.samples.empty()) total += row.time() + row.ns_per_element() + row.bytes_per_second() + row.spread();
    }
    static_cast<void>(total + static_cast<double>(file.machine_id().size() + file.machine_name().size()));
  } catch (const usage_error&) {  // the one way to refuse
  }
  return 0;
}
