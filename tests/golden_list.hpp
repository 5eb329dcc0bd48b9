// The committed list of hashes, tests/golden.txt.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <string>

namespace sigmax_golden {

using hashes = std::map<std::string, std::uint64_t>;  // "gelu value 97"

inline hashes read_list(const char* path) {
  std::ifstream file(path);
  hashes list;
  std::string name, form, stride, hash;
  while (file >> name >> form >> stride >> hash)
    list[name + " " + form + " " + stride] = std::stoull(hash, nullptr, 16);
  return list;
}

}  // namespace sigmax_golden
