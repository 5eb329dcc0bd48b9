#include "progress.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <cstdio>

namespace sigmax_bench {

progress::progress(bool quiet)
    : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), start_(clock::now()), shown_(start_) {}

progress::~progress() {
  if (terminal_ && !quiet_) fmt::print(stderr, "\r\033[K");
}

void progress::enter(std::string stage) { stage_ = std::move(stage); }

void progress::working_on(std::string_view what) {
  using namespace std::chrono_literals;
  const auto now = clock::now();
  if (quiet_ || now - shown_ < (terminal_ ? 100ms : 5000ms)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line = fmt::format("[{:3.0f} s] {}: {}", seconds, stage_, what);
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{:.100}", line);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

}  // namespace sigmax_bench
