// Where a command's text goes, and comes from.
#pragma once

#include <string>

namespace sigmax_bench {

/// To `path`, or to standard output if it is "". Throws usage_error for a path that cannot be opened.
void write_text(const std::string& path, const std::string& text);

/// The whole of a file; throws usage_error if it cannot be read.
std::string read_text(const std::string& path);

/// Opens `path` for writing and closes it again, unless it is "": a wrong one must not cost a measurement.
void require_writable(const std::string& path);

/// "json" of "out.json"; "" without an extension.
std::string extension_of(const std::string& path);

}  // namespace sigmax_bench
