// What a programmer writes first: the formulas as papers and the article print them, one element at a time, with
// <cmath>. The yardstick of the "vs naive" column, not a reference: many of these are wrong in their tails.
#pragma once

#include "bench_case.hpp"

#include <cstdint>

namespace sigmax_bench {

/// Elements [begin, end) of y = op(x), of dx = dy * op'(x), or of y = gate(x, dy) (then `dy` is read). For softmax
/// begin and end count rows of `cols`. False, and nothing done, where nobody has written the loop.
bool run_naive(const operation& op, sigmax::dtype type, const void* x, const void* dy, void* y, std::int64_t begin,
               std::int64_t end, std::int64_t cols);

/// The same file compiled with -ffast-math -mavx2 -mfma, for which g++ calls glibc's vector functions; only where CMake
/// defines SIGMAX_BENCH_LIBMVEC, and for CPUs with both.
bool run_naive_libmvec(const operation& op, sigmax::dtype type, const void* x, const void* dy, void* y,
                       std::int64_t begin, std::int64_t end, std::int64_t cols);

}  // namespace sigmax_bench
