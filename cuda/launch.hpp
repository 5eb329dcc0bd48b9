// A launch on the caller's stream, in the types of the kernel; asynchronous, and legal while a graph is captured.
#pragma once

#include "../kernels/validate.hpp"
#include "policy.hpp"

namespace sigmax {

/// Whether the build has code for devices of compute capability architecture / 10.
bool has_code(int architecture) noexcept;
/// Why there is no device that code runs on, or null. It looks each time; cuda_missing_because knows what the first
/// look found.
const char* look_for_devices() noexcept;

/// How many multiprocessors the current device has.
status count_multiprocessors(int& count) noexcept;
/// All that decides about rows.
status query_device(device_limits& device) noexcept;

#if defined(SIGMAX_SIMT_EMULATOR)
/// The emulator's: a test says how.
template <class... Arguments>
status launch(void (*kernel)(Arguments...), const launch_shape& shape, const options& how, Arguments... arguments);
#else
status launch_untyped(const void* kernel, const launch_shape& shape, void** arguments, const options& how) noexcept;

template <class... Arguments>
status launch(void (*kernel)(Arguments...), const launch_shape& shape, const options& how,
              Arguments... arguments) noexcept {
  void* pointers[] = {&arguments...};
  return launch_untyped(reinterpret_cast<const void*>(kernel), shape, pointers, how);
}
#endif

}  // namespace sigmax
