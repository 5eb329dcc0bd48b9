// One CPU ISA row: compiled once per row of cmake/isa.cmake with its -m flags, SIGMAX_ISA (its name) and SIGMAX_ARCH
// (its xsimd architecture). Exports the table and nothing else.
#include "across.hpp"
#include "quantise.hpp"
// The formulas come after the vocabulary they are written in.
#include "../kernels/activations.hpp"
#include "../kernels/kernel_table.hpp"

#define SIGMAX_TEXT_(name) #name
#define SIGMAX_TEXT(name) SIGMAX_TEXT_(name)
#define SIGMAX_JOIN_(a, b) a##b
#define SIGMAX_JOIN(a, b) SIGMAX_JOIN_(a, b)

namespace sigmax {

extern const gate_table SIGMAX_JOIN(gate_kernels_, SIGMAX_ISA);
extern const kernel_table SIGMAX_JOIN(kernels_, SIGMAX_ISA);
const kernel_table SIGMAX_JOIN(kernels_, SIGMAX_ISA) = {
    SIGMAX_TEXT(SIGMAX_ISA),
    lanes,
    has_fma,
#define SIGMAX_FORWARD(name, tier)                                                  \
  {forward<name##_op, float, false, tier>, forward<name##_op, float16, true, tier>, \
   forward<name##_op, bfloat16, true, tier>, forward<name##_op, float, has_residual<name##_op, vec>, tier>},
    {{
#define SIGMAX_ACTIVATION(name) SIGMAX_FORWARD(name, accuracy::high)
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
     },
     {
#define SIGMAX_ACTIVATION(name) SIGMAX_FORWARD(name, fastest<name##_op>)
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
     }},
    {
#define SIGMAX_ACTIVATION(name) gradient<name##_op>,
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
    },
    {gather<float>, gather<float16>, gather<bfloat16>, gather<boolean>},
    {scatter<float>, scatter<float16>, scatter<bfloat16>},
    {scatter_row<float>, scatter_row<float16>, scatter_row<bfloat16>},
    row_fill,
    row_max,
    {row_max_widened<float16>, row_max_widened<bfloat16>},
    to_columns,
    from_columns,
    max_rows,
    max_columns,
    columns_to_keys,
    take_largest,
    {steps<accuracy::high>, steps<accuracy::fast>},
    row_total,
    logarithms,
    quotients,
    row_dot,
    {row_gradient<false>, row_gradient<true>},
    {gradient_across<float>, gradient_across<float16>, gradient_across<bfloat16>},
    &SIGMAX_JOIN(gate_kernels_, SIGMAX_ISA),
    {quantise<float8_e4m3>, quantise<float8_e5m2>, quantise<std::int8_t>},
    row_amax,
};

}  // namespace sigmax
