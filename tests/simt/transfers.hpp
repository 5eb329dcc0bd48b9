// A CUDA runtime for host tensors: memory, and streams that are queues. What was given to one is done when somebody
// waits for it, at once, or in between, as `when` says: right code cannot tell them apart.
#pragma once

#include <cstdint>
#include <functional>

#include "../../kernels/validate.hpp"

namespace sigmax_test {

enum class moment { at_once, when_waited_for, at_random };

struct fake_runtime {
  moment when = moment::when_waited_for;
  int calls = 0;                   ///< of the runtime so far
  int fails_at = -1;               ///< that one of them does not work
  int ordinal = 0;                 ///< the current device
  int allocations = 0, alive = 0;  ///< of memory and streams
  int waits = 0;
  /// Of the next waits this one is left out, as a fault of the library; -1: none.
  int forgotten_wait = -1;
  bool overlapped = false;  ///< streams had work at the same time
};
extern fake_runtime runtime;

/// Gives work to a stream of the fake, which is done in order; false if it is none.
bool enqueue(void* stream, std::function<sigmax::status()> work);
/// All streams are done.
bool idle();

}  // namespace sigmax_test
