// The backward passes of softmax, and gating, on CUDA against the CPU.
#include "cuda_tensor.hpp"

namespace sigmax_test {
namespace {

constexpr float inf = INFINITY;
constexpr std::int64_t lengths[] = {1, 2, 7, 33, 64, 100, 257, 512, 1000, 2000, 2049, 4096, 5000, 8193, 65536, 70001};

status gradient(bool logarithm, tensor& dy, tensor& y, tensor& dx, bool there) {
  const auto of = [there](tensor& t) { return there ? t.there() : t.host(); };
  return (logarithm ? log_softmax_gradient : softmax_gradient)(of(dy), of(y), of(dx), -1, 0.75f, {});
}

/// Both are within the bounds of the header, so they are within twice that of each other.
void check_gradient(std::int64_t n, bool logarithm, dtype dy_type, dtype y_type, dtype dx_type, bool transposed,
                    std::size_t turn) {
  const std::int64_t rows = n > 3000 ? 2 : 11;
  const std::vector<std::int64_t> shape{rows, n},
      strides = transposed ? std::vector<std::int64_t>{1, rows}
                           : std::vector<std::int64_t>{n + static_cast<std::int64_t>(turn % 2), 1};
  tensor dy(dy_type, shape, strides), y(y_type, shape, strides), dx(dx_type, shape, strides), x(dtype::f32, shape),
      probability(dtype::f32, shape);
  x.set(logits(static_cast<std::size_t>(rows * n), 3, static_cast<unsigned>(n)));
  const status s =
      logarithm ? log_softmax(x.host(), probability.host()) : sigmax::softmax(x.host(), probability.host());
  ASSERT_TRUE(s.ok());
  y.set(probability.values());
  std::vector<float> v = logits(static_cast<std::size_t>(rows * n), 1, 5);
  for (std::int64_t i = 0; i < n; ++i) v[static_cast<std::size_t>(i)] *= dy_type == dtype::f16 ? 0x1p-10f : 0x1p-60f;
  if (rows > 4) v[static_cast<std::size_t>(3 * n)] = NAN, v[static_cast<std::size_t>(2 * n + n / 2)] = inf;
  dy.set(v);
  const std::string name =
      "n " + std::to_string(n) + (logarithm ? ", logarithm" : "") + (transposed ? ", columns" : "");
  use(devices[turn % 3]);
  const status cuda = gradient(logarithm, dy, y, dx, true);
  ASSERT_TRUE(cuda.ok()) << cuda.message;
  dx.download();
  const std::vector<float> got = dx.values(), g = dy.values(), p = y.values();
  ASSERT_TRUE(gradient(logarithm, dy, y, dx, false).ok());
  const std::vector<float> expected = dx.values();
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = static_cast<std::size_t>(r * n), length = static_cast<std::size_t>(n);
    float most = 0;
    for (std::size_t i = row; i < row + length; ++i) most = std::max(most, std::fabs(g[i]));
    for (std::size_t i = row; i < row + length; ++i) {
      if (same_bits(got[i], expected[i])) continue;
      const double size =
          logarithm ? std::max(std::fabs(expected[i]), std::fabs(0.75f * g[i])) : std::fabs(expected[i]);
      const double unit = size * (dx_type == dtype::f32 ? 0x1p-23 : dx_type == dtype::f16 ? 0x1p-10 : 0x1p-7);
      const double absolute = static_cast<double>(std::fabs(p[i]) * most) * 0x1p-43;
      const double least = dx_type == dtype::f16 ? 0x1p-24 : 0x1p-149;
      ASSERT_LE(std::fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i])), 3 * unit + absolute + least)
          << name << " row " << r << " at " << i - row << ": " << got[i] << ", on the CPU " << expected[i];
    }
  }
  if (transposed) return;
  use(devices[(turn + 1) % 3]);
  ASSERT_TRUE(gradient(logarithm, dy, y, dx_type == dy_type ? dy : dx, true).ok());
  (dx_type == dy_type ? dy : dx).download();
  const std::vector<float> again = (dx_type == dy_type ? dy : dx).values();
  EXPECT_TRUE(std::equal(got.begin(), got.end(), again.begin(), same_bits)) << name << ", in place on another device";
}

TEST(cuda_softmax, gradients) {
  std::size_t turn = 0;
  for (std::int64_t n : lengths)
    for (bool logarithm : {false, true})
      for (bool transposed : {false, true})
        for (std::size_t k = 0; k < (n > 3000 ? 1u : 3u); ++k) {
          if (transposed && n > 3000) continue;
          ++turn;
          check_gradient(n, logarithm, types[turn % 3], types[(k == 0 ? turn : turn + k) % 3],
                         types[(k < 2 ? turn : turn / 3) % 3], transposed, turn);
          if (HasFatalFailure()) return;
        }
}

void check_gate(std::int64_t n, std::int64_t k, bool sigmoid, bool renormalise, bool biased, bool transposed,
                std::size_t turn) {
  const std::int64_t rows = 37;
  const auto strides = [&](std::int64_t columns) {
    return transposed ? std::vector<std::int64_t>{1, rows} : std::vector<std::int64_t>{columns, 1};
  };
  tensor x(types[turn % 3], {rows, n}, strides(n)), bias(dtype::f32, {rows, n}, {0, 1}),
      weights(types[turn / 2 % 3], {rows, k}, strides(k));
  std::vector<float> v = logits(static_cast<std::size_t>(rows * n), 3, static_cast<unsigned>(n + k));
  for (std::size_t i = 0; i < v.size(); i += 3) v[i] = std::round(v[i]);  // ties
  if (turn % 2 == 0) {
    v[static_cast<std::size_t>(n + n / 2)] = NAN, v[static_cast<std::size_t>(2 * n)] = inf;
    std::fill_n(v.begin() + 3 * n, n, -inf);
    std::fill_n(v.begin() + 4 * n, n, -90.0f);
  }
  x.set(v);
  std::vector<float> b = logits(static_cast<std::size_t>(n), 1, 9), shared;
  for (std::int64_t r = 0; r < rows; ++r) shared.insert(shared.end(), b.begin(), b.end());
  bias.set(shared);
  const bool wide = turn % 2 != 0;
  std::vector<std::int64_t> experts(static_cast<std::size_t>(rows * k)), cpu_experts(experts.size());
  device_memory there(experts.size() * 8);
  const auto run = [&](bool on_device, void* out) {
    view e(out, wide ? dtype::i64 : dtype::i32, {rows, k});
    if (on_device) e.where = memory::cuda;
    gating_form form;
    form.sigmoid = sigmoid;
    form.renormalise = renormalise;
    form.scale = 1.5f;
    if (biased) form.bias = on_device ? bias.there() : bias.host();
    return top_k_gating(on_device ? x.there() : x.host(), on_device ? weights.there() : weights.host(), e, -1, form);
  };
  const std::string name = "n " + std::to_string(n) + ", k " + std::to_string(k) + (sigmoid ? ", sigmoid" : "") +
                           (renormalise ? ", renormalised" : "") + (biased ? ", biased" : "");
  use(devices[turn % 3]);
  const status cuda = run(true, there.data());
  ASSERT_TRUE(cuda.ok()) << cuda.message;
  there.download(experts.data());
  weights.download();
  const std::vector<float> got = weights.values();
  ASSERT_TRUE(run(false, cpu_experts.data()).ok());
  EXPECT_EQ(experts, cpu_experts) << name;
  const std::vector<float> expected = weights.values();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (same_bits(got[i], expected[i])) continue;
    const double unit = weights.type == dtype::f32 ? 0x1p-23 : weights.type == dtype::f16 ? 0x1p-10 : 0x1p-7;
    ASSERT_LE(
        std::fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i])),
        3 * unit * std::fabs(static_cast<double>(expected[i])) + (weights.type == dtype::f16 ? 0x1p-24 : 0x1p-140))
        << name << " at " << i << ": " << got[i] << ", on the CPU " << expected[i];
  }
}

TEST(cuda_softmax, gates) {
  std::size_t turn = 0;
  for (std::int64_t n : {2, 8, 60, 64, 65, 256, 288, 1000, 1024})
    for (std::int64_t k : {1, 2, 8, 100}) {
      if (k > n) continue;
      for (int what = 0; what < 8; ++what) {
        check_gate(n, k, what & 1, what & 2, what & 4, turn % 5 == 0, turn);
        ++turn;
        if (HasFatalFailure()) return;
      }
    }
}

}  // namespace
}  // namespace sigmax_test
