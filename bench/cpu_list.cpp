#include "cpu_list.hpp"

#include "exit_code.hpp"

#include <fmt/core.h>

#include <sched.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace sigmax_bench {

std::vector<int> parse_cpus(const std::string& text) {
  std::vector<int> cpus;
  const char *at = text.data(), *const end = at + text.size();
  const auto refuse = [&] { return usage_error(fmt::format("'{}' is no list of CPUs (use for example 0-3,8)", text)); };
  const auto number = [&] {
    int value = -1;
    const auto [next, problem] = std::from_chars(at, end, value);
    if (problem != std::errc{} || value < 0 || value >= CPU_SETSIZE) throw refuse();
    at = next;
    return value;
  };
  for (;;) {
    const int first = number();
    int last = first;
    if (at != end && *at == '-') ++at, last = number();
    if (last < first) throw refuse();
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (at == end) return cpus;
    if (*at++ != ',') throw refuse();
  }
}

void pin_to(const std::string& cpus) {
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (const int cpu : parse_cpus(cpus)) CPU_SET(static_cast<std::size_t>(cpu), &wanted);
  if (sched_setaffinity(0, sizeof wanted, &wanted) != 0)
    throw usage_error(fmt::format("cannot run on CPUs {}: {}", cpus, std::strerror(errno)));
}

int last_allowed_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
  for (int cpu = CPU_SETSIZE - 1; cpu > 0; --cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) return cpu;
  }
  return 0;
}

}  // namespace sigmax_bench
