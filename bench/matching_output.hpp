// Compared results as text.
#pragma once

#include "matching.hpp"
#include "table.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace sigmax_bench {

table matching_table(const matching& m);
/// A line a file: what machine and build it is from.
table machine_table(std::span<const result_file> files);
/// Which cases are in one column only, and what has no time: at most `limit` names, then a count; 0 for all.
std::string left_out(const matching& m, std::size_t limit);
/// How to read the table.
std::string matching_legend(const matching& m);

std::string matching_markdown(std::span<const result_file> files, const matching& m);
std::string matching_csv(const matching& m);  // a line a case and column
nlohmann::ordered_json matching_json(std::span<const result_file> files, const matching& m);
std::string matching_html(std::span<const result_file> files, const matching& m);  // a body

}  // namespace sigmax_bench
