#include "kernel_call.hpp"

#include "arguments.hpp"
#include "row_op.hpp"
#include "threads.hpp"

namespace sigmax_bench {

sigmax::view view_of(const bench_case& c, void* data) {
  sigmax::view v(data, c.type, shape_of(c.size));
  if (c.op.has(row_option::across)) v.strides[v.rank - 2] = 1, v.strides[v.rank - 1] = c.size.rows;
  return v;
}

sigmax::options options_of(const bench_case& c) {
  return {.accuracy = c.op.accuracy,
          .where = c.where,
          .isa = c.isa.empty() ? nullptr : c.isa.c_str(),
          .threads = pool(c.threads)};
}

kernel_call::kernel_call(const bench_case& c, const operands& memory)
    : case_(&c),
      rows_(std::make_shared<row_operands>(c)),
      how_(options_of(c)),
      x_(view_of(c, const_cast<void*>(c.op.takes_forward_result() ? memory.forward_result() : memory.x()))),
      dy_(view_of(c, const_cast<void*>(memory.dy()))),
      y_(view_of(c, memory.y())) {
  if (c.isa == chosen_isa()) how_.isa = nullptr;  // as users call it
  if (c.op.by_rows()) take_row_operands();
  if (c.in_place) (c.op.takes_dy() ? dy_ : x_) = y_;
}

void kernel_call::take_row_operands() {
  form_ = rows_->form();
  loss_form_ = rows_->loss_form();
  targets_ = rows_->target_view();
  loss_ = rows_->loss_view();
  loss_gradient_ = rows_->loss_gradient_view();
  if (case_->op.kind == op_kind::top_k_gating) weights_ = rows_->weights_view(), experts_ = rows_->experts_view();
  if (case_->op.kind != op_kind::cross_entropy_gradient || loss_form_.lse.data == nullptr) return;
  // The forward pass leaves it. Should that fail, NaN stays there and the gradient is refused as wrong.
  std::vector<float> losses(rows_->targets.size());
  sigmax::view loss = loss_form_.lse;
  loss.data = losses.data();
  static_cast<void>(sigmax::cross_entropy(x_, targets_, loss, -1, loss_form_, how_));
}

sigmax::status kernel_call::operator()() const noexcept {
  switch (case_->op.kind) {
    case op_kind::activation: return sigmax::activate(case_->op.function, x_, y_, how_);
    case op_kind::gradient: return sigmax::activation_gradient(case_->op.function, dy_, x_, y_, how_);
    case op_kind::gated: return sigmax::activate_gated(case_->op.gate, x_, dy_, y_, how_);
    case op_kind::gated_gradient: break;
    case op_kind::softmax:
      return case_->op.plain() ? sigmax::softmax(x_, y_, -1, how_) : sigmax::softmax_fused(x_, y_, -1, form_, how_);
    case op_kind::log_softmax:
      return case_->op.plain() ? sigmax::log_softmax(x_, y_, -1, how_) : sigmax::softmax_fused(x_, y_, -1, form_, how_);
    case op_kind::logsumexp: return sigmax::softmax_partial(x_, -1, form_, how_);
    case op_kind::softmax_gradient: return sigmax::softmax_gradient(dy_, x_, y_, -1, form_.scale, how_);
    case op_kind::log_softmax_gradient: return sigmax::log_softmax_gradient(dy_, x_, y_, -1, form_.scale, how_);
    case op_kind::cross_entropy: return sigmax::cross_entropy(x_, targets_, loss_, -1, loss_form_, how_);
    case op_kind::cross_entropy_gradient:
      return sigmax::cross_entropy_gradient(loss_gradient_, x_, targets_, y_, -1, loss_form_, how_);
    case op_kind::top_k_gating: return sigmax::top_k_gating(x_, weights_, experts_, -1, {}, how_);
  }
  return {sigmax::status_code::invalid_argument, "no such kind of op"};
}

}  // namespace sigmax_bench
