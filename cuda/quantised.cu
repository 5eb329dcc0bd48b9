#include "quantised.cuh"

namespace sigmax {

extern constinit const cuda_quantised_kernels cuda_quantised{
    {{
#define SIGMAX_ACTIVATION(name) quantised_activation<name##_op, accuracy::high>,
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
     },
     {
#define SIGMAX_ACTIVATION(name) quantised_activation<name##_op, fastest<name##_op>>,
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
     }},
    {{
#define SIGMAX_GATE(name) quantised_gate<name##_gate, accuracy::high>,
#include "sigmax/gates.def"
#undef SIGMAX_GATE
     },
     {
#define SIGMAX_GATE(name) quantised_gate<name##_gate, fastest<name##_gate>>,
#include "sigmax/gates.def"
#undef SIGMAX_GATE
     }},
};

}  // namespace sigmax
