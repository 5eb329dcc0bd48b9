// What a programmer writes first: the formulas as papers and the article print them, one element at a time, with
// <cmath>. The yardstick of the "vs naive" column, not a reference: many of these are wrong in their tails.
#pragma once

#include "bench_case.hpp"

#include <cstdint>

namespace sigmax_bench {

/// Elements [begin, end) of y = op(x), or of dx = dy * op'(x) (then `dy` is read). For softmax begin and end count
/// rows of `cols`. False, and nothing done, where nobody has written the loop.
bool run_naive(const operation& op, sigmax::dtype type, const void* x, const void* dy, void* y, std::int64_t begin,
               std::int64_t end, std::int64_t cols);

}  // namespace sigmax_bench
