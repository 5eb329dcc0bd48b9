#include "verify.hpp"

#include "kernel_call.hpp"
#include "storage.hpp"

#include <reference.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace sigmax_bench {
namespace {

struct format {
  int digits;        // of the significand, the hidden one included
  int min_exponent;  // of the smallest normal number
  int max_exponent;  // values from 2^max_exponent up do not exist
};

format format_of(sigmax::dtype type) {
  switch (type) {
    case sigmax::dtype::f32: return {24, -126, 128};
    case sigmax::dtype::f16: return {11, -14, 16};
    case sigmax::dtype::bf16: return {8, -126, 128};
    default: return {};
  }
}

long double ulp_of(long double value, const format& f) {
  const int exponent = value == 0 ? f.min_exponent : std::max(std::ilogb(value), f.min_exponent);
  return std::ldexp(1.0L, std::min(exponent, f.max_exponent - 1) - f.digits + 1);
}

float element(sigmax::dtype type, const void* data, std::int64_t i) {
  switch (type) {
    case sigmax::dtype::f32: return static_cast<const float*>(data)[i];
    case sigmax::dtype::f16: return load(static_cast<const sigmax::float16*>(data)[i]);
    case sigmax::dtype::bf16: return load(static_cast<const sigmax::bfloat16*>(data)[i]);
    default: return 0;
  }
}

bool has_fma(const bench_case& c) {
  for (const sigmax::isa_info& row : sigmax::cpu_isas()) {
    if (c.isa == row.name) return row.fma;
  }
  return true;
}

// What the library promises for this case, in ULP. Any correctly rounded result passes, hence the floor of one half.
// A gradient rounds twice: the derivative, whose ULP may count double in the product's, and the product.
long double tolerance_of(const bench_case& c) {
  if (c.type != sigmax::dtype::f32) return 1;
  if (c.op.fast() && !c.op.by_rows()) return *sigmax::describe(c.op.function).bound_fast * (has_fma(c) ? 1.0L : 4.0L);
  long double bound =
      c.op.by_rows() ? (c.op.fast() ? 5 : 4) : std::max(0.5f, sigmax::describe(c.op.function).bound_f32);
  if (c.op.kind == op_kind::gradient) bound = 2 * bound + 0.5L;
  return (has_fma(c) ? bound : 4 * bound) * (1 + 1e-6L);  // the oracle's own last digits
}

class checker {
 public:
  explicit checker(const bench_case& c) : case_(c), format_(format_of(c.type)), tolerance_(tolerance_of(c)) {}

  // `slack` is an absolute error that the formula's own f32 arithmetic cannot avoid; 0 for activations.
  void check(std::int64_t i, float x, float got, long double want, long double slack) {
    ++result.checked;
    const long double scale =
        case_.op.fast() && !case_.op.by_rows() ? sigmax_reference::fast_scale<long double>(want, x) : want;
    const long double ulp = ulp_of(scale, format_);
    long double error = 0;
    if (std::isnan(got) != std::isnan(want)) {
      error = HUGE_VALL;
    } else if (!std::isnan(got)) {
      // Infinity stands one ULP above the largest number; a want beyond that is met by it exactly.
      const long double top = std::ldexp(1.0L, format_.max_exponent);
      const long double given = std::isinf(got) ? std::copysign(top, static_cast<long double>(got)) : got;
      const long double target = std::clamp(want, -top, top);
      error = std::fabs(given - target) / ulp;
    }
    const bool good = error <= tolerance_ + slack / ulp;
    result.max_error = std::max(result.max_error, static_cast<double>(error));
    if (good || !result.message.empty()) return;
    result.message = fmt::format("{}: element {} with x = {:.9g} is {:.9g}, should be {:.9g} ({:.4g} ULP off)",
                                 case_.name(), i, x, got, static_cast<double>(want), static_cast<double>(error));
  }

  verdict result;

 private:
  const bench_case& case_;
  format format_;
  long double tolerance_;
};

// Beginning, end and a stride between. 4096 of each bound the oracle's time to a few milliseconds.
template <class F>
void sample(std::int64_t count, std::int64_t each, F f) {
  const std::int64_t head = std::min(count, each), tail = std::max(head, count - 128);
  const std::int64_t step = std::max<std::int64_t>(1, (tail - head) / each) | 1;  // odd: meets every vector lane
  for (std::int64_t i = 0; i < head; ++i) f(i);
  for (std::int64_t i = head; i < tail; i += step) f(i);
  for (std::int64_t i = tail; i < count; ++i) f(i);
}

void check_elements(checker& into, const bench_case& c, const operands& memory) {
  sample(c.size.elements(), 4096, [&](std::int64_t i) {
    const float x = element(c.type, memory.x(), i), got = element(c.type, memory.y(), i);
    if (c.op.kind == op_kind::activation) {
      into.check(i, x, got, sigmax_reference::activation(c.op.function, x), 0);
    } else {
      // A derivative crosses zero, where no relative bound can hold: an eighth of dy is the scale there.
      const long double dy = element(c.type, memory.dy(), i);
      const long double want = dy * sigmax_reference::derivative(c.op.function, x);
      into.check(i, x, got, want, std::fabs(dy) * 0x1p-23L);
    }
  });
}

void check_rows(checker& into, const bench_case& c, const operands& memory) {
  const std::int64_t cols = c.size.cols;
  const auto check_row = [&](std::int64_t r) {
    const auto at = [&](std::int64_t i) -> double { return element(c.type, memory.x(), r * cols + i); };
    double max = -HUGE_VAL;
    for (std::int64_t i = 0; i < cols; ++i) max = std::max(max, at(i));
    long double sum = 0, weighted = 0;  // double exp is 2^29 times finer than what is checked
    for (std::int64_t i = 0; i < cols; ++i) {
      const double shifted = at(i) - max, e = std::exp(shifted);
      sum += e;
      weighted -= e * shifted;
    }
    // x - max is rounded once in f32: an error of up to |x - max| * 2^-24 in the exponent of each term and, by the
    // mean of these, of the sum.
    sample(cols, 512, [&](std::int64_t i) {
      const double x = at(i), shifted = x - max;
      const long double exponent_error = (std::fabs(static_cast<long double>(shifted)) + weighted / sum) * 0x1p-24L;
      const float got = element(c.type, memory.y(), r * cols + i);
      const long double log_sum = std::log(sum);
      if (c.op.kind == op_kind::softmax) {
        const long double want = std::exp(static_cast<long double>(shifted)) / sum;
        into.check(r * cols + i, static_cast<float>(x), got, want, want * exponent_error);
      } else {
        const long double want = shifted - log_sum;
        into.check(r * cols + i, static_cast<float>(x), got, want, exponent_error + (log_sum + 4) * 0x1p-24L);
      }
    });
  };
  // About 64 Ki elements, but the first and the last row in any case.
  sample(c.size.rows, std::max<std::int64_t>(1, 16384 / cols), [&, seen = std::int64_t{0}](std::int64_t r) mutable {
    if (seen > 131072 && r != c.size.rows - 1) return;
    seen += cols;
    check_row(r);
  });
}

// What stands in y now.
verdict check_result(const bench_case& c, const operands& memory) {
  checker check(c);
  if (c.op.by_rows()) {
    check_rows(check, c, memory);
  } else {
    check_elements(check, c, memory);
  }
  check.result.ok = check.result.message.empty();
  return check.result;
}

}  // namespace

verdict verify(const bench_case& c, operands& memory) {
  memory.prepare(c);
  if (c.in_place) {
    memory.restore(c);
  } else {
    memory.poison(c);
  }
  const sigmax::status s = kernel_call(c, memory)();
  if (!s) return {.message = fmt::format("{}: {}", c.name(), s.message)};
  return check_result(c, memory);
}

verdict verify(const bench_case& c, operands& memory, const peer_call& call) {
  memory.prepare(c);
  memory.poison(c);
  call(static_cast<const float*>(memory.x()), static_cast<float*>(memory.y()));
  return check_result(c, memory);
}

}  // namespace sigmax_bench
