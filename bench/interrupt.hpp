// Ctrl-C ends a run early without losing what was measured.
#pragma once

namespace sigmax_bench {

/// Notes the first SIGINT; a second one ends the process as usual.
void watch_interrupt();
bool interrupted() noexcept;

}  // namespace sigmax_bench
