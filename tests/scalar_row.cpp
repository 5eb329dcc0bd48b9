// The definitions of kernels/ over plain floats, as CUDA and any new backend use them. Compiled for FMA, in a file of
// its own: nothing in it may be shared with the rest of the program, which runs where there is none.
#include "scalar_row.hpp"

#include "../kernels/gates.hpp"

namespace sigmax_test {
namespace {

using namespace sigmax;

template <class F>
void over(const float* x, float* y, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <class Op>
void all_forms(scalar_form form, const float* x, float* y, std::int64_t n) {
  const Op op{};
  if (form == scalar_form::derivative) return over(x, y, n, [op](float v) { return op.derivative(v); });
  if constexpr (has_fast_form<Op>)
    if (form == scalar_form::fast) return over(x, y, n, [op](float v) { return op.fast(v); });
  over(x, y, n, [op](float v) { return op(v); });
}

template <class Gate>
void all_forms(scalar_form form, const float* a, const float* b, float* y, float* db, std::int64_t n) {
  const Gate gate{};
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = gate(a[i], b[i]);
    if constexpr (has_fast_form<Gate>)
      if (form == scalar_form::fast) y[i] = gate.fast(a[i], b[i]);
    if (form != scalar_form::derivative) continue;
    const partials<float> d = gate.derivative(a[i], b[i]);
    y[i] = d.a, db[i] = d.b;
  }
}

}  // namespace

void scalar_gate(gate op, scalar_form form, const float* a, const float* b, float* y, float* db, std::int64_t n) {
  switch (op) {
#define SIGMAX_GATE(name) \
  case gate::name:        \
    return all_forms<name##_gate>(form, a, b, y, db, n);
#include "sigmax/gates.def"
#undef SIGMAX_GATE
  }
}

void scalar_row(sigmax::activation op, scalar_form form, const float* x, float* y, std::int64_t n) {
  switch (op) {
#define SIGMAX_ACTIVATION(name) \
  case activation::name:        \
    return all_forms<name##_op>(form, x, y, n);
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
  }
}

}  // namespace sigmax_test
