#include "kernel_call.hpp"

#include "threads.hpp"

namespace sigmax_bench {

sigmax::view view_of(const bench_case& c, void* data) {
  if (c.size.rows == 0) return {data, c.type, {c.size.cols}};
  return {data, c.type, {c.size.rows, c.size.cols}};
}

sigmax::options options_of(const bench_case& c) {
  return {.accuracy = c.op.accuracy,
          .where = c.where,
          .isa = c.isa.empty() ? nullptr : c.isa.c_str(),
          .threads = pool(c.threads)};
}

kernel_call::kernel_call(const bench_case& c, const operands& memory)
    : case_(&c),
      how_(options_of(c)),
      x_(view_of(c, const_cast<void*>(memory.x()))),
      dy_(view_of(c, const_cast<void*>(memory.dy()))),
      y_(view_of(c, memory.y())) {
  if (c.in_place) (c.op.kind == op_kind::gradient ? dy_ : x_) = y_;
}

sigmax::status kernel_call::operator()() const noexcept {
  switch (case_->op.kind) {
    case op_kind::activation: return sigmax::activate(case_->op.function, x_, y_, how_);
    case op_kind::gradient: return sigmax::activation_gradient(case_->op.function, dy_, x_, y_, how_);
    case op_kind::softmax: return sigmax::softmax(x_, y_, -1, how_);
    case op_kind::log_softmax: return sigmax::log_softmax(x_, y_, -1, how_);
  }
  return {sigmax::status_code::invalid_argument, "no such kind of op"};
}

}  // namespace sigmax_bench
