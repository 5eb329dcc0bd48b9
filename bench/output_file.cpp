#include "output_file.hpp"

#include "exit_code.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sigmax_bench {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  if (!in || std::filesystem::is_directory(path)) throw usage_error(fmt::format("cannot read '{}'", path));
  content << in.rdbuf();
  return content.str();
}

void require_writable(const std::string& path) {
  if (!path.empty() && !std::ofstream(path, std::ios::app)) throw usage_error(fmt::format("cannot write '{}'", path));
}

void write_text(const std::string& path, const std::string& text) {
  if (path.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0) throw std::runtime_error("writing to standard output failed");
    return;
  }
  std::ofstream file(path, std::ios::binary);
  if (!file) throw usage_error(fmt::format("cannot write '{}'", path));
  if (!(file << text).flush()) throw std::runtime_error(fmt::format("writing '{}' failed", path));
}

std::string extension_of(const std::string& path) {
  const std::string dotted = std::filesystem::path(path).extension().string();
  return dotted.empty() ? "" : dotted.substr(1);
}

}  // namespace sigmax_bench
