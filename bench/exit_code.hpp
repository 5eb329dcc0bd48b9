// How a command ends.
#pragma once

#include <stdexcept>

namespace sigmax_bench {

// CI jobs act on these: never renumber. 1, 3, and 4 are `gate`'s, 77 also `run`'s.
enum exit_code : int {
  exit_ok = 0,
  exit_regression = 1,
  exit_usage = 2,
  exit_undecided = 3,
  exit_unfit = 4,  // the machine was too busy or too unsteady to say anything
  exit_wrong_result = 5,
  exit_failed = 70,   // something went wrong that is none of these: a full disk, no memory
  exit_skipped = 77,  // nothing here that could be measured
  exit_interrupted = 130
};

/// The caller asked for something that cannot be: main prints the text as one line and exits with exit_usage.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// There is no device: main prints the text as one line and exits with exit_skipped.
struct nothing_to_measure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sigmax_bench
