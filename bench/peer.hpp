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

/// Those in this build that this CPU can run.
const std::vector<peer>& peers();

/// Names, or "all"; throws usage_error for one that this build lacks.
std::vector<peer> parse_peers(const std::vector<std::string>& words);

}  // namespace sigmax_bench
