// A case as a call of the library: views and options made once, so that the timed loop holds the call alone.
#pragma once

#include "bench_case.hpp"
#include "operands.hpp"

#include <sigmax/sigmax.hpp>

namespace sigmax_bench {

/// The views of a case over any memory; nothing is read or written through them by `explain`.
sigmax::view view_of(const bench_case& c, void* data);
/// The options of a case. They point into `c.isa`, which must outlive them.
sigmax::options options_of(const bench_case& c);

class kernel_call {
 public:
  kernel_call(const bench_case& c, const operands& memory);
  sigmax::status operator()() const noexcept;

 private:
  const bench_case* case_;
  sigmax::options how_;
  sigmax::view x_, dy_, y_;
};

}  // namespace sigmax_bench
