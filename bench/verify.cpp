#include "verify.hpp"

#include "checker.hpp"
#include "kernel_call.hpp"
#include "storage.hpp"

#include <gate_reference.hpp>

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

bool has_fma(const bench_case& c) {
  for (const sigmax::isa_info& row : sigmax::cpu_isas()) {
    if (c.isa == row.name) return row.fma;
  }
  return true;
}

// What the library promises for this case, in ULP. Any correctly rounded result passes, hence the floor of one half.
// A gradient rounds twice: the derivative, whose ULP may count double in the product's, and the product.
long double bound_of(const operation& op) {
  switch (op.kind) {
    case op_kind::activation:
      return op.fast() ? *sigmax::describe(op.function).bound_fast
                       : std::max(0.5f, sigmax::describe(op.function).bound_f32);
    case op_kind::gradient: return 2 * std::max(0.5f, sigmax::describe(op.function).bound_f32) + 0.5L;
    case op_kind::gated: return op.fast() ? *sigmax::describe(op.gate).bound_fast : sigmax::describe(op.gate).bound_f32;
    case op_kind::gated_gradient: return 0;
    case op_kind::softmax:
    case op_kind::log_softmax: return op.fast() ? 5 : 4;
    case op_kind::softmax_gradient: return 2.5L;
    case op_kind::log_softmax_gradient:
    case op_kind::cross_entropy_gradient: return 3;
    case op_kind::logsumexp:
    case op_kind::top_k_gating:
    case op_kind::cross_entropy: return 0;  // no elements, and rows have their own
  }
  return 0;
}

long double tolerance_of(const bench_case& c) {
  if (c.type != sigmax::dtype::f32) return 1;
  return bound_of(c.op) * (has_fma(c) ? 1 : 4) * (1 + 1e-6L);  // the oracle's own last digits
}

}  // namespace

float element(sigmax::dtype type, const void* data, std::int64_t i) {
  switch (type) {
    case sigmax::dtype::f32: return static_cast<const float*>(data)[i];
    case sigmax::dtype::f16: return load(static_cast<const sigmax::float16*>(data)[i]);
    case sigmax::dtype::bf16: return load(static_cast<const sigmax::bfloat16*>(data)[i]);
    default: return 0;
  }
}

checker::checker(const bench_case& c) : case_(c), fma_(has_fma(c)), tolerance_(tolerance_of(c)) {}

bool checker::good(sigmax::dtype type, float got, long double want, long double scale, long double tolerance,
                   long double slack) {
  ++result.checked;
  const format f = format_of(type);
  const long double ulp = ulp_of(scale, f);
  long double error = 0;
  if (std::isnan(got) != std::isnan(want)) {
    error = HUGE_VALL;
  } else if (!std::isnan(got)) {
    // Infinity stands one ULP above the largest number; a want beyond that is met by it exactly.
    const long double top = std::ldexp(1.0L, f.max_exponent);
    const long double given = std::isinf(got) ? std::copysign(top, static_cast<long double>(got)) : got;
    const long double target = std::clamp(want, -top, top);
    error = std::fabs(given - target) / ulp;
  }
  last_error_ = static_cast<double>(error);
  result.max_error = std::max(result.max_error, last_error_);
  return error <= tolerance + slack / ulp;
}

void checker::check(std::int64_t i, float x, float got, long double want, long double slack) {
  const long double scale =
      case_.op.fast() && !case_.op.by_rows() ? sigmax_reference::fast_scale<long double>(want, x) : want;
  if (good(case_.type, got, want, scale, tolerance_, slack) || !result.message.empty()) return;
  result.message = fmt::format("{}: element {} with x = {:.9g} is {:.9g}, should be {:.9g} ({:.4g} ULP off)",
                               case_.name(), i, x, got, static_cast<double>(want), last_error_);
}

void checker::check_of_row(std::int64_t r, const char* what, float got, long double want, long double ulps,
                           long double slack) {
  if (good(sigmax::dtype::f32, got, want, want, ulps * without_fma(), slack) || !result.message.empty()) return;
  result.message = fmt::format("{}: {} of row {} is {:.9g}, should be {:.9g} ({:.4g} ULP off)", case_.name(), what, r,
                               got, static_cast<double>(want), last_error_);
}

namespace {

void check_elements(checker& into, const bench_case& c, const operands& memory) {
  sample(c.size.elements(), 4096, [&](std::int64_t i) {
    const float x = element(c.type, memory.x(), i), got = element(c.type, memory.y(), i);
    if (c.op.kind == op_kind::activation) {
      into.check(i, x, got, sigmax_reference::activation(c.op.function, x), 0);
    } else if (c.op.kind == op_kind::gated) {
      const long double b = element(c.type, memory.dy(), i);
      into.check(i, x, got, sigmax_reference::gated(c.op.gate, x, b), std::fabs(b) * 0x1p-148L);
    } else {
      // A derivative crosses zero, where no relative bound can hold: an eighth of dy is the scale there.
      const long double dy = element(c.type, memory.dy(), i);
      const long double want = dy * sigmax_reference::derivative(c.op.function, x);
      into.check(i, x, got, want, std::fabs(dy) * 0x1p-23L);
    }
  });
}

// What stands in y now.
verdict check_result(const bench_case& c, const operands& memory, const row_operands& rows) {
  checker check(c);
  if (c.op.by_rows()) {
    check_rows(check, c, memory, rows);
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
  const kernel_call call(c, memory);
  const sigmax::status s = call();
  if (!s) return {.message = fmt::format("{}: {}", c.name(), s.message)};
  return check_result(c, memory, call.rows());
}

verdict verify(const bench_case& c, operands& memory, const peer_call& call) {
  memory.prepare(c);
  memory.poison(c);
  call(static_cast<const float*>(memory.x()), static_cast<float*>(memory.y()));
  return check_result(c, memory, row_operands(c));
}

}  // namespace sigmax_bench
