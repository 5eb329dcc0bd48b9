#include "instruction_count.hpp"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sigmax_bench {

std::optional<std::int64_t> count_instructions(const std::function<void()>& work) {
  perf_event_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.type = PERF_TYPE_HARDWARE;
  wanted.config = PERF_COUNT_HW_INSTRUCTIONS;
  wanted.disabled = 1;
  wanted.exclude_kernel = 1;
  wanted.exclude_hv = 1;
  const int counter = static_cast<int>(syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0));
  if (counter < 0) return std::nullopt;
  ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
  work();
  ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
  std::int64_t count = 0;
  const bool read_all = read(counter, &count, sizeof count) == static_cast<ssize_t>(sizeof count);
  close(counter);
  return read_all && count > 0 ? std::optional(count) : std::nullopt;
}

bool can_count_instructions() {
  static const bool can = count_instructions([] {}).has_value();
  return can;
}

}  // namespace sigmax_bench
