// What host tensors ask of the CUDA runtime. cuda/launch.cpp does it; tests/simt has a runtime of its own. A stream is
// a cudaStream_t of the current device.
#pragma once

#include "../kernels/validate.hpp"

namespace sigmax {

status current_device(int& device) noexcept;

status allocate_pinned(std::int64_t bytes, void*& memory) noexcept;
status allocate_on_device(std::int64_t bytes, void*& memory) noexcept;
status create_stream(void*& stream) noexcept;
// Null is ignored.
status free_pinned(void* memory) noexcept;
status free_on_device(void* memory) noexcept;
status destroy_stream(void* stream) noexcept;

/// Between pinned and device memory; begins the copy and returns.
status copy_to_device(void* to, const void* from, std::int64_t bytes, void* stream) noexcept;
status copy_from_device(void* to, const void* from, std::int64_t bytes, void* stream) noexcept;
/// Until all that was given to the stream is done.
status wait_for(void* stream) noexcept;
/// The same after a fault, whose words stay: what else goes wrong is not told.
void settle(void* stream) noexcept;

}  // namespace sigmax
