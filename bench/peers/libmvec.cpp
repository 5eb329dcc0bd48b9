// glibc's vector functions, which g++ calls for the naive loops when -ffast-math allows it.
#define SIGMAX_BENCH_NAIVE run_naive_libmvec
#include "../naive.cpp"
