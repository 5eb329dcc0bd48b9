#include "cuda_call.hpp"

#include "exit_code.hpp"
#include "row_op.hpp"
#include "row_operands.hpp"

#include <fmt/core.h>

namespace sigmax_bench {
namespace {

bool packed(const bench_case& c) { return c.op.of_gate() && c.size.rows > 0; }

}  // namespace

tensor_counts counts_of(const bench_case& c) {
  switch (c.op.kind) {
    case op_kind::gated: return packed(c) ? tensor_counts{{2}, {1}} : tensor_counts{{1, 1}, {1}};
    case op_kind::gated_gradient: return packed(c) ? tensor_counts{{1, 2}, {2}} : tensor_counts{{1, 1, 1}, {1, 1}};
    default: return {{1, int{c.op.takes_dy()}}, {1}};
  }
}

void require_cuda_case(const bench_case& c) {
  const auto refuse = [&](std::string_view why) {
    return usage_error(fmt::format("'{}' {} in the command cuda", c.op.name(), why));
  };
  if (!c.op.by_rows()) return;
  if (c.size.rows == 0) throw refuse("needs a --shape");
  if (!c.op.writes_elements() || c.op.kind == op_kind::cross_entropy_gradient) throw refuse("is not timed");
  if (c.op.has(row_option::across)) throw refuse("is not timed");
  for (const row_option o : {row_option::mask, row_option::boolean, row_option::row_scale, row_option::alibi,
                             row_option::sinks, row_option::lse}) {
    if (c.op.has(o)) throw refuse("takes an operand, which is not timed");
  }
}

sigmax::status call_on(const bench_case& c, const extent& size, const call_tensors& t, sigmax::memory where,
                       const sigmax::options& how) {
  const auto at = [&](void* p, int columns = 1) {
    extent e = size;
    e.cols *= columns;
    sigmax::view v(p, c.type, shape_of(e));
    v.where = where;
    return v;
  };
  const auto halves = [&](void* p) { return sigmax::split(at(p, 2), sigmax::gate_layout::halves); };
  const sigmax::view x = at(t.in[0]), second = at(t.in[1]), y = at(t.out[0]);
  switch (c.op.kind) {
    case op_kind::activation: return sigmax::activate(c.op.function, x, y, how);
    case op_kind::gradient: return sigmax::activation_gradient(c.op.function, x, second, y, how);
    case op_kind::gated:
      if (!packed(c)) return sigmax::activate_gated(c.op.gate, x, second, y, how);
      return sigmax::activate_gated(c.op.gate, halves(t.in[0]).a, halves(t.in[0]).b, y, how);
    case op_kind::gated_gradient: {
      if (!packed(c)) return sigmax::gated_gradient(c.op.gate, x, second, at(t.in[2]), y, at(t.out[1]), how);
      const auto ab = halves(t.in[1]), d = halves(t.out[0]);
      return sigmax::gated_gradient(c.op.gate, x, ab.a, ab.b, d.a, d.b, how);
    }
    case op_kind::softmax_gradient: return sigmax::softmax_gradient(x, second, y, -1, scale_of(c.op), how);
    case op_kind::log_softmax_gradient: return sigmax::log_softmax_gradient(x, second, y, -1, scale_of(c.op), how);
    case op_kind::softmax:
    case op_kind::log_softmax: break;
    default: return {sigmax::status_code::unsupported, "this op is not timed on CUDA"};
  }
  if (c.op.options == 0)
    return c.op.kind == op_kind::softmax ? sigmax::softmax(x, y, -1, how) : sigmax::log_softmax(x, y, -1, how);
  bench_case part = c;
  part.size = size;
  return sigmax::softmax_fused(x, y, -1, row_operands(part).form(), how);
}

}  // namespace sigmax_bench
