// The gates of one CPU ISA row, beside kernels.cpp and compiled like it. Exports their table and nothing else.
#include "gates.hpp"

#define SIGMAX_JOIN_(a, b) a##b
#define SIGMAX_JOIN(a, b) SIGMAX_JOIN_(a, b)

namespace sigmax {

extern const gate_table SIGMAX_JOIN(gate_kernels_, SIGMAX_ISA);
const gate_table SIGMAX_JOIN(gate_kernels_, SIGMAX_ISA) = {
#define SIGMAX_FORWARD(name, tier) \
  {gated<name##_gate, float, tier>, gated<name##_gate, float16, tier>, gated<name##_gate, bfloat16, tier>},
    {{
#define SIGMAX_GATE(name) SIGMAX_FORWARD(name, accuracy::high)
#include "sigmax/gates.def"
#undef SIGMAX_GATE
     },
     {
#define SIGMAX_GATE(name) SIGMAX_FORWARD(name, fastest<name##_gate>)
#include "sigmax/gates.def"
#undef SIGMAX_GATE
     }},
    {
#define SIGMAX_GATE(name) gated_gradient<name##_gate>,
#include "sigmax/gates.def"
#undef SIGMAX_GATE
    },
    {separate<float>, separate<float16>, separate<bfloat16>},
    {alternate<float>, alternate<float16>, alternate<bfloat16>},
};

}  // namespace sigmax
