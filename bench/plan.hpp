// From what was asked for to the list of cases.
#pragma once

#include "bench_case.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sigmax_bench {

/// Every combination of these is a case.
struct request {
  std::vector<operation> ops;
  std::vector<sigmax::dtype> types;
  std::vector<extent> sizes;
  std::vector<sigmax::backend> backends = {sigmax::backend::cpu};
  std::vector<std::string> isas;  // of the CPU backend
  std::vector<int> threads = {1};
  bool in_place = false;
  std::vector<bool> cold = {false};
  std::int64_t max_bytes = 0;  // of a case's tensors; 0: no limit
};

/// Throws usage_error for what this build or machine cannot do. Rows for softmax are made from a plain size: 1024
/// columns where that divides it, else one row. Where `max_bytes` would be exceeded the outermost extents are halved.
std::vector<bench_case> expand(const request& wanted);

/// What `run` does when it is not told: a picture of the machine in well under two minutes. `max_bytes` 0: a quarter of
/// the memory, at most 512 MiB.
std::vector<bench_case> default_plan(std::int64_t max_bytes);

/// Without repetitions (of name), and only what `pattern` is found in ("" for all).
std::vector<bench_case> select(std::vector<bench_case> cases, const std::string& pattern);

}  // namespace sigmax_bench
