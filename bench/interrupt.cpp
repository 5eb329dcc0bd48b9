#include "interrupt.hpp"

#include <csignal>

namespace sigmax_bench {
namespace {

volatile std::sig_atomic_t seen = 0;

}  // namespace

void watch_interrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) { seen = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() noexcept { return seen != 0; }

}  // namespace sigmax_bench
