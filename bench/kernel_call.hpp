// A case as a call of the library: views and options made once, so that the timed loop holds the call alone.
#pragma once

#include "bench_case.hpp"
#include "operands.hpp"
#include "row_operands.hpp"

#include <sigmax/sigmax.hpp>

#include <memory>

namespace sigmax_bench {

/// The views of a case over any memory; nothing is read or written through them by `explain`.
sigmax::view view_of(const bench_case& c, void* data);
/// The options of a case. They point into `c.isa`, which must outlive them.
sigmax::options options_of(const bench_case& c);

class kernel_call {
 public:
  /// After `memory.prepare(c)`.
  kernel_call(const bench_case& c, const operands& memory);
  sigmax::status operator()() const noexcept;
  row_operands& rows() const { return *rows_; }

 private:
  void take_row_operands();

  const bench_case* case_;
  std::shared_ptr<row_operands> rows_;  // shared by the copies that a std::function makes
  sigmax::options how_;
  sigmax::softmax_form form_;
  sigmax::cross_entropy_form loss_form_;
  sigmax::const_view x_, dy_;
  sigmax::view y_, loss_;
  sigmax::const_view targets_, loss_gradient_;
  sigmax::view weights_, experts_;
};

}  // namespace sigmax_bench
