// What is wrong with a JSON file, without the parser's own marks.
#pragma once

#include <exception>
#include <string>

namespace sigmax_bench {

/// "it has no 'context'" for nlohmann's "[json.exception.out_of_range.403] key 'context' not found". Other errors keep
/// their text behind the bracket; what is not of JSON keeps all of it.
inline std::string json_problem(const std::exception& error) {
  std::string text = error.what();
  if (!text.starts_with("[json.exception.")) return text;
  text.erase(0, text.find("] ") + 2);
  const std::string before = "key ", after = " not found";
  if (text.starts_with(before) && text.ends_with(after))
    return "it has no " + text.substr(before.size(), text.size() - before.size() - after.size());
  return text;
}

}  // namespace sigmax_bench
