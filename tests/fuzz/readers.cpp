// The readers of sigmax-bench's files but that of stored results (results.cpp): whatever a file holds, it is read or
// refused with usage_error, and what was read can be written again. The first byte says whose file it is.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../../bench/accuracy_file.hpp"
#include "../../bench/calibration_file.hpp"
#include "../../bench/case_options.hpp"
#include "../../bench/exit_code.hpp"
#include "../../bench/foreign_format.hpp"
#include "../../bench/gate_result.hpp"
#include "../../bench/result_file.hpp"
#include "../../bench/self_test.hpp"

namespace {

using namespace sigmax_bench;

void batch(const std::string& text) {
  for (const std::string& line : batch_lines_of(text)) {
    int left = 5;  // a line may ask for thousands
    for (const bench_case& c : cases_of_line(line)) {
      if (left-- == 0) break;
      const std::vector<bench_case> again = cases_of_line(words_of(c));
      if (again.size() != 1 || again.front().name() != c.name()) std::abort();  // the words ask for another case
    }
  }
}

void foreign(const std::string& text) {
  const result_file file = parse_results(text, "fuzz.json");
  for (const char* word : {"google-benchmark", "github-action-benchmark", "bencher"}) {
    const std::string written = converted(file, parse_foreign_format(word)).dump();
    if (word == std::string("google-benchmark")) static_cast<void>(parse_results(written, "again.json"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (*data) {
      case 'a': static_cast<void>(parse_accuracy(text, "fuzz")); break;
      case 'b': batch(text); break;
      case 'c': apply_calibration(text, "fuzz", "0"); break;
      case 'f': foreign(text); break;
      case 'g': static_cast<void>(parse_baseline(text, "fuzz")); break;
      case 's': {
        const self_test_record read = parse_self_test(text, "fuzz");
        static_cast<void>(self_test_markdown(read) + self_test_json(read).dump());
        break;
      }
      default: return -1;  // not for the corpus
    }
  } catch (const usage_error&) {         // the one way to refuse,
  } catch (const nothing_to_measure&) {  // but for what this machine lacks
  }
  return 0;
}
