// Nothing is timed that is not right: results are checked against the oracle of tests/reference.hpp first.
#pragma once

#include "bench_case.hpp"
#include "operands.hpp"
#include "peer.hpp"

#include <cstdint>
#include <string>

namespace sigmax_bench {

struct verdict {
  bool ok = false;
  double max_error = 0;      // in ULP of the output's dtype
  std::int64_t checked = 0;  // elements
  std::string message;       // where and what, when not ok
};

/// Runs the call of `c` once on poisoned memory and checks a sample of the result: the beginning, the tail, and
/// a stride over everything (rows for softmax).
verdict verify(const bench_case& c, operands& memory);

/// The same sample of another library's result, against the same tolerance.
verdict verify(const bench_case& c, operands& memory, const peer_call& call);

}  // namespace sigmax_bench
