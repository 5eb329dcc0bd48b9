// Other libraries, to be compared with: each optional, found by CMake, on contiguous f32 and one thread.
#pragma once

#include "bench_case.hpp"

#include <functional>
#include <string>
#include <vector>

namespace sigmax_bench {

using peer_call = std::function<void(const float* x, float* y)>;

struct peer {
  std::string name, version;
  /// y = op(x) over all of `size` at sigmax's default parameters, set up for any number of calls; empty if the peer
  /// lacks the op. What is timed is the call alone.
  peer_call (*make)(const operation& op, const extent& size);
};

/// What a file compiled for one ISA hands over: plain functions, so that none of its code is of a class or template
/// that the linker could take for another file's. Elementwise ops have one row.
using peer_loop = void (*)(const float* x, float* y, std::int64_t rows, std::int64_t cols);
struct peer_loops {
  const char* version;
  peer_loop (*find)(const operation& op);  // nullptr if it lacks the op
};

/// Those in this build that this CPU can run.
const std::vector<peer>& peers();

/// Names, or "all"; throws usage_error for one that this build lacks.
std::vector<peer> parse_peers(const std::vector<std::string>& words);

}  // namespace sigmax_bench
