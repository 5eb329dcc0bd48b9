#include "progress.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <cstdio>

namespace sigmax_bench {

progress::progress(bool quiet)
    : shown_at_all_(!quiet && isatty(STDERR_FILENO) == 1), start_(clock::now()), steps_start_(start_), shown_(start_) {}

progress::~progress() {
  if (shown_at_all_) fmt::print(stderr, "\r\033[K");
}

void progress::enter(std::string stage) { stage_ = std::move(stage); }

void progress::done_of(std::size_t done, std::size_t all) {
  if (done == 0) steps_start_ = clock::now();
  done_ = done;
  all_ = all;
}

void progress::working_on(std::string_view what) {
  using namespace std::chrono_literals;
  const auto now = clock::now();
  if (!shown_at_all_ || now - shown_ < 100ms) return;
  shown_ = now;
  const auto seconds = [&](clock::time_point since) { return std::chrono::duration<double>(now - since).count(); };
  std::string line = fmt::format("[{:3.0f} s] ", seconds(start_));
  if (all_ > 0) line += progress_bar(done_, all_, seconds(steps_start_)) + " ";
  line += fmt::format("{}{}{}", stage_, stage_.empty() ? "" : ": ", what);
  fmt::print(stderr, "\r\033[K{:.100}", line);
  std::fflush(stderr);
}

std::string progress_bar(std::size_t done, std::size_t all, double seconds_so_far) {
  const std::size_t width = 10, full = all == 0 ? 0 : done * width / all;
  std::string bar = "[" + std::string(full, '=') + (full < width ? ">" : "") +
                    std::string(full < width ? width - full - 1 : 0, ' ') + "]";
  if (done == 0 || done >= all) return bar;
  const auto left =
      static_cast<long>(seconds_so_far * static_cast<double>(all - done) / static_cast<double>(done) + 0.5);
  return bar + fmt::format(" {}:{:02} left", left / 60, left % 60);
}

}  // namespace sigmax_bench
