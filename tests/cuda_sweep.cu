#include "cuda_sweep.hpp"

#include "../kernels/value.hpp"
#include "golden.hpp"

namespace sigmax_test {
namespace {

constexpr unsigned blocks = 2048, threads = 256;

__device__ std::uint64_t first_number() { return std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ std::uint64_t number_of_threads() { return std::uint64_t{gridDim.x} * blockDim.x; }

__global__ void fill(float* x, std::uint64_t first, std::uint64_t stride, std::uint64_t n) {
  for (std::uint64_t i = first_number(); i < n; i += number_of_threads())
    x[i] = __uint_as_float(static_cast<std::uint32_t>((first + i) * stride));
}

__global__ void add(const float* y, std::uint64_t first, std::uint64_t stride, std::uint64_t n,
                    unsigned long long* sum) {
  unsigned long long mine = 0;
  for (std::uint64_t i = first_number(); i < n; i += number_of_threads())
    mine += sigmax_golden::term(static_cast<std::uint32_t>((first + i) * stride), y[i]);
  atomicAdd(sum, mine);
}

__global__ void sweep(unsigned long long* newton, unsigned long long* reference, std::uint32_t* first_bits) {
  constexpr std::uint64_t begin = 0x3f800000u, end = begin + (126ull << 23);
  for (std::uint64_t u = begin + first_number(); u < end; u += number_of_threads()) {
    const float d = __uint_as_float(static_cast<std::uint32_t>(u));
    // Right, because 53 >= 2 * 24 + 2 (Figueroa, When is double rounding innocuous?, SIGNUM Newsletter 30, 1995).
    const float right = static_cast<float>(1.0 / static_cast<double>(d));
    if (__frcp_rn(d) != right) atomicAdd(reference, 1ull);
    if (sigmax::reciprocal_by_newton(d) != right) {
      atomicAdd(newton, 1ull);
      *first_bits = static_cast<std::uint32_t>(u);
    }
  }
}

}  // namespace

void fill_with_bits(float* x, std::uint64_t first, std::uint64_t stride, std::int64_t n) {
  fill<<<blocks, threads>>>(x, first, stride, static_cast<std::uint64_t>(n));
}

void add_terms(const float* y, std::uint64_t first, std::uint64_t stride, std::int64_t n, std::uint64_t* sum) {
  add<<<blocks, threads>>>(y, first, stride, static_cast<std::uint64_t>(n), reinterpret_cast<unsigned long long*>(sum));
}

void sweep_reciprocals(reciprocal_faults* faults) {
  sweep<<<blocks, threads>>>(reinterpret_cast<unsigned long long*>(&faults->newton),
                             reinterpret_cast<unsigned long long*>(&faults->reference), &faults->first_bits);
}

}  // namespace sigmax_test
