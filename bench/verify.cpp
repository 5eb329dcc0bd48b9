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

}  // namespace

long double f32_ulp(long double size) { return ulp_of(size, format_of(sigmax::dtype::f32)); }

float element(sigmax::dtype type, const void* data, std::int64_t i) {
  switch (type) {
    case sigmax::dtype::f32: return static_cast<const float*>(data)[i];
    case sigmax::dtype::f16: return load(static_cast<const sigmax::float16*>(data)[i]);
    case sigmax::dtype::bf16: return load(static_cast<const sigmax::bfloat16*>(data)[i]);
    default: return 0;
  }
}

checker::checker(const bench_case& c) : case_(c), growth_(has_fma(c) ? 1 : without_fma(c.op)) {}

bool checker::good(sigmax::dtype type, float got, long double want, long double scale, long double error) {
  ++result.checked;
  const format f = format_of(type);
  const long double ulp = ulp_of(scale, f);
  long double off = 0;
  if (std::isnan(got) != std::isnan(want)) {
    off = HUGE_VALL;
  } else if (!std::isnan(got)) {
    // Infinity stands one ULP above the largest number; a want beyond that is met by it exactly.
    const long double top = std::ldexp(1.0L, f.max_exponent);
    const long double given = std::isinf(got) ? std::copysign(top, static_cast<long double>(got)) : got;
    const long double target = std::clamp(want, -top, top);
    off = std::fabs(given - target) / ulp;
  }
  last_error_ = static_cast<double>(off);
  result.max_error = std::max(result.max_error, last_error_);
  const long double allowed = error * growth_ * (1 + 1e-6L) / ulp;  // the oracle's own last digits
  return off <= allowed + (type == sigmax::dtype::f32 ? 0 : 0.5L);
}

void checker::check(std::int64_t i, float x, float got, long double want, long double error) {
  const long double scale =
      case_.op.fast() && !case_.op.by_rows() ? sigmax_reference::fast_scale<long double>(want, x) : want;
  if (good(case_.type, got, want, scale, error) || !result.message.empty()) return;
  result.message = fmt::format("{}: element {} with x = {:.9g} is {:.9g}, should be {:.9g} ({:.4g} ULP off)",
                               case_.name(), i, x, got, static_cast<double>(want), last_error_);
}

void checker::check_of_row(std::int64_t r, const char* what, float got, long double want, long double error) {
  if (good(sigmax::dtype::f32, got, want, want, error) || !result.message.empty()) return;
  result.message = fmt::format("{}: {} of row {} is {:.9g}, should be {:.9g} ({:.4g} ULP off)", case_.name(), what, r,
                               got, static_cast<double>(want), last_error_);
}

namespace {

void check_activation(checker& into, const operation& op, std::int64_t i, float x, float got) {
  const sigmax::activation_info& about = sigmax::describe(op.function);
  const long double want = sigmax_reference::activation(op.function, x);
  if (op.fast())
    return into.check(i, x, got, want, *about.bound_fast * f32_ulp(sigmax_reference::fast_scale<long double>(want, x)));
  into.check(i, x, got, want, (std::fabs(want) < 0x1p-126L ? 2 : about.bound_f32) * f32_ulp(want));
}

// The derivative is within 8 ULP or, next to a zero of it, 2^-22; its product with dy is rounded once more.
void check_gradient(checker& into, const operation& op, std::int64_t i, float x, float dy, float got) {
  const long double slope = sigmax_reference::derivative(op.function, x), want = dy * slope;
  const bool crossing = sigmax_reference::derivative_crosses_zero(op.function) && x > -3 && x < 0;
  const long double of_slope = std::max(8 * f32_ulp(slope), crossing ? 0x1p-22L / into.growth() : 0);
  into.check(i, x, got, want, std::fabs(dy) * of_slope + f32_ulp(want) / 2);
}

void check_gated(checker& into, const operation& op, std::int64_t i, float a, float b, float got) {
  const sigmax::gate_info& about = sigmax::describe(op.gate);
  const bool swapped = sigmax_reference::acts_on_b(op.gate);
  const float x = swapped ? b : a;
  const auto at = sigmax_reference::factors(op.gate, x, swapped ? a : b);
  const long double want = value(at);
  const long double error =
      op.fast() ? *about.bound_fast * f32_ulp(fast_scale(at, x)) : about.bound_f32 * f32_ulp(want);
  into.check(i, a, got, want, error + std::fabs(at.v) * 0x1p-148L);
}

void check_elements(checker& into, const bench_case& c, const operands& memory) {
  sample(c.size.elements(), 4096, [&](std::int64_t i) {
    const float x = element(c.type, memory.x(), i), got = element(c.type, memory.y(), i);
    if (c.op.kind == op_kind::activation) return check_activation(into, c.op, i, x, got);
    const float other = element(c.type, memory.dy(), i);
    if (c.op.kind == op_kind::gated) return check_gated(into, c.op, i, x, other, got);
    check_gradient(into, c.op, i, x, other, got);
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
