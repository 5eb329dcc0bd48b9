// Results in the forms that other tools read.
#pragma once

#include "result_file.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace sigmax_bench {

enum class foreign_format {
  google_benchmark,         // medians alone, one entry a case: consumers map every entry, aggregates included
  github_action_benchmark,  // customSmallerIsBetter: [{name, unit, value, range, extra}]
  bencher                   // Bencher Metric Format: {name: {latency: {value, lower_value, upper_value}}}
};
foreign_format parse_foreign_format(const std::string& word);  // throws usage_error

/// Kernels and peers that have a time. A name is once in a file.
nlohmann::ordered_json converted(const result_file& file, foreign_format to);

}  // namespace sigmax_bench
