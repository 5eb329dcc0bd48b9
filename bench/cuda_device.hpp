// Time on the current CUDA device, beside the copy that bounds it. cuda_absent.cpp stands in where CUDA is not built.
#pragma once

#include "bench_case.hpp"

#include <nlohmann/json.hpp>

#include <vector>

namespace sigmax_bench {

/// Name, compute capability, clocks, L2, memory, driver and runtime. Throws usage_error if there is no device.
nlohmann::ordered_json cuda_device_block();

struct cuda_timing {
  int buffers;                   ///< sets of tensors in turn, more than twice the L2 cache together
  int calls;                     ///< in one graph
  double ns, copy_ns;            ///< a call, and a copy of the same bytes: medians over replays
  double lowest_ns, highest_ns;  ///< of the replays
};
/// Verifies the first and last results against the CPU's bits, then replays a graph of many calls.
cuda_timing time_on_cuda(const bench_case& c, double min_seconds);

/// What moves host tensors: bytes a second between pinned memory and the device, of a copy on it (read and written),
/// and the ns of copying in, launching and copying out next to nothing. Throws usage_error if there is no device.
struct transfer_figures {
  double to_device, from_device, on_device, launch_ns;
};
transfer_figures time_transfers();

}  // namespace sigmax_bench
