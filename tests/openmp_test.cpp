// Calls from inside an OpenMP region, with its own team, with a team of the library's pool, and in slices.
#include <omp.h>
#include <sigmax/openmp.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

using namespace sigmax;

namespace {

std::vector<float> softmaxed(const std::vector<float>& x, const options& how) {
  std::vector<float> y(x.size());
  const status s =
      softmax(const_view(x.data(), dtype::f32, {64, 1000}), view(y.data(), dtype::f32, {64, 1000}), 1, how);
  if (!s) std::puts(s.message);
  return y;
}

}  // namespace

int main() {
  std::vector<float> x(64000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
  const std::vector<float> expected = softmaxed(x, {});
  int wrong = softmaxed(x, {.threads = openmp(4)}) != expected ? 1 : 0;
  for (int levels : {1, 2}) {
    omp_set_max_active_levels(levels);
#pragma omp parallel num_threads(4) reduction(+ : wrong)
    wrong += softmaxed(x, {.threads = openmp(3)}) != expected ? 1 : 0;
  }
  std::vector<float> y(x.size());
#pragma omp parallel num_threads(5) reduction(+ : wrong)
  {
    const options how{.slice = omp_get_thread_num(), .slices = omp_get_num_threads()};
    wrong +=
        softmax(const_view(x.data(), dtype::f32, {64, 1000}), view(y.data(), dtype::f32, {64, 1000}), 1, how) ? 0 : 1;
  }
  wrong += y != expected ? 1 : 0;
  std::printf("%d wrong\n", wrong);
  return wrong;
}
