// A finished comparison as text.
#pragma once

#include "comparison.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace sigmax_bench {

std::string as_markdown(const comparison& result);  // machine line, table, legend
std::string as_csv(const comparison& result);
/// Google Benchmark's JSON, one median entry a case and a yardstick, with more fields.
std::string as_json(const comparison& result);

/// The fields that Google Benchmark's tools read, for the median of the repetitions; and the context of a file.
nlohmann::ordered_json json_entry(const std::string& name, const samples& time);
nlohmann::ordered_json json_context(bool complete);

}  // namespace sigmax_bench
