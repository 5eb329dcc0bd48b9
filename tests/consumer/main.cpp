#include <sigmax/sigmax.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
  const std::vector<float> x{-2, -1, 0, 1, 2};
  std::vector<float> y(x.size());
  const sigmax::status s =
      sigmax::activate(sigmax::activation::gelu, sigmax::const_view(x.data(), 5), sigmax::view(y.data(), 5));
  std::printf("sigmax %s: %s, gelu(1) = %.7f\n", sigmax::version(), s.message, static_cast<double>(y[3]));
  return s.ok() && std::fabs(y[3] - 0.8413447f) < 1e-7f ? 0 : 1;
}
