// The options by which commands choose cases, and the words that ask for one case again.
#pragma once

#include "bench_case.hpp"
#include "plan.hpp"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sigmax_bench {

struct case_wishes {
  std::vector<std::string> ops, dtypes, sizes, shapes, backends, isas, threads, caches;
  std::string filter, max_bytes, batch;
  bool in_place = false;

  bool any_axis() const {
    return in_place || !(ops.empty() && dtypes.empty() && sizes.empty() && shapes.empty() && backends.empty() &&
                         isas.empty() && threads.empty() && caches.empty());
  }
};

void add_case_options(CLI::App& command, case_wishes& into);

/// Bytes that --max-bytes allows; 0 if it was not given.
std::int64_t max_bytes_of(const case_wishes& w);

/// What the axes, or the lines of the batch file, ask for: empty if there are neither. Not filtered.
std::vector<bench_case> wished_cases(const case_wishes& w);

/// One line of a batch file, the words that follow `run`: "--op gelu --dtype f32 --size 64Ki".
std::vector<bench_case> cases_of_line(const std::string& line);
/// The lines of a batch file without comments (#) and blank lines. Throws usage_error if it cannot be read.
std::vector<std::string> batch_lines(const std::string& path);
std::vector<std::string> batch_lines_of(const std::string& text);

/// The words that ask for this very case, fit for a batch file.
std::string words_of(const bench_case& c);

/// "1Ki:256Mi*2" is 1Ki, 2Ki ... 256Mi; any other word is one size.
std::vector<std::int64_t> parse_sizes(std::string_view text);

}  // namespace sigmax_bench
