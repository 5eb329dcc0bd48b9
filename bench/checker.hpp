// How `verify` compares one number with what it should be, and which numbers of a tensor it looks at.
#pragma once

#include "bench_case.hpp"
#include "row_operands.hpp"
#include "verify.hpp"

#include <algorithm>
#include <cstdint>

namespace sigmax_bench {

float element(sigmax::dtype type, const void* data, std::int64_t i);

class checker {
 public:
  explicit checker(const bench_case& c);

  /// Element i of the output. `slack` is an absolute error that the formula's own f32 arithmetic cannot avoid.
  void check(std::int64_t i, float x, float got, long double want, long double slack);
  /// An f32 of row r, a loss or a sum, within `ulps` and `slack`.
  void check_of_row(std::int64_t r, const char* what, float got, long double want, long double ulps, long double slack);
  /// Slack that is not a matter of one rounding grows like the tolerance where there is no FMA.
  long double without_fma() const { return fma_ ? 1 : 4; }

  verdict result;

 private:
  bool good(sigmax::dtype type, float got, long double want, long double scale, long double tolerance,
            long double slack);

  const bench_case& case_;
  bool fma_;
  long double tolerance_;
  double last_error_ = 0;
};

/// Calls f for the beginning, the end and a stride between: about 2 `each` + 128 of `count`.
template <class F>
void sample(std::int64_t count, std::int64_t each, F f) {
  const std::int64_t head = std::min(count, each), tail = std::max(head, count - 128);
  const std::int64_t step = std::max<std::int64_t>(1, (tail - head) / each) | 1;  // odd: meets every vector lane
  for (std::int64_t i = 0; i < head; ++i) f(i);
  for (std::int64_t i = head; i < tail; i += step) f(i);
  for (std::int64_t i = tail; i < count; ++i) f(i);
}

/// verify_rows.cpp: the sampled rows of a function of rows, in y and `rows`.
void check_rows(checker& into, const bench_case& c, const operands& memory, const row_operands& rows);

}  // namespace sigmax_bench
