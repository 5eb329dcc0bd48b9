// Instructions that this thread retires in user space, where the system lets one count them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace sigmax_bench {

/// Nothing where perf_event_open is not allowed or the machine has no such counter.
std::optional<std::int64_t> count_instructions(const std::function<void()>& work);

/// Whether the above gives numbers here.
bool can_count_instructions();

}  // namespace sigmax_bench
