// mpi_softmax.cpp with the rows on GPUs, one a rank: softmax_partial, ncclAllGather and softmax_finish on one stream.
// This file is compiled and has not run on GPUs yet. It holds the interface to what such a caller needs.
#include <sigmax/sigmax.hpp>

#include <cuda_runtime.h>
#include <nccl.h>

#include <cstddef>

namespace sigmax_example {

using namespace sigmax;

/// The caller's, for all calls with so many rows at most.
struct buffers {
  softmax_state* whole;     ///< device, a row each
  softmax_state* all;       ///< device, ranks * rows
  softmax_state* all_host;  ///< pinned, ranks * rows
};

const char* failure(const status& s) { return s ? nullptr : s.message; }
const char* failure(ncclResult_t r) { return r == ncclSuccess ? nullptr : ncclGetErrorString(r); }
const char* failure(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(e); }

/// softmax of rows of which `x` holds this rank's columns (memory::cuda, as y). Waits once, for the merge: that is a
/// few operations a row, done on every host alike, in the order of ranks. Null, or what went wrong: then the others
/// wait in ncclAllGather, and ncclCommAbort ends that.
const char* softmax_over_gpus(const const_view& x, const view& y, const buffers& b, ncclComm_t ranks,
                              cudaStream_t stream) {
  int size = 0;
  if (const char* f = failure(ncclCommCount(ranks, &size))) return f;
  const auto rows = static_cast<std::size_t>(x.shape[0]), states = rows * static_cast<std::size_t>(size);

  const std::int64_t shape[] = {x.shape[0], 1}, every_second[] = {2, 1};
  softmax_form form;
  form.max = view(&b.whole->max, dtype::f32, shape, every_second);
  form.sum = view(&b.whole->sum, dtype::f32, shape, every_second);
  form.max.where = form.sum.where = memory::cuda;
  options how;
  how.where = backend::cuda;
  how.stream = stream;

  if (const char* f = failure(softmax_partial(x, 1, form, how))) return f;
  if (const char* f = failure(ncclAllGather(b.whole, b.all, 2 * rows, ncclFloat, ranks, stream))) return f;

  const std::size_t state = sizeof(softmax_state);
  if (const char* f = failure(cudaMemcpyAsync(b.all_host, b.all, states * state, cudaMemcpyDeviceToHost, stream)))
    return f;
  if (const char* f = failure(cudaStreamSynchronize(stream))) return f;
  for (std::size_t i = rows; i < states; ++i) b.all_host[i % rows] = merge(b.all_host[i % rows], b.all_host[i]);
  if (const char* f = failure(cudaMemcpyAsync(b.whole, b.all_host, rows * state, cudaMemcpyHostToDevice, stream)))
    return f;

  return failure(softmax_finish(x, y, 1, form, how));
}

}  // namespace sigmax_example
