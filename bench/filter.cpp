#include "filter.hpp"

#include "exit_code.hpp"

#include <fmt/core.h>

namespace sigmax_bench {

std::regex filter_of(const std::string& pattern) {
  // libstdc++ adds up the digits of a number without looking for an overflow, and parses by recursion.
  std::size_t digits = 0;
  for (char c : pattern) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 9) throw usage_error(fmt::format("filter '{}' has a number of more than 9 digits", pattern));
  }
  if (pattern.size() > 1000) throw usage_error("the filter is longer than 1000 characters");
  try {
#if defined(__GLIBCXX__)  // without back references, but in polynomial time: (a*)*b is no way to stand still
    return std::regex(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial);
#else
    return std::regex(pattern, std::regex::ECMAScript);
#endif
  } catch (const std::regex_error& error) {
    throw usage_error(fmt::format("filter '{}' is no regular expression: {}", pattern, error.what()));
  }
}

}  // namespace sigmax_bench
