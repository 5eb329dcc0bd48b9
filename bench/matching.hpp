// Which rows of stored results are the same case, and how they compare.
#pragma once

#include "result_file.hpp"
#include "statistics.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sigmax_bench {

/// What tells the columns apart. All else must be equal, but a machine, backend or library takes its fastest ISA.
enum class compared_by { file, machine, backend, isa, library, dtype, threads };
compared_by parse_compared_by(const std::string& word);  // throws usage_error

struct matched_cell {
  const result_row* row = nullptr;  // null: this column has no such case
  double ratio = 0;                 // times as fast as the first column; 0 where one of the two has no time
  std::optional<interval> range;    // of the ratio at 95 %, from three samples a side on
};
struct matched_case {
  std::string name;
  std::vector<matched_cell> cells;  // one a column
};
struct matched_column {
  std::string name;
  double geometric_mean = 0;  // of the ratios; 0 if there is none
  int ratios = 0;
};
struct matching {
  std::vector<matched_column> columns;
  std::vector<matched_case> cases;        // with a time in the first and another column
  std::vector<std::string> unmatched;     // "only in NAME: case", in the order of the files
  std::vector<std::string> without_time;  // "NAME: case: why"
};

/// `files` must outlive the result. Throws usage_error where there is nothing to compare.
/// `reference` names the first column; "": the one that the files begin with.
matching match(std::span<const result_file> files, compared_by by, bool with_roofs, const std::string& reference = "");

}  // namespace sigmax_bench
