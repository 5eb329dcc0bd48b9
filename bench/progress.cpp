#include "progress.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
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
  done_ = static_cast<double>(done);
  all_ = static_cast<double>(all);
}

void progress::part(std::size_t first, std::size_t last, std::size_t all) {
  done_of(first, all);
  part_first_ = done_;
  part_length_ = static_cast<double>(last - first);
}

void progress::within(double share) { done_ = part_first_ + std::min(share, 1.0) * part_length_; }

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

std::string progress_bar(double done, double all, double seconds_so_far) {
  constexpr std::size_t width = 10;
  const double share = all > 0 ? std::clamp(done / all, 0.0, 1.0) : 0;
  const auto full = static_cast<std::size_t>(share * width);
  const std::string bar =
      full == width ? std::string(width, '=') : std::string(full, '=') + ">" + std::string(width - full - 1, ' ');
  if (share <= 0 || share >= 1) return "[" + bar + "]";
  const long left = std::lround(seconds_so_far * (1 - share) / share);
  return fmt::format("[{}] {}:{:02} left", bar, left / 60, left % 60);
}

}  // namespace sigmax_bench
