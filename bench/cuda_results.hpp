// What the command `cuda` measured: a line of its table, and the JSON of `run`.
#pragma once

#include "bench_case.hpp"
#include "cuda_device.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace sigmax_bench {

struct cuda_result {
  bench_case what;
  cuda_timing timing;
};

std::string cuda_table_head(bool with_cudnn);
std::string cuda_table_line(const cuda_result& r, bool with_cudnn);
/// "goals: 31 of 40 met", and those that were not.
std::string goals_text(const std::vector<cuda_result>& results);

/// As `run` writes it, with `copy_ns`, `of_copy`, `goal_of_copy` or `goal_us`, `goal_met`, and the fields of a peer
/// named cudnn.
nlohmann::ordered_json cuda_document(const std::vector<cuda_result>& results, bool complete);

}  // namespace sigmax_bench
