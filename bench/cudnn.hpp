// cuDNN, to be compared with on the device: where its header was found by CMake (else peers/cudnn_absent.cpp), and its
// library when this runs. Loaded then, and only if asked for, so that the program needs none of it.
#pragma once

#include "bench_case.hpp"

#include <functional>
#include <string>

namespace sigmax_bench {

/// "9.13.0", or why there is none.
struct cudnn_state {
  std::string version, problem;
};
const cudnn_state& cudnn();

/// y = op(x) over device memory on `stream`, a cudaStream_t, at sigmax's default parameters; what it returns is empty
/// or cuDNN's complaint. Itself empty if cuDNN lacks the op: it has some activations, softmax (accurate) and
/// log_softmax.
using cudnn_call = std::function<std::string(const void* x, void* y)>;
cudnn_call make_cudnn_call(const bench_case& c, void* stream);

}  // namespace sigmax_bench
