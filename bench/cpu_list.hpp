// Which CPUs a process runs on.
#pragma once

#include <string>
#include <vector>

namespace sigmax_bench {

/// "0-3,8" to numbers; throws usage_error for anything else.
std::vector<int> parse_cpus(const std::string& text);

/// Keeps this process, and threads that it starts later, on these. Throws usage_error where the system refuses.
void pin_to(const std::string& cpus);

/// The last one that this process may use; interrupts mostly go to the first.
int last_allowed_cpu();

}  // namespace sigmax_bench
