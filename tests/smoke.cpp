// Every activation and softmax once on every row that this machine can run, without a test framework: small enough for
// an emulator. Prints the rows and the one that would be chosen.
#include <sigmax/sigmax.hpp>

#include <cmath>
#include <cstdio>

int main() {
  using namespace sigmax;
  float x[37], y[37], best[37];
  for (int i = 0; i < 37; ++i) x[i] = static_cast<float>(i - 18) / 3;
  explanation e;
  if (const status s = explain(activation::relu, const_view(x, 37), view(y, 37), {}, e); !s) {
    std::printf("unavailable: %s\n", s.message);
    // A call that names a row does not ask for that variable, and leaves the last fault's words alone.
    const status fault = softmax(const_view(x, 37), view(y, 36), 0);
    options named;
    named.isa = cpu_isas()[cpu_isas().size() - 1].name;
    if (activate(activation::relu, const_view(x, 37), view(y, 37), named)) std::printf("then: %s\n", fault.message);
    return 0;
  }
  std::printf("chosen %s\n", e.isa);
  int failures = 0;
  for (const isa_info& row : cpu_isas()) {
    std::printf("row %s lanes %d fma %d usable %d\n", row.name, row.lanes, row.fma, row.usable);
    options how;
    how.isa = row.name;
    if (!row.usable) continue;
    for (activation op : all_activations()) {
      if (!activate(op, const_view(x, 37), view(best, 37)) || !activate(op, const_view(x, 37), view(y, 37), how))
        ++failures;
      for (int i = 0; i < 37; ++i)
        if (!(std::fabs(y[i] - best[i]) <= 1e-6f * (1 + std::fabs(best[i])))) ++failures;
    }
    if (!softmax(const_view(x, 37), view(y, 37), 0, how)) ++failures;
    float sum = 0;
    for (float v : y) sum += v;
    if (!(std::fabs(sum - 1) < 1e-5f)) ++failures;
    if (!activate(activation::sigmoid, const_view(x, 37), view(y, 37), how) || y[18] != 0.5f) ++failures;
  }
  std::printf("%d failures\n", failures);
  return failures != 0;
}
