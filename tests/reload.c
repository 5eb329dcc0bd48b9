/* reload LIBRARY: loads, uses and unloads it 100 times, in turns on a thread of its own, without growing. Nothing of it
 * stays mapped, and the floating-point control of the thread that loads it is left alone, which the start-up code of
 * -ffast-math would change. */
#include <dlfcn.h>
#include <pthread.h>
#include <sigmax/sigmax.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static const char* path;

static int mapped(void) {
  char line[1024];
  int found = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) found += strstr(line, "libsigmax.so") != NULL;
  if (maps != NULL) fclose(maps);
  return found;
}

static unsigned control(void) {
#if defined(__SSE2__)
  return _mm_getcsr() & ~0x3fu; /* but for the flags */
#else
  return 0;
#endif
}

#define LOAD(name) __typeof__(&name) name##_ = (__typeof__(&name))dlsym(library, #name)

/* Null, or what went wrong. */
static void* use(void* unused) {
  (void)unused;
  const unsigned before = control();
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return dlerror();
  LOAD(sigmax_view_dense);
  LOAD(sigmax_activate);
  LOAD(sigmax_last_error);
  float x[5] = {-2, -1, 0, 1, 2}, y[5];
  const int64_t shape[1] = {5}, other[1] = {4};
  sigmax_view in, out, wrong;
  sigmax_view_dense_(&in, sizeof in, x, sigmax_dtype_f32, 1, shape);
  sigmax_view_dense_(&out, sizeof out, y, sigmax_dtype_f32, 1, shape);
  sigmax_view_dense_(&wrong, sizeof wrong, y, sigmax_dtype_f32, 1, other);
  if (sigmax_activate_(sigmax_activation_relu, &in, &out, NULL) != sigmax_status_ok || y[4] != 2) return "wrong result";
  if (sigmax_activate_(sigmax_activation_relu, &in, &wrong, NULL) != sigmax_status_shape_mismatch ||
      strstr(sigmax_last_error_(), "shape") == NULL)
    return "wrong status";
  if (control() != before) return "MXCSR is another";
  if (mapped() == 0) return "is it another library?";
  if (dlclose(library) != 0) return dlerror();
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  path = argv[1];
  for (int i = 0; i < 100; ++i) {
    void* wrong = NULL;
    if (i % 2 == 0) {
      wrong = use(NULL);
    } else {
      pthread_t thread;
      if (pthread_create(&thread, NULL, use, NULL) != 0 || pthread_join(thread, &wrong) != 0) return 1;
    }
    if (wrong != NULL) {
      printf("round %d: %s\n", i, (const char*)wrong);
      return 1;
    }
    if (mapped() != 0) {
      printf("round %d: still mapped after dlclose\n", i);
      return 1;
    }
  }
  puts("100 times");
  return 0;
}
