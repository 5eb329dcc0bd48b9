// How `verify` compares one number with what it should be, and which numbers of a tensor it looks at.
#pragma once

#include "bench_case.hpp"
#include "row_operands.hpp"
#include "verify.hpp"

#include <algorithm>
#include <cstdint>

namespace sigmax_bench {

float element(sigmax::dtype type, const void* data, std::int64_t i);

/// The unit in the last place of an f32 of this size.
long double f32_ulp(long double size);

/// How many times larger the bounds of an op are on ISAs without FMA, where products of residuals are rounded twice.
inline int without_fma(const operation& op) { return op.fast() ? 4 : 2; }

/// Errors that are allowed are absolute, those of f32 results with FMA; without it they grow as `without_fma` tells.
class checker {
 public:
  explicit checker(const bench_case& c);

  /// Element i of the output. A 16-bit one is the f32 result rounded once more.
  void check(std::int64_t i, float x, float got, long double want, long double error);
  /// An f32 of row r, a loss or a sum.
  void check_of_row(std::int64_t r, const char* what, float got, long double want, long double error);
  /// 2 or 4 without FMA, else 1.
  int growth() const { return growth_; }

  verdict result;

 private:
  bool good(sigmax::dtype type, float got, long double want, long double scale, long double error);

  const bench_case& case_;
  int growth_;
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
