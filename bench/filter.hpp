// The regular expression of --filter.
#pragma once

#include <regex>
#include <string>

namespace sigmax_bench {

/// Throws usage_error for what is none, and for what libstdc++ does not survive; of libstdc++'s those without back
/// references, which take polynomial time.
std::regex filter_of(const std::string& pattern);

}  // namespace sigmax_bench
