/* A user in C alone: every call of the C API succeeds through the shared library. */
#include <stdio.h>

#include "c_calls.h"

int main(void) {
  static struct call_results results;
  float x[calls_size], dy[calls_size], per_row[calls_rows];
  for (int i = 0; i < calls_size; ++i) {
    x[i] = (float)(i % 11) - 5;
    dy[i] = (float)(i % 5) / 4;
  }
  for (int i = 0; i < calls_rows; ++i) per_row[i] = 1 + (float)i / 4;
  const int failures = c_calls(x, dy, per_row, &results);
  printf("%d calls failed, softmax[0] = %g\n", failures, (double)results.softmax[0]);
  return failures;
}
