// Words of the command line and what they mean. Every parse_* throws usage_error with a line that names the word.
#pragma once

#include "bench_case.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigmax_bench {

std::int64_t parse_size(std::string_view text);  // "4096", "4Ki", "64Mi", "2Gi"
std::string format_size(std::int64_t count);     // the shortest exact form of the same
extent parse_shape(std::string_view text);       // "64x1024", "4Kix32000", "32x4096x4096"; of more the first are one
sigmax::dtype parse_dtype(std::string_view text);
sigmax::backend parse_backend(std::string_view text);
int parse_threads(std::string_view text);  // a number, or "all" for the machine's

/// "gelu", "gelu:gradient", "softmax+scale"; "all" is every activation, softmax and log_softmax, "all:gradient" every
/// activation's gradient.
std::vector<operation> parse_operations(const std::vector<std::string>& words);

/// ISA names in build order, best first; "all" is every usable row, "best" what the library would choose.
std::vector<std::string> parse_isas(const std::vector<std::string>& words);
std::string chosen_isa();

}  // namespace sigmax_bench
