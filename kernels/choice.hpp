// Where a call runs: which backend, and which ISA row on the CPU.
#pragma once

#include "estimate.hpp"
#include "validate.hpp"

namespace sigmax {

struct choice {
  backend where;
  const kernel_table* table;  // null on CUDA
  const char* isa_reason;
  bool staged = false;  // host memory on CUDA
  double cpu_ns = 0, cuda_ns = 0;
  const char* because = nullptr;  // of an estimated call
};

/// What dispatch knows about a call besides where its memory lives.
struct call_kind {
  bool takes_host = false;            // the CUDA backend takes it on host memory
  const call_facts* facts = nullptr;  // null: `automatic` does not estimate
  activation op{};
};

/// A dense call of up to so many elements has nothing to plan: no threads, no stores past the caches. It goes straight
/// to the kernel, which matters most below some hundred elements: 64 take a few nanoseconds themselves.
constexpr std::int64_t short_call = 16384;

status choose(const options& how, memory where, choice& out, const call_kind& kind = {}) noexcept;
/// The same for 8-bit results. `empty`: there is nothing to do.
status choose_for_codes(const options& how, const const_view& y, const quantisation& codes, choice& c,
                        bool& empty) noexcept;
/// What `explain` says of it.
void tell(const choice& c, memory where, explanation& out) noexcept;
/// What fill(explanation) says; `out` stays as it is if that fails.
template <class F>
status tell_all(explanation& out, F fill) noexcept {
  explanation told;
  const status s = fill(told);
  if (s) out = told;
  return s;
}

/// The row of a call that needs no plan for what options and environment ask, else null, which says nothing.
const kernel_table* row_without_plan(const options& how) noexcept;

}  // namespace sigmax
