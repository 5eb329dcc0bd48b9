// The arithmetic of launches: vectors, tiles, division by multiplication, places in a loop nest; far beyond 2^31, too.
#include "simt/emulator.hpp"

#include "../cuda/elementwise.cuh"
#include "harness.hpp"

namespace sigmax_test {
namespace {

constexpr std::int64_t one = 1;

TEST(cuda_policy, shapes_cover_the_work) {
  for (std::int64_t items : {one, one << 8, (one << 8) + 1, one << 31, (one << 40) + 7, one << 59})
    for (int per_thread : {1, 2, 4})
      for (int multiprocessors : {1, 40, 132, 148}) {
        const launch_shape s = shape_of(items, per_thread, multiprocessors);
        const std::int64_t tile = std::int64_t{s.threads} * s.per_thread;
        EXPECT_EQ(s.tiles, (items - 1) / tile + 1);
        EXPECT_EQ(s.blocks, std::min(s.tiles, most_blocks));
        EXPECT_TRUE(s.threads == 128 || s.threads == 256);
        EXPECT_TRUE(s.per_thread >= 1 && s.per_thread <= per_thread);
        const bool smallest = s.threads == 128 && s.per_thread == 1;
        EXPECT_TRUE(smallest || s.tiles >= 2 * multiprocessors);
      }
}

TEST(cuda_policy, large_calls_take_large_tiles_and_small_ones_more_blocks) {
  constexpr launch_shape large = shape_of(one << 24, 2, 132), middle = shape_of(256 * 270, 2, 132),
                         small = shape_of(9, 2, 132);
  static_assert(large.threads == 256 && large.per_thread == 2 && large.blocks == 1 << 15);
  static_assert(middle.threads == 256 && middle.per_thread == 1 && middle.blocks == 270);
  static_assert(small.threads == 128 && small.per_thread == 1 && small.blocks == 1);
  static_assert(shape_of(one << 42, 1, 132).blocks == most_blocks);
}

/// By definition, from the addresses of each vector.
void expect_cut(std::uintptr_t in, std::uintptr_t out, std::int64_t size, std::int64_t n) {
  const contiguous_arguments a = cut_into_vectors(&in, 1, out, size, n);
  const std::int64_t per = 16 / size;
  ASSERT_EQ(a.out % 16, 0u);
  ASSERT_EQ(a.in[0] % 16, 0u);
  ASSERT_EQ(a.out + static_cast<std::uintptr_t>(a.head * size), out);
  ASSERT_EQ(a.in[0] + a.shift[0] + static_cast<std::uintptr_t>(a.head * size), in);
  ASSERT_EQ(a.vectors, (a.head + n + per - 1) / per);
  ASSERT_TRUE(0 <= a.whole_begin && a.whole_begin <= a.whole_end && a.whole_end <= a.vectors);
  const auto whole = [&](std::int64_t v) {
    const bool stored_within = v * per >= a.head && (v + 1) * per <= a.head + n;
    const std::int64_t first = static_cast<std::int64_t>(a.in[0]) + v * 16, words = a.shift[0] == 0 ? 1 : 2;
    const auto begin = static_cast<std::int64_t>(in);
    return stored_within && first >= begin && first + 16 * words <= begin + n * size;
  };
  for (std::int64_t v :
       {std::int64_t{0}, a.whole_begin - 1, a.whole_begin, a.whole_end - 1, a.whole_end, a.vectors - 1})
    if (v >= 0 && v < a.vectors && a.whole_begin < a.whole_end) {
      ASSERT_EQ(whole(v), v >= a.whole_begin && v < a.whole_end) << in << ' ' << out << ' ' << size << ' ' << n;
    }
  for (std::int64_t v = 0; v < std::min<std::int64_t>(a.vectors, 4); ++v)
    ASSERT_EQ(whole(v), v >= a.whole_begin && v < a.whole_end);
  for (int multiprocessors : {1, 132}) {
    const launch_shape shape = shape_of(a.vectors, 2, multiprocessors);
    contiguous_arguments cut = a;
    cut_into_tiles(cut, shape);
    const std::int64_t tile = std::int64_t{shape.threads} * shape.per_thread;
    ASSERT_EQ(cut.tile_bytes, tile * 16);
    const std::int64_t begin = cut.plain_begin, end = begin + cut.plain_tiles;
    for (std::int64_t t : {std::int64_t{0}, std::int64_t{1}, begin, end - 1, end, shape.tiles - 2, shape.tiles - 1})
      if (t >= 0 && t < shape.tiles) {
        const bool plain = a.shift[0] == 0 && t * tile >= a.whole_begin && (t + 1) * tile <= a.whole_end;
        ASSERT_EQ(static_cast<std::uint32_t>(t) - cut.plain_begin < cut.plain_tiles, plain) << t;
      }
  }
}

TEST(cuda_policy, vectors_lie_within_the_views) {
  constexpr std::uintptr_t base = std::uintptr_t{1} << 46;
  for (std::int64_t size : {2, 4})
    for (std::uintptr_t from = 0; from < 16; from += static_cast<std::uintptr_t>(size))
      for (std::uintptr_t to = 0; to < 16; to += static_cast<std::uintptr_t>(size)) {
        for (std::int64_t n = 1; n < 50; ++n) expect_cut(base + from, base * 2 + to, size, n);
        for (std::int64_t n : {(one << 31) - 1, (one << 31) + 5, (one << 40) + 3})
          expect_cut(base + from, base * 2 + to, size, n);
      }
}

TEST(cuda_policy, division_by_multiplication_is_exact) {
  std::mt19937 random(1);
  const auto check = [](std::uint32_t n, std::uint32_t d) {
    const divider by = divider_of(d);
    ASSERT_EQ(static_cast<std::uint32_t>(std::uint64_t{n} * by.multiplier >> 32) >> by.shift, n / d) << n << " / " << d;
  };
  constexpr std::uint32_t end = 1u << 31;
  for (std::uint32_t d = 2; d < 3000; ++d)
    for (std::uint32_t n : {0u, 1u, d - 1, d, d + 1, end - 1, end - 2, (end - 1) / d * d, (end - 1) / d * d - 1})
      check(n, d);
  for (int i = 0; i < 1000000; ++i) {
    const std::uint32_t d = std::max(2u, static_cast<std::uint32_t>(random() >> (1 + random() % 30)));
    check(static_cast<std::uint32_t>(random() >> 1), d);
    check((end - 1) / d * d - 1, d);
    check((end - 1) / d * d, d);
  }
  for (int bit = 1; bit < 31; ++bit)
    for (std::uint32_t d : {(1u << bit) - 1, 1u << bit, (1u << bit) + 1})
      if (d >= 2) check(end - 1, d), check((end - 1) / d * d - 1, d);
}

TEST(cuda_policy, elements_are_located_as_the_cpu_does) {
  for (std::int64_t rows : {one, one << 13, one << 33}) {
    loop_nest nest;
    nest.rank = 4;
    nest.views = 3;
    const std::int64_t extents[] = {rows, 5, 1023, 17},
                       strides[3][4] = {{-9, 0, 44, 1}, {1, 7, -3, 600}, {1 << 20, 99, 17, 1}};
    for (int d = 0; d < 4; ++d) {
      nest.extent[d] = extents[d];
      for (int v = 0; v < 3; ++v) nest.stride[v][d] = strides[v][d];
    }
    const std::int64_t bytes[] = {4, 2, 4}, count = nest.count();
    const strided_arguments a = walk(nest, bytes, 0, count);
    EXPECT_EQ(a.narrow, count <= one << 31);
    std::mt19937_64 random(2);
    for (int i = 0; i < 2000; ++i) {
      const auto n = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(count));
      const nest_cursor cursor(nest, i == 0 ? count - 1 : n);
      std::int64_t narrow[3] = {}, wide[3] = {};
      if (a.narrow) locate(a, static_cast<std::uint32_t>(i == 0 ? count - 1 : n), narrow);
      locate(a, static_cast<std::uint64_t>(i == 0 ? count - 1 : n), wide);
      for (int v = 0; v < 3; ++v) {
        ASSERT_EQ(wide[v], cursor.offset(v) * bytes[v]);
        ASSERT_TRUE(!a.narrow || narrow[v] == wide[v]);
      }
    }
  }
}

}  // namespace
}  // namespace sigmax_test
