// A finished comparison as text.
#pragma once

#include "comparison.hpp"

#include <string>

namespace sigmax_bench {

std::string as_markdown(const comparison& result);  // machine line, table, legend
std::string as_csv(const comparison& result);
/// Google Benchmark's JSON, one median entry a case and a yardstick, with more fields.
std::string as_json(const comparison& result);

}  // namespace sigmax_bench
