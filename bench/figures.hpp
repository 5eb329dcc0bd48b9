// Which figures there are.
#pragma once

#include "figure.hpp"
#include "matching.hpp"
#include "result_file.hpp"

#include <span>
#include <string>
#include <vector>

namespace sigmax_bench {

/// Every activation with its derivative, softmax, and the overlays: from the library's own kernels, on this machine.
std::vector<figure> function_figures();

/// Signed error in ULP over x, one pair of curves (largest above and below the exact result) for each ISA and peer.
std::vector<figure> error_figures(const std::vector<std::string>& ops, const std::vector<std::string>& isas,
                                  const std::vector<std::string>& peers);

/// Throughput over bytes with the machine's caches and the copies of that run, of every op with two sizes or more; and
/// over shapes, of functions of rows that were measured in several of different columns.
std::vector<figure> sweep_figures(const result_file& file, const std::string& filter);

/// Rows x columns, a figure for each op, dtype, ISA and thread count whose shapes fill half a grid or more.
std::vector<figure> heat_figures(const result_file& file, const std::string& filter);

/// Ratios to the first column with their intervals.
figure ratio_figure(const matching& m, const std::string& filter);

/// What those share: the rows with a time whose name has `filter`, and all roofs; a name that is good for a file.
std::vector<const result_row*> timed_rows(const result_file& file, const std::string& filter);
std::string file_name(std::string text);

}  // namespace sigmax_bench
