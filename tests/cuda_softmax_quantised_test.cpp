// 8-bit results of softmax on CUDA: to the bit what its own f32 results become by the definition of a code, in every
// tier, form, length, alignment and layout; and of the CPU's codes, whose f32 results may end in other bits, at most a
// neighbour.
#include <cstdio>

#include "cuda_softmax_forms.hpp"
#include "quantised_reference.hpp"

namespace sigmax_test {
namespace {

using sigmax_reference::code_of;
using sigmax_reference::quantised_types;

enum class scale_of { tensor, tensor_and_amax, rows, rows_and_amax };
constexpr scale_of every_scale[] = {scale_of::tensor, scale_of::tensor_and_amax, scale_of::rows,
                                    scale_of::rows_and_amax};
constexpr float given_scale = 0.0041f;

/// Codes in the order of their numbers, neighbours one apart.
int place_of(dtype type, std::byte code) {
  const auto bits = static_cast<std::uint8_t>(code);
  if (type == dtype::i8) return static_cast<std::int8_t>(bits);
  return bits < 128 ? bits : 128 - static_cast<int>(bits);
}

class cuda_softmax_quantised : public testing::Test {
 protected:
  /// Codes that were compared with the CPU's, and those that are the next one.
  static inline std::int64_t compared = 0, neighbours = 0;
  static void TearDownTestSuite() {
    std::printf("%lld of %lld codes are neighbours of the CPU's\n", static_cast<long long>(neighbours),
                static_cast<long long>(compared));
    EXPECT_LE(neighbours, compared / 10000);
  }
};

auto plain(bool logarithm) {
  return [logarithm](bool) {
    softmax_form f;
    f.logarithm = logarithm;
    return f;
  };
}

/// `form(there)` has views of host or of device memory. Adds to the codes compared.
template <class Form>
void check(tensor& x, tensor& codes, int axis, scale_of wanted, Form form, const std::string& what,
           std::int64_t& compared, std::int64_t& neighbours, int slices = 1) {
  std::vector<std::int64_t> row_shape = x.shape;
  const auto along = static_cast<std::size_t>(axis);
  row_shape[along] = 1;
  tensor exact(dtype::f32, x.shape), scales(dtype::f32, row_shape), amax(dtype::f32, row_shape);
  const bool own = wanted >= scale_of::rows;
  const bool measured = wanted == scale_of::tensor_and_amax || wanted == scale_of::rows_and_amax;
  const auto run = [&](bool there) {
    quantisation q{.scale = own ? 1 : given_scale};
    if (own) q.row_scales = there ? scales.there() : scales.host();
    if (measured) q.amax = there ? amax.there() : amax.host();
    options how;
    for (how.slices = slices; how.slice < slices; ++how.slice) {
      const status s = softmax_quantised(there ? x.there() : x.host(), there ? codes.there() : codes.host(), axis,
                                         form(there), q, how);
      ASSERT_TRUE(s.ok()) << s.message;
    }
  };
  const status s = softmax_fused(x.there(), exact.there(), axis, form(true));
  ASSERT_TRUE(s.ok()) << s.message;
  exact.download();

  const std::vector<float> y = exact.values();
  std::int64_t inner = 1;
  for (std::size_t d = along + 1; d < x.shape.size(); ++d) inner *= x.shape[d];
  const auto row = [&](std::size_t i) {
    const auto at = static_cast<std::int64_t>(i);
    return static_cast<std::size_t>(at / (inner * x.shape[along]) * inner + at % inner);
  };
  std::vector<float> largest(scales.values().size()), own_scales;
  for (std::size_t i = 0; i < y.size(); ++i)
    if (std::isfinite(y[i])) largest[row(i)] = std::max(largest[row(i)], std::fabs(y[i]));
  for (const float v : largest) own_scales.push_back(sigmax_reference::row_scale(codes.type, v));
  std::vector<std::byte> expected = codes.image;
  std::size_t i = 0;
  codes.for_each([&](std::size_t at) {
    expected[at] = static_cast<std::byte>(code_of(codes.type, y[i] / (own ? own_scales[row(i)] : given_scale)));
    ++i;
  });

  run(true);
  codes.download();
  scales.download();
  amax.download();
  const std::vector<float> got_scales = scales.values(), got_amax = amax.values();
  ASSERT_EQ(codes.image, expected) << what;
  if (own) {
    ASSERT_EQ(got_scales, own_scales) << what;
  }
  if (measured) {
    ASSERT_EQ(got_amax, largest) << what;
  }

  run(false);
  codes.for_each([&](std::size_t at) {
    const int apart = std::abs(place_of(codes.type, codes.image[at]) - place_of(codes.type, expected[at]));
    EXPECT_LE(apart, 1) << what << " at byte " << at;
    neighbours += apart;
    ++compared;
  });
  const auto close = [&](const std::vector<float>& cuda, const std::vector<float>& cpu) {
    for (std::size_t r = 0; r < cpu.size(); ++r)
      EXPECT_LE(std::fabs(cuda[r] - cpu[r]), std::max(0x1p-21f * std::fabs(cpu[r]), 0x1p-44f)) << what << " row " << r;
  };
  if (own) close(got_scales, scales.values());
  if (measured) close(got_amax, amax.values());
}

// The lengths are those of every tier: lanes, blocks, clusters, rows in shared memory (75: 9000, 90: 70000), passes
// (75: 20000).
TEST_F(cuda_softmax_quantised, every_form) {
  struct {
    std::int64_t n;
    std::size_t device;
  } const rows[] = {{1, 0},    {5, 1},    {64, 0},   {100, 2},   {257, 0},   {700, 1},  {1030, 0},
                    {5000, 2}, {9000, 1}, {9000, 0}, {20000, 2}, {20000, 1}, {70000, 0}};
  std::size_t turn = 0;
  for (const auto& [n, device] : rows)
    for (int terms : {0, int{row_scale}, int{softcap}, int{mask}, int{causal}, causal | window, int{sinks},
                      mask | sinks, scale | softcap | mask | causal, 127, 255}) {
      if (n > 3000 && terms != 0 && terms != (causal | window) && terms != 255) continue;
      const dtype masks[] = {dtype::f32, dtype::boolean, dtype::bf16, dtype::f16};
      for (const bool logarithm : {false, true}) {
        ++turn;
        form_case c(n, terms, types[turn % 3], dtype::f32, masks[turn / 2 % 4], n < 3000 && turn % 5 == 0);
        tensor codes(quantised_types[turn / 3 % 3], c.shape, c.strides);
        use(devices[device]);
        const auto form = [&](bool there) {
          softmax_form f = c.form(there);
          f.logarithm = logarithm;
          if (!logarithm && turn % 3 == 0) f.output_scale = -2.5f;
          f.nan_if_masked = turn % 7 == 0;
          return f;
        };
        check(c.x, codes, 3, every_scale[turn % 4], form, c.name() + (logarithm ? ", logarithm" : ""), compared,
              neighbours);
        if (HasFatalFailure()) return;
      }
    }
}

// Up to the ends of what may be touched.
TEST_F(cuda_softmax_quantised, every_length_between_fences) {
  std::vector<std::int64_t> lengths{127, 128, 255, 256, 264, 511, 513, 1023, 1024, 1025, 2047, 4096, 4097, 8193};
  for (std::int64_t n = 1; n <= 70; ++n) lengths.push_back(n);
  for (const std::int64_t n : lengths)
    for (const bool at_end : {false, true})
      for (const scale_of wanted : every_scale) {
        const std::vector<std::int64_t> shape{n > 3000 ? 1 : 3, n};
        const auto turn = static_cast<std::size_t>(n + at_end);
        tensor x(types[turn % 3], shape, {}, 0, at_end), codes(quantised_types[turn % 3], shape, {}, 0, at_end);
        x.set(logits(static_cast<std::size_t>(shape[0] * n), 4, static_cast<unsigned>(n)));
        use(devices[turn % 2]);
        check(x, codes, 1, wanted, plain(n % 2 == 0), std::to_string(n) + (at_end ? " at the end" : ""), compared,
              neighbours);
        if (HasFatalFailure()) return;
      }
}

// Of x by elements, of y by bytes: vectors where both lie for them, and rows that differ in it.
TEST_F(cuda_softmax_quantised, every_alignment) {
  for (const dtype in : types)
    for (std::int64_t i = 0; i < 16 / size_of(in); ++i)
      for (std::int64_t j = 0; j < 9; ++j)
        for (const std::int64_t pitch : {48, 52, 49}) {
          const std::vector<std::int64_t> shape{3, 48}, steps{pitch, 1};
          tensor x(in, shape, steps, static_cast<std::size_t>(i * size_of(in)));
          tensor codes(quantised_types[j % 3], shape, steps, static_cast<std::size_t>(j));
          x.set(logits(3 * 48, 4, static_cast<unsigned>(i)));
          use(devices[0]);
          check(x, codes, 1, scale_of::rows, plain(false),
                "x at " + std::to_string(i) + ", y at " + std::to_string(j) + ", pitch " + std::to_string(pitch),
                compared, neighbours);
          if (HasFatalFailure()) return;
        }
}

TEST_F(cuda_softmax_quantised, any_strides_and_axes) {
  const std::vector<std::int64_t> shape{5, 6, 40};
  const std::vector<std::int64_t> strides[] = {{}, {240, 1, 6}, {1, 200, 5}, {600, 90, 2}, {320, 48, 1}};
  std::size_t turn = 0;
  for (const auto& from : strides)
    for (const auto& to : strides)
      for (int axis = 0; axis < 3; ++axis)
        for (const bool logarithm : {false, true}) {
          ++turn;
          tensor x(types[turn % 3], shape, from), codes(quantised_types[turn / 2 % 3], shape, to);
          x.set(logits(5 * 6 * 40, 4, 3));
          use(devices[turn % 3]);
          check(x, codes, axis, every_scale[turn % 4], plain(logarithm), "axis " + std::to_string(axis), compared,
                neighbours, turn % 2 == 0 ? 1 : 3);
          if (HasFatalFailure()) return;
        }
}

TEST_F(cuda_softmax_quantised, sums_of_rows_are_told_too) {
  for (const std::int64_t n : {50, 3000}) {
    tensor x(dtype::bf16, {3, n}), codes(dtype::f8_e4m3, {3, n}), y(dtype::f32, {3, n});
    tensor scales(dtype::f32, {3, 1}), lse(dtype::f32, {3, 1}), wanted(dtype::f32, {3, 1});
    x.set(logits(static_cast<std::size_t>(3 * n), 3, 1));
    use(devices[0]);
    ASSERT_TRUE(softmax_fused(x.there(), y.there(), 1, {.lse = wanted.there()}).ok());
    ASSERT_TRUE(
        softmax_quantised(x.there(), codes.there(), 1, {.lse = lse.there()}, {.row_scales = scales.there()}).ok());
    lse.download();
    wanted.download();
    EXPECT_EQ(lse.values(), wanted.values());
  }
}

// What is infinite, or no number, has no part in a row's scale.
TEST_F(cuda_softmax_quantised, only_finite_results_are_measured) {
  for (const std::int64_t n : {64, 2000}) {
    const std::vector<std::int64_t> shape{4, n};
    std::vector<float> v(static_cast<std::size_t>(4 * n), -INFINITY);
    const auto row = [&](std::int64_t r) { return v.begin() + r * n; };
    row(0)[0] = -3e38f, row(0)[1] = 1, row(0)[n - 1] = 3e38f;
    row(1)[n / 2] = 2;
    row(2)[3] = NAN;
    for (const bool logarithm : {false, true})
      for (const dtype type : quantised_types) {
        tensor x(dtype::f32, shape), codes(type, shape);
        x.set(v);
        use(devices[0]);
        check(x, codes, 1, scale_of::rows_and_amax, plain(logarithm), "special", compared, neighbours);
        if (HasFatalFailure()) return;
      }
  }
}

TEST_F(cuda_softmax_quantised, rows_of_nothing) {
  tensor x(dtype::f32, {3, 0}), codes(dtype::i8, {3, 0}), scales(dtype::f32, {3, 1}), amax(dtype::f32, {3, 1});
  ASSERT_TRUE(
      softmax_quantised(x.there(), codes.there(), 1, {}, {.row_scales = scales.there(), .amax = amax.there()}).ok());
  scales.download();
  amax.download();
  EXPECT_EQ(scales.values(), std::vector<float>(3, 0x1p-126f));
  EXPECT_EQ(amax.values(), std::vector<float>(3, 0.0f));
  ASSERT_TRUE(softmax_quantised(x.there(), codes.there(), 1, {}, quantisation{}).ok());
}

#if defined(SIGMAX_EMULATED_CUDA)

TEST_F(cuda_softmax_quantised, blocks_take_several_rows_in_any_order) {
  use(devices[0]);
  device.most_blocks = 8;
  for (const simt::schedule order : simt::schedules)
    for (const auto& [n, rows] : {std::pair<std::int64_t, std::int64_t>{40, 35}, {700, 35}, {3000, 17}, {20000, 3}})
      for (const bool logarithm : {false, true}) {
        tensor x(dtype::f32, {rows, n}), codes(dtype::f8_e5m2, x.shape);
        x.set(logits(static_cast<std::size_t>(x.shape[0] * n), 4, 5));
        device.order = order;
        check(x, codes, 1, scale_of::rows, plain(logarithm), std::to_string(n), compared, neighbours);
      }
  device.most_blocks = 0x7fffffff;
}

TEST_F(cuda_softmax_quantised, host_memory_is_refused) {
  float x[4] = {};
  std::uint8_t codes[4] = {7, 7, 7, 7};
  const status s =
      softmax_quantised(view(x, 4), view(codes, dtype::i8, {4}), 0, {}, quantisation{}, {.where = backend::cuda});
  EXPECT_EQ(s.code, status_code::unsupported);
  EXPECT_EQ(codes[0], 7);
}

#endif

}  // namespace
}  // namespace sigmax_test
