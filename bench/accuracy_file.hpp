// Stored results of `accuracy`, read back.
#pragma once

#include "sweep.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigmax_bench {

/// Throws usage_error with one line for what is no such file.
std::vector<accuracy_row> parse_accuracy(std::string_view text, const std::string& path);

}  // namespace sigmax_bench
