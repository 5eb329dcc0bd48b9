// What is happening, on stderr: one line rewritten in place on a terminal, a line every five seconds in a log.
#pragma once

#include <chrono>
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
  void working_on(std::string_view what);

 private:
  using clock = std::chrono::steady_clock;
  bool quiet_, terminal_;
  std::string stage_;
  clock::time_point start_, shown_;
};

}  // namespace sigmax_bench
