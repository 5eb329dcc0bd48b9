// What is fused around a softmax, in tensors for the CPU and for CUDA.
#pragma once

#include "cuda_tensor.hpp"

namespace sigmax_test {

enum term { scale = 1, row_scale = 2, softcap = 4, slopes = 8, mask = 16, causal = 32, window = 64, sinks = 128 };

/// Batches x heads x queries x keys, as a dense tensor or with the keys outermost.
struct form_case {
  std::int64_t n, q;
  std::vector<std::int64_t> shape, rows, strides;
  tensor x, y, factors, slope, mask_values, sink, max, sum, lse;
  int terms;

  form_case(std::int64_t columns, int what, dtype x_type, dtype y_type, dtype mask_type, bool transposed)
      : n(columns),
        q(n > 3000 ? 1 : 5),
        shape{2, 3, q, n},
        rows{2, 3, q, 1},
        strides(transposed ? std::vector<std::int64_t>{3 * q, q, 1, 6 * q} : std::vector<std::int64_t>{}),
        x(x_type, shape, strides),
        y(y_type, shape, strides),
        factors(dtype::f32, rows, {1, 0, 0, 0}),
        slope(dtype::f32, rows, {0, 1, 0, 0}),
        mask_values(mask_type, shape,
                    mask_type == dtype::boolean ? std::vector<std::int64_t>{n, 0, 0, 1}
                                                : std::vector<std::int64_t>{q * n, 0, n, 1}),
        sink(dtype::bf16, rows, {0, 1, 0, 0}),
        max(dtype::f32, rows),
        sum(dtype::f32, rows),
        lse(dtype::f32, rows),
        terms(what) {
    std::vector<float> v = logits(static_cast<std::size_t>(6 * q * n), 4, static_cast<unsigned>(n + what));
    const auto row = [&](std::int64_t r) { return v.begin() + r % (6 * q) * n; };
    if (what % 3 == 1)
      std::fill_n(row(1), n, -INFINITY), row(2)[n / 2] = NAN, row(3)[n - 1] = INFINITY, row(4)[0] = -INFINITY;
    x.set(v);
    factors.set(std::vector<float>(static_cast<std::size_t>(6 * q), 1.25f));
    set_by(slope, {0.25f, -0.0625f, 0.75f});
    set_by(sink, {1.5f, -INFINITY, 6});
    if ((what & mask) == 0) return;
    std::vector<float> m;
    mask_values.for_each([&](std::size_t at) {
      const std::uint64_t h = (at + 1) * 0x9e3779b97f4a7c15u >> 40;
      const bool whole_row = mask_type != dtype::boolean && what % 5 == 0 && static_cast<std::int64_t>(at) < n;
      const bool gone = h % 4 == 0 || whole_row;
      m.push_back(mask_type == dtype::boolean ? (gone ? 0.0f : 1.0f)
                  : gone                      ? -INFINITY
                                              : static_cast<float>(h % 64) / 8 - 4);
    });
    mask_values.set(m);
  }
  void set_by(tensor& t, const std::vector<float>& head) {
    std::vector<float> v;
    for (std::int64_t i = 0; i < 6 * q; ++i) v.push_back(head[static_cast<std::size_t>(i / q % 3)]);
    t.set(v);
  }

  /// With views of host or of device memory.
  softmax_form form(bool there) {
    const auto of = [there](tensor& t) { return there ? t.there() : t.host(); };
    softmax_form f;
    if (terms & scale) f.scale = -0.3f;
    if (terms & row_scale) f.row_scale = of(factors);
    if (terms & softcap) f.softcap = 5;
    if (terms & slopes) f.slopes = of(slope);
    if (terms & mask) f.mask = of(mask_values);
    f.causal = (terms & causal) != 0;
    f.offset = n > 3000 ? n / 2 : n / 3;
    if ((terms & causal) && (terms & window)) f.window = 1 + n / 4;
    if (terms & sinks) f.sinks = of(sink);
    return f;
  }
  std::string name() const { return "n " + std::to_string(n) + ", terms " + std::to_string(terms); }
};

}  // namespace sigmax_test
