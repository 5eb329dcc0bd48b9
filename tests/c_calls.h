/* Every call of the C API on small tensors; c_calls.c makes them, c_api_test.cpp makes the same in C++. */
#ifndef SIGMAX_TESTS_C_CALLS_H
#define SIGMAX_TESTS_C_CALLS_H

#include <stdint.h>

enum {
  calls_rows = 5,
  calls_columns = 7,
  calls_size = calls_rows * calls_columns,
  calls_chosen = 3,
  calls_ops = 64,
  calls_gates = 16
};

struct call_results {
  float activate[calls_ops][calls_size];
  float activation_gradient[calls_ops][calls_size];
  float gated[calls_gates][calls_size], gate_a[calls_gates][calls_size], gate_b[calls_gates][calls_size];
  float softmax[calls_size], log_softmax[calls_size], columns[calls_size], fast[calls_size];
  float fused[calls_size], fused_max[calls_rows], fused_sum[calls_rows], fused_lse[calls_rows];
  float partial_max[calls_rows], partial_sum[calls_rows], finish[calls_size];
  float merged_max, merged_sum;
  float softmax_gradient[calls_size], log_softmax_gradient[calls_size];
  float loss[calls_rows], lse[calls_rows], loss_gradient[calls_size];
  float weights[calls_rows * calls_chosen];
  int32_t experts[calls_rows * calls_chosen];
  float row_scales[2][calls_rows], amax[calls_rows];
  uint8_t codes[3][calls_size + 1]; /* together whole words */
};

#ifdef __cplusplus
extern "C" {
#endif
/* How many calls failed. */
int c_calls(const float* x, const float* dy, const float* per_row, struct call_results* out);
#ifdef __cplusplus
}
#endif

#endif
