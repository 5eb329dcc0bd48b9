// What is happening, on stderr: one line rewritten in place on a terminal, with a bar and the time left where the whole
// is known. Nothing at all where stderr is no terminal: logs stay short.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace sigmax_bench {

class progress {
 public:
  explicit progress(bool quiet);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  void enter(std::string stage);  // "2/7 f32 64Mi 1 thread"
  /// From here on the bar says done / all. The time left is judged by the steps since the last call with done == 0.
  void done_of(std::size_t done, std::size_t all);
  /// The steps first to last of all are next; `within` then tells how far that part is, from 0 to 1.
  void part(std::size_t first, std::size_t last, std::size_t all);
  void within(double share);
  void working_on(std::string_view what);

 private:
  using clock = std::chrono::steady_clock;
  bool shown_at_all_;
  std::string stage_;
  double done_ = 0, all_ = 0, part_first_ = 0, part_length_ = 0;
  clock::time_point start_, steps_start_, shown_;
};

/// "[=====>    ] 1:05 left", ten characters between the brackets; without the time where it cannot be told.
std::string progress_bar(double done, double all, double seconds_so_far);

}  // namespace sigmax_bench
