// One table of the kernels for rows of words: compiled once for each dtype by cmake/cuda.cmake, with SIGMAX_CUDA_TABLE
// (its name) and SIGMAX_CUDA_ELEMENT (its type). One file with all of them took a minute an architecture.
#include "softmax_staged.cuh"

#include <utility>

#include "softmax_kernels.hpp"

#define SIGMAX_JOIN_(a, b) a##b
#define SIGMAX_JOIN(a, b) SIGMAX_JOIN_(a, b)

namespace sigmax {
namespace {

template <std::size_t... config>
constexpr cuda_staged_kernels staged_kernels(std::index_sequence<config...>) {
  return {{{softmax_staged<SIGMAX_CUDA_ELEMENT, config, false>...},
           {softmax_staged<SIGMAX_CUDA_ELEMENT, config, true>...}}};
}

}  // namespace

extern constinit const cuda_staged_kernels SIGMAX_JOIN(cuda_staged_, SIGMAX_CUDA_TABLE) =
    staged_kernels(std::make_index_sequence<std::size(staged_configs)>());

}  // namespace sigmax
