// What is fused around a softmax, its states and its losses on CUDA, against the CPU, which its own tests hold against
// the oracle: the same numbers within what both may be off, the same NaN, infinities and zeros.
#include "cuda_softmax_forms.hpp"

namespace sigmax_test {
namespace {

constexpr std::int64_t lengths[] = {1, 5, 64, 100, 257, 700, 1030, 5000, 20000, 40000};

/// In units in the last place of f32, or far below what a result near 0 counts.
double distance(float a, float b, double ignored) {
  if (same_bits(a, b) || std::fabs(static_cast<double>(a) - static_cast<double>(b)) <= ignored) return 0;
  return reference::ulp_error(a, static_cast<long double>(b));
}
void expect_close(const std::vector<float>& cuda, const std::vector<float>& cpu, double ulp, double ignored,
                  const std::string& what) {
  ASSERT_EQ(cuda.size(), cpu.size());
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    // CUDA rounds numerators to subnormal numbers before their factor: 0 may stand for 2^-149.
    if (std::fabs(cuda[i] - cpu[i]) > 0x1p-149f) {
      ASSERT_EQ(cuda[i] == 0, cpu[i] == 0) << what << " at " << i << ": " << cuda[i] << ", on the CPU " << cpu[i];
    }
    ASSERT_LE(distance(cuda[i], cpu[i], ignored), ulp)
        << what << " at " << i << ": " << cuda[i] << ", on the CPU " << cpu[i];
  }
}

/// Runs on both; every output of the CUDA run is downloaded into `got` before the CPU overwrites its image.
template <class F>
std::vector<std::vector<float>> both(F run, std::vector<tensor*> outputs, std::size_t turn) {
  std::vector<std::vector<float>> results;
  use(devices[turn % std::size(devices)]);
  const status cuda = run(true);
  EXPECT_TRUE(cuda.ok()) << cuda.message;
  for (tensor* t : outputs) {
    t->download();
    results.push_back(t->values());
  }
  const status cpu = run(false);
  EXPECT_TRUE(cpu.ok()) << cpu.message;
  for (tensor* t : outputs) results.push_back(t->values());
  return results;
}

double tolerance(dtype t) { return t == dtype::f32 ? 4 : t == dtype::f16 ? 8192 : 65536; }  // or one of 16 bits

void check_form(form_case& c, bool logarithm, std::size_t turn) {
  const auto run = [&](bool there) {
    softmax_form f = c.form(there);
    f.logarithm = logarithm;
    if (!logarithm && turn % 3 == 0) f.output_scale = 2.5f;
    f.nan_if_masked = turn % 7 == 0;
    const bool states = turn % 5 < 3;
    if (states) f.max = there ? c.max.there() : c.max.host();
    if (states && turn % 2 == 0) f.sum = there ? c.sum.there() : c.sum.host();
    if (states) f.lse = there ? c.lse.there() : c.lse.host();
    return softmax_fused(there ? c.x.there() : c.x.host(), there ? c.y.there() : c.y.host(), -1, f);
  };
  const auto r = both(run, {&c.y, &c.max, &c.sum, &c.lse}, turn);
  const std::string name = c.name() + (logarithm ? ", logarithm" : "");
  const bool small = c.y.type != dtype::f32;
  expect_close(r[0], r[4], tolerance(c.y.type), logarithm ? 0x1p-44 : small ? 0x1p-24 : 0x1p-140, name + ", y");
  expect_close(r[1], r[5], 0, 0, name + ", max");
  if (turn % 2 == 0) expect_close(r[2], r[6], 2, 0, name + ", sum");
  expect_close(r[3], r[7], 2, 0x1p-44, name + ", lse");
}

TEST(cuda_softmax_form, every_term_and_many_together) {
  std::size_t turn = 0;
  for (std::int64_t n : lengths)
    for (int terms : {0, int{scale}, int{row_scale}, int{softcap}, int{slopes}, int{mask}, int{causal}, causal | window,
                      int{sinks}, mask | sinks, scale | softcap | mask | causal, 127, 255}) {
      if (n > 3000 && terms % 5 != 0) continue;
      const dtype masks[] = {dtype::f32, dtype::boolean, dtype::bf16, dtype::f16};
      for (bool logarithm : {false, true}) {
        ++turn;
        form_case c(n, terms, types[turn % 3], types[turn / 3 % 3], masks[turn / 2 % 4], n < 3000 && turn % 5 == 0);
        check_form(c, logarithm, turn);
        if (HasFatalFailure()) return;
      }
    }
}

// The largest score is that of the largest element only where the scale is positive; 0 times an infinity is NaN;
// results of 16 bits take their scale with the sum's reciprocal if it is no larger than 1, and no much smaller number.
TEST(cuda_softmax_form, scales_of_either_sign_and_none) {
  std::size_t turn = 0;
  for (std::int64_t n : {3, 16, 300, 5000, 20000})
    for (dtype t : types)
      for (int terms : {int{scale}, scale | causal}) {  // the former with infinities and NaN
        form_case c(n, terms, t, t, dtype::f32, false);
        const std::vector<std::byte> unwritten = c.y.image;
        for (float of_scores : {0.0f, -1.5f, 2.0f})
          for (float of_results : {0.5f, -0.25f, 0x1p-115f, 0x1p20f}) {
            c.y.image = unwritten;
            c.y.memory.upload(unwritten.data());
            const auto run = [&](bool there) {
              softmax_form f = c.form(there);
              f.scale = of_scores, f.output_scale = of_results;
              return softmax_fused(there ? c.x.there() : c.x.host(), there ? c.y.there() : c.y.host(), -1, f);
            };
            const auto r = both(run, {&c.y}, ++turn);
            const std::string name =
                c.name() + ", scales " + std::to_string(of_scores) + ", " + std::to_string(of_results);
            const double ignored = t == dtype::f32 ? 0x1p-140 : 0x1p-24 * std::min(1.0f, std::fabs(of_results));
            expect_close(r[0], r[1], tolerance(t), ignored, name);
            if (HasFatalFailure()) return;
          }
      }
}

TEST(cuda_softmax_form, parts_and_the_whole_from_its_state) {
  std::size_t turn = 0;
  for (std::int64_t n : lengths)
    for (int terms : {0, scale | mask, causal | window, mask | sinks}) {
      ++turn;
      form_case c(n, terms, types[turn % 2], dtype::f32, dtype::f32, n < 3000 && turn % 3 == 0);
      const auto partial = [&](bool there) {
        softmax_form f = c.form(there);
        f.max = there ? c.max.there() : c.max.host();
        f.sum = there ? c.sum.there() : c.sum.host();
        f.lse = there ? c.lse.there() : c.lse.host();
        return softmax_partial(there ? c.x.there() : c.x.host(), -1, f);
      };
      const auto r = both(partial, {&c.max, &c.sum, &c.lse}, turn);
      expect_close(r[0], r[3], 0, 0, c.name() + ", max of a part");
      expect_close(r[1], r[4], 2, 0, c.name() + ", sum of a part");
      expect_close(r[2], r[5], 2, 0x1p-44, c.name() + ", lse of a part");
      c.max.memory.upload(c.max.image.data());  // the CPU's
      c.sum.memory.upload(c.sum.image.data());
      for (bool logarithm : {false, true}) {
        const auto finish = [&](bool there) {
          softmax_form f = c.form(there);
          f.logarithm = logarithm;
          f.sinks = {};
          f.max = there ? c.max.there() : c.max.host();
          f.sum = there ? c.sum.there() : c.sum.host();
          return softmax_finish(there ? c.x.there() : c.x.host(), there ? c.y.there() : c.y.host(), -1, f);
        };
        const auto y = both(finish, {&c.y}, turn);
        expect_close(y[0], y[1], 4, logarithm ? 0x1p-22 : 0x1p-140, c.name() + ", from a state");
        if (HasFatalFailure()) return;
      }
    }
}

TEST(cuda_softmax_form, a_maximum_of_zero_has_no_sign) {
  for (std::int64_t n : lengths)
    for (dtype t : types) {
      form_case c(n, 0, t, t, dtype::f32, false);
      c.x.set(std::vector<float>(c.x.values().size(), -0.0f));
      const auto partial = [&](bool there) {
        softmax_form f = c.form(there);
        f.max = there ? c.max.there() : c.max.host();
        return softmax_partial(there ? c.x.there() : c.x.host(), -1, f);
      };
      for (const std::vector<float>& max : both(partial, {&c.max}, 0))
        for (float v : max) ASSERT_TRUE(same_bits(v, 0.0f)) << c.name();
    }
}

/// Logits and targets of rows.
struct loss_case {
  std::int64_t n, rows;
  tensor x, dx, loss, lse, dloss;
  std::vector<std::int32_t> targets_32;
  std::vector<std::int64_t> targets_64;
  device_memory memory_32, memory_64;
  cross_entropy_form settings;

  loss_case(std::int64_t columns, dtype type, bool transposed, float smoothing)
      : n(columns),
        rows(n > 3000 ? 2 : 19),
        x(type, {rows, n}, strides(transposed)),
        dx(type, {rows, n}, strides(transposed)),
        loss(dtype::f32, {rows, 1}),
        lse(dtype::f32, {rows, 1}),
        dloss(dtype::f32, {rows, 1}, {1, 1}),
        memory_32(static_cast<std::size_t>(rows) * 4),
        memory_64(static_cast<std::size_t>(rows) * 8) {
    std::vector<float> v = logits(static_cast<std::size_t>(rows * n), 4, static_cast<unsigned>(n));
    if (rows > 3 && n > 2) v[static_cast<std::size_t>(n)] = NAN, v[static_cast<std::size_t>(2 * n + 1)] = 90;
    x.set(v);
    dloss.set(logits(static_cast<std::size_t>(rows), 1, 3));
    for (std::int64_t r = 0; r < rows; ++r) {
      targets_64.push_back(r == 4 ? -100 : r * 7 % n);
      targets_32.push_back(static_cast<std::int32_t>(targets_64.back()));
    }
    memory_32.upload(targets_32.data());
    memory_64.upload(targets_64.data());
    settings.scale = 0.75f;
    settings.label_smoothing = smoothing;
  }
  std::vector<std::int64_t> strides(bool transposed) const {
    return transposed ? std::vector<std::int64_t>{1, rows} : std::vector<std::int64_t>{n, 1};
  }
  const_view targets(bool there, bool wide) const {
    const void* const data = wide ? (there ? static_cast<const void*>(memory_64.data()) : targets_64.data())
                                  : (there ? static_cast<const void*>(memory_32.data()) : targets_32.data());
    const_view v(data, wide ? dtype::i64 : dtype::i32, {rows, 1});
    if (there) v.where = memory::cuda;
    return v;
  }
};

TEST(cuda_softmax_form, cross_entropy_and_its_gradient) {
  std::size_t turn = 0;
  for (std::int64_t n : lengths)
    for (float smoothing : {0.0f, 0.1f, 1.0f})
      for (bool transposed : {false, true}) {
        if (n > 3000 && transposed) continue;
        ++turn;
        const bool wide = turn % 2 == 0, in_place = turn % 4 < 2;
        loss_case c(n, types[turn % 3], transposed, smoothing);
        const std::string name = "n " + std::to_string(n) + ", smoothing " + std::to_string(smoothing);
        const auto loss = [&](bool there) {
          cross_entropy_form f = c.settings;
          f.lse = there ? c.lse.there() : c.lse.host();
          return cross_entropy(there ? c.x.there() : c.x.host(), c.targets(there, wide),
                               there ? c.loss.there() : c.loss.host(), -1, f);
        };
        const auto r = both(loss, {&c.loss, &c.lse}, turn);
        expect_close(r[0], r[2], 4, 0x1p-40, name + ", loss");
        expect_close(r[1], r[3], 2, 0x1p-44, name + ", lse");
        c.lse.memory.upload(c.lse.image.data());
        for (bool given : {false, true}) {
          const std::vector<std::byte> logits_before = c.x.image;
          tensor& out = in_place ? c.x : c.dx;
          const auto gradient = [&](bool there) {
            cross_entropy_form f = c.settings;
            if (given) f.lse = there ? c.lse.there() : c.lse.host();
            if (!there) c.x.image = logits_before;
            return cross_entropy_gradient(there ? c.dloss.there() : c.dloss.host(), there ? c.x.there() : c.x.host(),
                                          c.targets(there, wide), there ? out.there() : out.host(), -1, f);
          };
          const auto g = both(gradient, {&out}, turn);
          expect_close(g[0], g[1], tolerance(c.x.type) + 4, c.x.type == dtype::f32 ? 0x1p-40 : 0x1p-22,
                       name + (given ? ", gradient from lse" : ", gradient"));
          c.x.image = logits_before;
          c.x.memory.upload(c.x.image.data());
        }
        if (HasFatalFailure()) return;
      }
}

// On a device the call cannot look at them before it launches.
TEST(cuda_softmax_form, targets_that_are_no_class) {
  for (std::int64_t n : {5, 300, 5000}) {
    loss_case c(n, dtype::f32, false, 0);
    for (std::int64_t r = 0; r < c.rows; ++r) c.targets_64[static_cast<std::size_t>(r)] = r % 2 == 0 ? n : -7;
    c.memory_64.upload(c.targets_64.data());
    use(devices[0]);
    ASSERT_TRUE(cross_entropy(c.x.there(), c.targets(true, true), c.loss.there()).ok());
    c.loss.download();
    for (float v : c.loss.values()) EXPECT_TRUE(std::isnan(v));
    ASSERT_TRUE(cross_entropy_gradient(c.dloss.there(), c.x.there(), c.targets(true, true), c.dx.there()).ok());
  }
}

}  // namespace
}  // namespace sigmax_test
