// The naive loops of the functions of rows that are more than naive.hpp's plain softmax: what a programmer writes
// first, one pass over the row for each option, with <cmath>.
#pragma once

#include "bench_case.hpp"
#include "operands.hpp"
#include "row_operands.hpp"

#include <cstdint>

namespace sigmax_bench {

/// Rows [begin, end) of all the case's rows.
void run_naive_rows(const bench_case& c, const operands& memory, row_operands& rows, std::int64_t begin,
                    std::int64_t end);

}  // namespace sigmax_bench
