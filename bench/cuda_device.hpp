// Time on the current CUDA device, beside the copy that bounds it. cuda_absent.cpp stands in where CUDA is not built.
// Without a device all of it throws nothing_to_measure.
#pragma once

#include "bench_case.hpp"
#include "verify.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace sigmax_bench {

/// Name, compute capability, clocks, L2, memory, driver and runtime.
nlohmann::ordered_json cuda_device_block();

/// Another library on the device. One that lacks the op has no times, and `problem` says why.
struct device_peer_timing {
  std::string problem;
  std::vector<double> ns;
  double max_error = 0;  // as verdict's
};

/// Samples are of one call each: a replay's time over its calls.
struct cuda_timing {
  int buffers = 0;  ///< sets of tensors in turn, more than twice the L2 cache together
  int calls = 0;    ///< in one graph
  verdict checked;
  std::vector<double> ns, copy_ns;  ///< sorted; empty if a result was wrong
  device_peer_timing cudnn;
};

/// Verifies results at both ends, then replays a graph of many calls, and one of copies of as many bytes; then cuDNN,
/// if asked. Elementwise functions and gates must have the CPU's bits, rows those of the oracle within the bound.
cuda_timing time_on_cuda(const bench_case& c, double min_seconds, bool with_cudnn);

/// What moves host tensors: bytes a second between pinned memory and the device, of a copy on it (read and written),
/// and the ns of copying in, launching and copying out next to nothing.
struct transfer_figures {
  double to_device, from_device, on_device, launch_ns;
};
transfer_figures time_transfers();

}  // namespace sigmax_bench
