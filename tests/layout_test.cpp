// Sizes, alignments, strides and in-place calls: always the bits of the plain contiguous call, and not a byte outside.
#include <sys/mman.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "harness.hpp"

namespace sigmax_test {
namespace {

constexpr float guard = -12345.678f;
const activation some[] = {activation::relu, activation::gelu, activation::elu, activation::hard_swish,
                           activation::mish};

std::vector<float> wave(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>((i * 7919) % 2003) / 100 - 10;
  return x;
}

TEST(layout, every_size_and_misalignment) {
  for (const isa_info& row : usable_isas())
    for (activation op : some) {
      const auto longest = static_cast<std::size_t>(4 * row.lanes + 1);
      const std::vector<float> x = wave(longest + 16);
      std::vector<float> expected;  // one element at a time: the partial path alone
      for (float v : x) expected.push_back(run(op, {v}, on(row))[0]);
      for (std::size_t n = 0; n <= longest; ++n)
        for (std::size_t from = 0; from < 16; from += n % 3 + 1)
          for (std::size_t to = 0; to < 16; ++to) {
            std::vector<float> y(longest + 40, guard);
            ASSERT_TRUE(activate(op, const_view(x.data() + from, static_cast<std::int64_t>(n)),
                                 view(y.data() + to, static_cast<std::int64_t>(n)), on(row))
                            .ok());
            for (std::size_t i = 0; i < y.size(); ++i)
              ASSERT_TRUE(same_bits(y[i], i >= to && i < to + n ? expected[from + i - to] : guard))
                  << describe(op).name << " on " << row.name << " n " << n << " from " << from << " to " << to << " i "
                  << i;
          }
    }
}

template <class T>
void check_16_bit_sizes(const isa_info& row) {
  std::vector<T> x(140);
  for (std::size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<std::uint16_t>(0x3000 + i * 37);
  for (std::size_t n = 0; n <= static_cast<std::size_t>(4 * row.lanes + 1); ++n)
    for (std::size_t offset = 0; offset < 5; ++offset) {
      std::vector<T> y(200, T{0xabcd}), single(1);
      ASSERT_TRUE(activate(activation::silu, const_view(x.data() + offset, static_cast<std::int64_t>(n)),
                           view(y.data() + offset, static_cast<std::int64_t>(n)), on(row))
                      .ok());
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (i < offset || i >= offset + n) {
          ASSERT_EQ(y[i].bits, 0xabcd);
        } else {
          ASSERT_TRUE(activate(activation::silu, const_view(x.data() + i, 1), view(single.data(), 1), on(row)).ok());
          ASSERT_EQ(y[i].bits, single[0].bits);
        }
      }
    }
}
TEST(layout, every_size_of_16_bit_types) {
  for (const isa_info& row : usable_isas()) {
    check_16_bit_sizes<float16>(row);
    check_16_bit_sizes<bfloat16>(row);
  }
}

TEST(layout, large_odd_sizes) {
  for (const isa_info& row : usable_isas())
    for (std::size_t n : {1023u, 1025u, 100003u}) {
      const std::vector<float> x = wave(n), y = run(activation::silu, x, on(row));
      for (std::size_t i : {std::size_t{0}, n / 2, n - 2, n - 1})
        EXPECT_TRUE(same_bits(y[i], run(activation::silu, {x[i]}, on(row))[0]));
    }
}

/// A random view into a buffer of `size` elements with distinct elements if `distinct`, else any strides.
struct random_layout {
  std::vector<std::int64_t> strides;
  std::int64_t offset, size;
};
random_layout lay_out(const std::vector<std::int64_t>& shape, bool distinct, std::mt19937& random) {
  std::vector<std::size_t> order(shape.size());
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  random_layout l{std::vector<std::int64_t>(shape.size()), 3, 7};
  std::int64_t step = 1 + static_cast<std::int64_t>(random() % 3);
  for (std::size_t i : order) {
    l.strides[i] = !distinct && random() % 4 == 0 ? 0 : step;
    if (l.strides[i] != 0) step = step * shape[i] + static_cast<std::int64_t>(random() % 3);
    l.size += (shape[i] - 1) * l.strides[i];
    if (random() % 2) {
      l.offset += (shape[i] - 1) * l.strides[i];
      l.strides[i] = -l.strides[i];
    }
  }
  return l;
}

TEST(layout, random_strides_of_every_rank) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const auto rank = static_cast<std::size_t>(round % 9);
    std::vector<std::int64_t> shape(rank);
    std::int64_t count = 1;
    for (auto& extent : shape) {
      extent = rank < 3 ? 1 + static_cast<std::int64_t>(random() % 70) : 1 + static_cast<std::int64_t>(random() % 4);
      count *= extent;
    }
    const random_layout in = lay_out(shape, false, random), out = lay_out(shape, true, random);
    const std::vector<float> x = wave(static_cast<std::size_t>(in.size));
    const isa_info row = usable_isas()[random() % usable_isas().size()];
    std::vector<float> y(static_cast<std::size_t>(out.size), guard), expected = y;
    for (std::int64_t e = 0; e < count; ++e) {
      std::int64_t from = in.offset, to = out.offset, rest = e;
      for (std::size_t d = rank; d-- > 0; rest /= shape[d]) {
        from += rest % shape[d] * in.strides[d];
        to += rest % shape[d] * out.strides[d];
      }
      expected[static_cast<std::size_t>(to)] =
          run(activation::gelu_tanh, {x[static_cast<std::size_t>(from)]}, on(row))[0];
    }
    const status s = activate(activation::gelu_tanh, const_view(x.data() + in.offset, dtype::f32, shape, in.strides),
                              view(y.data() + out.offset, dtype::f32, shape, out.strides), on(row));
    ASSERT_TRUE(s.ok()) << s.message << " round " << round;
    for (std::size_t i = 0; i < y.size(); ++i)
      ASSERT_TRUE(same_bits(y[i], expected[i])) << "round " << round << " at " << i;
  }
}

TEST(layout, in_place_equals_out_of_place) {
  for (const isa_info& row : usable_isas())
    for (activation op : all_activations()) {
      const std::vector<float> x = wave(1000), y = run(op, x, on(row)), d = run_derivative(op, x, on(row));
      std::vector<float> z = x;
      ASSERT_TRUE(activate(op, const_view(z.data(), 1000), view(z.data(), 1000), on(row)).ok());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), y.begin(), same_bits)) << describe(op).name;
      const std::vector<float> one(1000, 1.0f);
      z = x;
      ASSERT_TRUE(activation_gradient(op, const_view(one.data(), 1000), const_view(z.data(), 1000),
                                      view(z.data(), 1000), on(row))
                      .ok());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), d.begin(), same_bits)) << describe(op).name;
      z = one;
      ASSERT_TRUE(
          activation_gradient(op, const_view(z.data(), 1000), const_view(x.data(), 1000), view(z.data(), 1000), on(row))
              .ok());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), d.begin(), same_bits)) << describe(op).name;
    }
}

TEST(layout, gradient_of_16_bit_and_strided_views) {
  for (const isa_info& row : usable_isas()) {
    const std::vector<float> x = wave(300), d = run_derivative(activation::silu, x, on(row));
    std::vector<float16> out(300);
    const std::vector<float16> one(300, float16{0x3c00});
    ASSERT_TRUE(activation_gradient(activation::silu, const_view(one.data(), 300), const_view(x.data(), 300),
                                    view(out.data(), 300), on(row))
                    .ok());
    std::vector<float> back(300);
    ASSERT_TRUE(activate(activation::linear, const_view(out.data(), 300), view(back.data(), 300), on(row)).ok());
    for (std::size_t i = 0; i < 300; ++i) EXPECT_NEAR(back[i], d[i], 0.0006f * (1 + std::fabs(d[i])));
  }
}

// Half of the columns of a matrix in, the other half out: interleaved in memory, but no element is shared.
TEST(layout, column_ranges_of_one_matrix) {
  std::vector<float> m = wave(10 * 64), before = m;
  const std::int64_t shape[] = {10, 32}, strides[] = {64, 1};
  ASSERT_TRUE(activate(activation::silu, const_view(m.data(), dtype::f32, shape, strides),
                       view(m.data() + 32, dtype::f32, shape, strides))
                  .ok());
  for (std::size_t r = 0; r < 10; ++r)
    for (std::size_t c = 0; c < 32; ++c) {
      EXPECT_EQ(m[r * 64 + c], before[r * 64 + c]);
      EXPECT_EQ(m[r * 64 + 32 + c], run(activation::silu, {before[r * 64 + c]}, {})[0]);
    }
}

// An output beyond 32 MiB takes the streaming path; every alignment of its beginning must be right.
TEST(layout, streaming_stores) {
  const std::size_t n = (std::size_t{48} << 20) + 13;
  const std::vector<float> x = wave(n);
  std::vector<float> y(n + 20, guard);
  const std::vector<float> expected = run(activation::hard_swish, wave(4096), {});
  for (std::size_t offset : {0u, 1u, 12u, 15u}) {  // with 12 on a cache line, where blocks come from mmap
    explanation e;
    const view out(y.data() + offset, static_cast<std::int64_t>(n));
    ASSERT_TRUE(explain(activation::hard_swish, const_view(x.data(), std::ssize(x)), out, {}, e).ok());
    ASSERT_TRUE(e.streaming);
    std::fill(y.begin(), y.end(), guard);
    ASSERT_TRUE(activate(activation::hard_swish, const_view(x.data(), std::ssize(x)), out).ok());
    for (std::size_t i = 0; i < offset; ++i) ASSERT_EQ(y[i], guard);
    for (std::size_t i = offset + n; i < y.size(); ++i) ASSERT_EQ(y[i], guard);
    for (std::size_t i = 0; i < 4096; ++i) ASSERT_EQ(y[offset + i], expected[i]);
    for (std::size_t i = n - 100; i < n; ++i) ASSERT_EQ(y[offset + i], run(activation::hard_swish, {x[i]}, {})[0]);
    ASSERT_EQ(std::count(y.begin() + static_cast<std::ptrdiff_t>(offset),
                         y.begin() + static_cast<std::ptrdiff_t>(offset + n), guard),
              0);
  }
}

// As large, but in place, where stores go through the caches.
TEST(layout, streaming_stores_not_in_place) {
  const std::size_t n = (std::size_t{9} << 20) + 13;
  const std::vector<float> x = wave(n);
  std::vector<float> dy(x.rbegin(), x.rend()), apart(n), in_place(n + 20, guard);
  for (const isa_info& row : usable_isas())
    for (const std::size_t offset : {0u, 3u, 12u}) {
      const view out(in_place.data() + offset, std::ssize(x)), elsewhere(apart.data(), std::ssize(x));
      const const_view in(x.data(), std::ssize(x)), g(dy.data(), std::ssize(x));
      const auto expect_same = [&](const char* what) {
        EXPECT_EQ(std::memcmp(in_place.data() + offset, apart.data(), n * sizeof(float)), 0) << what << row.name;
        EXPECT_EQ(in_place[offset + n], guard);
      };
      const auto put = [&](const std::vector<float>& v) {
        std::copy(v.begin(), v.end(), in_place.begin() + static_cast<std::ptrdiff_t>(offset));
        in_place[offset + n] = guard;
      };
      explanation e;
      ASSERT_TRUE(explain(activation::silu, out, out, on(row), e).ok());
      EXPECT_FALSE(e.streaming);
      put(x);
      ASSERT_TRUE(activate(activation::silu, in, elsewhere, on(row)).ok());
      ASSERT_TRUE(activate(activation::silu, out, out, on(row)).ok());
      expect_same("silu ");
      ASSERT_TRUE(activation_gradient(activation::silu, g, in, elsewhere, on(row)).ok());
      put(x);
      ASSERT_TRUE(activation_gradient(activation::silu, g, out, out, on(row)).ok());
      expect_same("silu' over x ");
      put(dy);
      ASSERT_TRUE(activation_gradient(activation::silu, out, in, out, on(row)).ok());
      expect_same("silu' over dy ");
      ASSERT_TRUE(activate_gated(gate::swiglu, g, in, elsewhere, on(row)).ok());
      put(x);
      ASSERT_TRUE(activate_gated(gate::swiglu, g, out, out, on(row)).ok());
      expect_same("swiglu over b ");
    }
}

// The last of many slices, so that of much address space few pages are touched: dense, and of one element over and
// over.
TEST(layout, indices_beyond_2_to_the_31) {
  const std::int64_t n = (std::int64_t{1} << 31) + 12345, shape[] = {n}, none[] = {0};
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(float);
  const auto reserve = [&] {
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  };
  void *const zeros = reserve(), *const memory = reserve();
  if (zeros == MAP_FAILED || memory == MAP_FAILED) GTEST_SKIP() << "16 GiB of address space are not to be had";
  auto* const y = static_cast<float*>(memory);
  const float zero = 0;
  const const_view dense(zeros, dtype::f32, shape), repeated(&zero, dtype::f32, shape, none);
  const view out(y, dtype::f32, shape);
  const options last{.slice = 999999, .slices = 1000000};
  for (const const_view& x : {dense, repeated}) {
    const auto expect = [&](const status& s, float value) {
      ASSERT_TRUE(s.ok()) << s.message;
      EXPECT_EQ(std::count(y + n - 2000, y + n, value), 2000);
      EXPECT_EQ(std::count(y, y + 20000, 0.0f), 20000) << "an index lost its upper half";
      std::fill(y + n - 2000, y + n, guard);
    };
    expect(activate(activation::exp, x, out, last), 1);
    expect(activation_gradient(activation::sigmoid, x, x, out, last), 0);
    expect(activate_gated(gate::reglu, x, x, out, last), 0);
  }
  munmap(zeros, bytes), munmap(memory, bytes);
}

TEST(layout, empty_views_are_a_no_op) {
  float y = guard;
  EXPECT_TRUE(activate(activation::relu, const_view(static_cast<const float*>(nullptr), 0),
                       view(static_cast<float*>(nullptr), 0))
                  .ok());
  EXPECT_TRUE(activate(activation::relu, const_view(&y, dtype::f32, {5, 0, 3}), view(&y, dtype::f32, {5, 0, 3})).ok());
  EXPECT_TRUE(softmax(const_view(&y, dtype::f32, {5, 0}), view(&y, dtype::f32, {5, 0}), 0).ok());
  EXPECT_EQ(y, guard);
}

}  // namespace
}  // namespace sigmax_test
