#include <math.h>
#include <sigmax/sigmax.h>
#include <stdio.h>

int main(void) {
  const float x[5] = {-2, -1, 0, 1, 2};
  float y[5];
  const int64_t shape[1] = {5};
  sigmax_view in, out;
  sigmax_view_dense(&in, sizeof in, x, sigmax_dtype_f32, 1, shape);
  sigmax_view_dense(&out, sizeof out, y, sigmax_dtype_f32, 1, shape);
  const sigmax_status status = sigmax_activate(sigmax_activation_gelu, &in, &out, NULL);
  printf("sigmax %s: %s, gelu(1) = %.7f\n", sigmax_version(), sigmax_status_string(status), (double)y[3]);
  return status == sigmax_status_ok && fabsf(y[3] - 0.8413447f) < 1e-7f ? 0 : 1;
}
