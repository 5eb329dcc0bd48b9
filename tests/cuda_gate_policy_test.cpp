// The arithmetic of rows of vectors, beyond 2^31 and 2^40, too; and what the kernels make of arguments with a fault: if
// the tests above them did not see one, they would see none in the arithmetic.
#include "simt/emulator.hpp"

#include "../cuda/gates.cuh"
#include "harness.hpp"

namespace sigmax_test {
namespace {

constexpr std::int64_t one = 1;
constexpr std::uintptr_t base = std::uintptr_t{1} << 45;

/// By definition: where a vector of a row lies, and whether all that is loaded and stored for it is within the row.
void expect_place(const row_arguments<3>& a, std::int64_t n) {
  const auto at = locate<2, 1>(a, n);
  const std::int64_t row = n / a.row_vectors, v = n % a.row_vectors;
  const auto address = [&](int view) {
    return static_cast<std::int64_t>(a.data[view]) + static_cast<std::int64_t>(row * a.pitch[view]);
  };
  for (int view = 0; view < 3; ++view) ASSERT_EQ(static_cast<std::int64_t>(at.row[view]), address(view));
  const std::int64_t first = address(2) / 16 * 16 + 16 * v - address(2);
  ASSERT_EQ(at.first, first) << n;
  bool whole = first >= 0 && first + 16 <= a.row_bytes;
  for (int i = 0; i < 2; ++i) {
    const std::int64_t word = (address(i) + first) / 16 * 16, words = (address(i) + first) % 16 == 0 ? 1 : 2;
    ASSERT_EQ(static_cast<std::int64_t>(at.shift[i]), address(i) + first - word);
    whole = whole && word >= address(i) && word + 16 * words <= address(i) + a.row_bytes;
  }
  ASSERT_EQ(at.whole, whole) << n;
  if (a.plain) {
    ASSERT_TRUE(whole);
    std::uintptr_t place[3];
    locate_plain(a, static_cast<std::uint32_t>(n), place);
    for (int view = 0; view < 3; ++view) ASSERT_EQ(static_cast<std::int64_t>(place[view]), address(view) + first);
  }
  // The vectors of a row reach its end, and the next one begins with an element of its own row.
  if (v == a.row_vectors - 1) {
    ASSERT_GE(first + 16, a.row_bytes);
  }
}

TEST(cuda_gate_policy, vectors_lie_within_the_rows) {
  for (dtype t : {dtype::f32, dtype::bf16})
    for (std::uintptr_t lead : {0u, 4u, 12u})
      for (std::int64_t columns : {one, 7 * one, 64 * one, 1001 * one, (one << 31) + 5, (one << 40) + 3})
        for (std::int64_t rows : {one, 3 * one, one << 17})
          for (std::int64_t gap : {0, 1, 8}) {
            if (columns > 2000 && rows > 3) continue;  // 2^60 bytes are the most
            const std::uintptr_t data[] = {base + lead, base * 2 + 4, base * 3 + 3 * lead};
            const std::int64_t pitch[] = {2 * columns + gap, -2 * columns, columns + gap};
            const auto a = cut_rows<2, 1>(data, pitch, rows, columns, t);
            EXPECT_EQ(a.vectors, rows * a.row_vectors);
            EXPECT_EQ(a.narrow, a.vectors <= one << 31);
            const std::int64_t row = a.row_vectors, all = a.vectors;
            for (std::int64_t n :
                 {std::int64_t{0}, one, row - 1, row, 2 * row - 1, all / 2, all - row, all - 2, all - 1}) {
              if (n < 0 || n >= all) continue;
              expect_place(a, n);
              if (HasFatalFailure()) return;
            }
          }
}

TEST(cuda_gate_policy, more_rows_than_31_bits_tell) {
  const std::uintptr_t data[] = {base, base + 64, base * 2 + 2};
  const std::int64_t pitch[] = {70, 70, 35};
  for (std::int64_t rows : {one << 28, one << 30, one << 41}) {
    const auto a = cut_rows<2, 1>(data, pitch, rows, 35, dtype::bf16);
    EXPECT_EQ(a.row_vectors, 6);  // 70 bytes lie in five or six words
    for (std::int64_t n : {a.vectors - 1, a.vectors - 7, a.vectors / 3, (one << 31) + 1})
      if (n < a.vectors) expect_place(a, n);
  }
}

TEST(cuda_gate_policy, what_is_rows) {
  loop_nest nest;
  const auto rows = [&](int views, std::int64_t columns, std::int64_t out_pitch, std::int64_t second_pitch) {
    nest.rank = 2;
    nest.views = views;
    nest.extent[0] = 10, nest.extent[1] = columns;
    for (int v = 0; v < views; ++v) nest.stride[v][1] = 1, nest.stride[v][0] = 2 * columns + 1;
    nest.stride[views == 5 ? 3 : 2][0] = out_pitch;
    if (views == 5) nest.stride[4][0] = second_pitch;
  };
  std::uintptr_t data[] = {base, base + 2, base * 2 + 4, base * 3 + 6, base * 4 + 6};
  rows(3, 32, 33, 0);
  EXPECT_TRUE(is_rows(nest, data, 2, 2));
  nest.stride[1][1] = 2;
  EXPECT_FALSE(is_rows(nest, data, 2, 2));
  rows(3, 31, 33, 0);
  EXPECT_FALSE(is_rows(nest, data, 2, 2));  // short
  EXPECT_TRUE(is_rows(nest, data, 2, 4));
  rows(5, 32, 33, 41);  // of two outputs, 8 elements apart in each row
  EXPECT_TRUE(is_rows(nest, data, 3, 2));
  rows(5, 32, 33, 37);
  EXPECT_FALSE(is_rows(nest, data, 3, 2));
  EXPECT_TRUE(is_rows(nest, data, 3, 4));
  rows(5, 32, 33, 33);
  data[4] += 2;
  EXPECT_FALSE(is_rows(nest, data, 3, 2));
  nest.make_dense(1, 5);
  EXPECT_FALSE(is_rows(nest, data, 3, 2));
  data[4] -= 2;
  EXPECT_TRUE(is_rows(nest, data, 3, 2));
}

constexpr std::int64_t columns = 75, row_count = 9;

/// Whether reglu of packed rows comes out wrong, or writes between them, when `change` has spoilt its arguments.
template <class Change>
bool shows(Change change) {
  // A row more than is used: a spoilt kernel may read beyond the last, at which the address sanitizer would end.
  std::vector<float> x(2 * columns * (row_count + 1)), y((columns + 1) * row_count, -1.0f);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) - 40;
  const auto address = [](const float* p) { return reinterpret_cast<std::uintptr_t>(p); };
  const std::uintptr_t data[] = {address(x.data()), address(x.data() + columns), address(y.data())};
  const std::int64_t pitch[] = {2 * columns, 2 * columns, columns + 1};
  auto a = cut_rows<2, 1>(data, pitch, row_count, columns, dtype::f32);
  a.tiles = divide_up(a.vectors, 128);
  change(a);
  for (simt::schedule order : simt::schedules) {
    std::ranges::fill(y, -1.0f);
    const std::string error =
        simt::run({.grid = {1}, .block = {128}}, order, 1, [&] { gated<reglu_gate, float, accuracy::high>(a, {}); });
    if (!error.empty()) return true;
    for (std::size_t r = 0; r < row_count; ++r)
      for (std::size_t i = 0; i <= columns; ++i) {
        const std::size_t from = 2 * columns * r + i;
        const float expected = i == columns ? -1.0f : std::max(x[from], 0.0f) * x[from + columns];
        if (y[(columns + 1) * r + i] != expected) return true;
      }
  }
  return false;
}

using arguments = row_arguments<3>;
TEST(cuda_gate_faults, none) {
  EXPECT_FALSE(shows([](arguments&) {}));
  EXPECT_FALSE(shows([](arguments& a) { a.narrow = false; }));
}
TEST(cuda_gate_faults, a_vector_less_in_each_row) {
  EXPECT_TRUE(shows([](arguments& a) {
    a.vectors -= row_count;
    a.by = divider_of(static_cast<std::uint32_t>(--a.row_vectors));
  }));
}
TEST(cuda_gate_faults, a_tile_less) {
  EXPECT_TRUE(shows([](arguments& a) { --a.tiles; }));
}
TEST(cuda_gate_faults, rows_that_end_late) {
  EXPECT_TRUE(shows([](arguments& a) { ++a.columns; }));
}
TEST(cuda_gate_faults, rows_that_end_early) {
  EXPECT_TRUE(shows([](arguments& a) { --a.columns; }));
}
TEST(cuda_gate_faults, a_row_for_another) {
  EXPECT_TRUE(shows([](arguments& a) { a.by = divider_of(static_cast<std::uint32_t>(a.row_vectors + 1)); }));
  EXPECT_TRUE(shows([](arguments& a) { a.pitch[1] -= 4; }));
}
TEST(cuda_gate_faults, halves_swapped) {
  EXPECT_TRUE(shows([](arguments& a) { std::swap(a.data[0], a.data[1]); }));
}

}  // namespace
}  // namespace sigmax_test
