// Timing, by Google Benchmark: warm-up, iteration counts and interleaved repetitions are its; this file only feeds
// it calls and collects the samples. Knows nothing of sigmax.
#pragma once

#include "progress.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sigmax_bench {

struct timed_call {
  std::string name;
  std::function<void()> call;
  std::function<void()> restore = {};  // if set: runs untimed before every call, and each call is timed on its own
};

struct samples {
  std::vector<double> real_ns;  // per call, one a repetition
  std::vector<double> cpu_ns;   // of the whole process
  std::int64_t iterations = 0;  // calls in a repetition

  bool empty() const { return real_ns.empty(); }
  double median() const;
  double cpu_median() const;
  double spread() const;  // half the range over the median
};

struct measure_settings {
  double min_time = 0.02;  // seconds a repetition
  int repetitions = 5;
  // Flags of the user's own that Google Benchmark shall see; they win over the two above.
  std::vector<std::string> benchmark_flags;
};

/// Hands the flags to Google Benchmark; throws usage_error for one that it does not know. Once a process.
void start_measuring(const measure_settings& settings);

/// Repetitions of all calls in random order, so that a slow minute of the machine falls on all alike. Calls that
/// SIGINT cut off have the samples they got, perhaps none.
std::vector<samples> measure(std::span<const timed_call> calls, const measure_settings& settings, progress& shown);

}  // namespace sigmax_bench
