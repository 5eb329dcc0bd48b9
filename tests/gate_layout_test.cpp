// Gates over layouts: packed halves either way round, interleaved, apart, any axis, any strides, mixed dtypes, every
// size and alignment. Always the bits of the plain call, not a byte outside, and every fault of a call found.
#include <algorithm>
#include <numeric>

#include "fenced.hpp"
#include "gate_harness.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

using enum status_code;
constexpr float guard = -12345.678f;
constexpr gate_layout layouts[] = {gate_layout::halves, gate_layout::swapped_halves, gate_layout::interleaved};

/// A tensor in memory of one of the three storage types, its elements read and written as f32.
struct storage {
  dtype type;
  std::vector<std::byte> bytes;

  storage(dtype t, std::size_t elements) : type(t), bytes(elements * size(t), std::byte{0x5a}) {}
  static std::size_t size(dtype t) { return t == dtype::f32 ? 4 : 2; }
  std::byte* at(std::size_t i) { return bytes.data() + i * size(type); }
  const_view one(std::size_t i) { return const_view(at(i), type, {1}); }
  void set(std::size_t i, float v) {
    ASSERT_TRUE(activate(activation::linear, const_view(&v, 1), view(at(i), type, {1})).ok());
  }
  /// The bits, so that NaN and zeros compare.
  std::uint32_t bits(std::size_t i) const {
    std::uint32_t u = 0;
    std::memcpy(&u, bytes.data() + i * size(type), size(type));
    return u;
  }
};

float wave(std::size_t i) { return static_cast<float>((i * 7919) % 2003) / 100 - 10; }

/// Where the element (r, i) of a and of b is in packed memory of rows x 2 columns.
std::size_t place_of(gate_layout layout, bool b, std::size_t columns, std::size_t r, std::size_t i) {
  const std::size_t row = 2 * columns * r;
  if (layout == gate_layout::interleaved) return row + 2 * i + b;
  return row + i + ((layout == gate_layout::halves) == b ? columns : 0);
}

/// What one element alone gives: the partial path, and the conversion of its result.
std::uint32_t alone(gate op, storage& packed, std::size_t a, std::size_t b, dtype to, const options& how) {
  storage y(to, 1);
  EXPECT_TRUE(activate_gated(op, packed.one(a), packed.one(b), view(y.at(0), to, {1}), how).ok());
  return y.bits(0);
}

void check_layout(gate op, gate_layout layout, dtype from, dtype to, std::size_t rows, std::size_t columns,
                  std::size_t offset, const isa_info& row) {
  storage packed(from, 2 * rows * columns + offset), y(to, rows * columns + offset + 5);
  for (std::size_t i = 0; i < 2 * rows * columns; ++i) packed.set(offset + i, wave(i + columns));
  const std::vector<std::byte> before = y.bytes;
  const auto n = static_cast<std::int64_t>(columns), m = static_cast<std::int64_t>(rows);
  const auto [a, b] = split(const_view(packed.at(offset), from, {m, 2 * n}), layout);
  const status s = activate_gated(op, a, b, view(y.at(offset), to, {m, n}), on(row));
  ASSERT_TRUE(s.ok()) << s.message;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < columns; ++i)
      ASSERT_EQ(y.bits(offset + r * columns + i), alone(op, packed, offset + place_of(layout, false, columns, r, i),
                                                        offset + place_of(layout, true, columns, r, i), to, on(row)))
          << row.name << " layout " << static_cast<int>(layout) << " dtypes " << static_cast<int>(from)
          << static_cast<int>(to) << ' ' << rows << 'x' << columns << " offset " << offset << " at " << r << ", " << i;
  const std::size_t size = storage::size(to);
  EXPECT_TRUE(
      std::equal(y.bytes.begin(), y.bytes.begin() + static_cast<std::ptrdiff_t>(offset * size), before.begin()));
  EXPECT_TRUE(std::equal(y.bytes.end() - static_cast<std::ptrdiff_t>(5 * size), y.bytes.end(), before.begin()));
}

TEST(gate_layout, every_size_and_offset_of_every_layout) {
  for (const isa_info& row : usable_isas())
    for (const gate_layout layout : layouts)
      for (const dtype type : {dtype::f32, dtype::f16, dtype::bf16})
        for (std::size_t n = 1; n <= static_cast<std::size_t>(4 * row.lanes + 1); ++n)
          check_layout(gate::swiglu, layout, type, type, 1, n, n % 17, row);
}

TEST(gate_layout, rows_short_and_long) {
  for (const isa_info& row : usable_isas())
    for (const gate_layout layout : layouts)
      for (const dtype type : {dtype::f32, dtype::f16, dtype::bf16})
        for (const std::size_t columns : {1u, 3u, 16u, 63u, 64u, 65u, 130u, 1100u})
          check_layout(gate::geglu_tanh, layout, type, type, 3, columns, 1, row);
}

TEST(gate_layout, every_mixture_of_dtypes) {
  for (const isa_info& row : usable_isas())
    for (const gate_layout layout : layouts)
      for (const dtype from : {dtype::f32, dtype::f16, dtype::bf16})
        for (const dtype to : {dtype::f32, dtype::f16, dtype::bf16})
          for (const gate op : {gate::swiglu, gate::reglu}) check_layout(op, layout, from, to, 2, 97, 3, row);
}

TEST(gate_layout, every_gate_interleaved) {
  for (const isa_info& row : usable_isas())
    for (const gate op : all_gates())
      for (const dtype type : {dtype::f32, dtype::f16, dtype::bf16})
        check_layout(op, gate_layout::interleaved, type, type, 1, 101, 1, row);
}

/// The split of an inner axis: [4, 2 n, 5] packed along the middle.
TEST(gate_layout, any_axis) {
  std::vector<float> packed(4 * 12 * 5), expected(4 * 6 * 5);
  for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = wave(i);
  for (const gate_layout layout : layouts)
    for (const int axis : {1, -2}) {
      for (std::size_t o = 0; o < 4; ++o)
        for (std::size_t i = 0; i < 6; ++i)
          for (std::size_t k = 0; k < 5; ++k) {
            const auto from = [&](bool b) { return packed[place_of(layout, b, 6, o, i) * 5 + k]; };
            expected[(o * 6 + i) * 5 + k] = run(gate::glu, {from(false)}, {from(true)}, {})[0];
          }
      const auto [a, b] = split(const_view(packed.data(), dtype::f32, {4, 12, 5}), layout, axis);
      std::vector<float> y(expected.size(), guard);
      ASSERT_TRUE(activate_gated(gate::glu, a, b, view(y.data(), dtype::f32, {4, 6, 5})).ok());
      EXPECT_TRUE(std::ranges::equal(y, expected)) << static_cast<int>(layout);
    }
}

TEST(gate_layout, split_tells_the_views) {
  std::vector<float> x(48);
  const view packed(x.data(), dtype::f32, {2, 3, 8});
  const auto [a, b] = split(packed, gate_layout::halves);
  EXPECT_EQ(a.data, x.data());
  EXPECT_EQ(b.data, x.data() + 4);
  EXPECT_EQ(b.shape[2], 4);
  EXPECT_EQ(b.strides[2], 1);
  EXPECT_EQ(b.strides[1], 8);
  const auto swapped = split(packed, gate_layout::swapped_halves, 0);
  EXPECT_EQ(swapped.a.data, x.data() + 24);
  EXPECT_EQ(swapped.b.data, x.data());
  EXPECT_EQ(swapped.a.shape[0], 1);
  const auto woven = split(packed, gate_layout::interleaved, -1);
  EXPECT_EQ(woven.b.data, x.data() + 1);
  EXPECT_EQ(woven.a.strides[2], 2);
  const view half(reinterpret_cast<bfloat16*>(x.data()), 8);
  EXPECT_EQ(split(half, gate_layout::halves).b.data, reinterpret_cast<bfloat16*>(x.data()) + 4);
  EXPECT_EQ(split(view(static_cast<float*>(nullptr), 0), gate_layout::halves).b.data, nullptr);
  // Backwards: the first element is the last one in memory.
  const std::int64_t shape[] = {6}, back[] = {-1};
  EXPECT_EQ(split(view(x.data() + 5, dtype::f32, shape, back), gate_layout::halves).b.data, x.data() + 2);
}

/// Through dy, a, b, da, db in every layout and dtype: the bits of single elements.
TEST(gate_layout, gradients) {
  for (const isa_info& row : usable_isas())
    for (const gate_layout layout : layouts)
      for (const dtype type : {dtype::f32, dtype::f16, dtype::bf16})
        for (const std::size_t n : {1u, 15u, 64u, 129u, 1030u}) {
          constexpr std::size_t rows = 2;
          storage x(type, 2 * rows * n), dx(type, 2 * rows * n), dy(type, rows * n);
          for (std::size_t i = 0; i < 2 * rows * n; ++i) x.set(i, wave(i));
          for (std::size_t i = 0; i < rows * n; ++i) dy.set(i, wave(i + 1) / 8);
          const auto count = static_cast<std::int64_t>(n);
          const auto [a, b] = split(const_view(x.at(0), type, {rows, 2 * count}), layout);
          const auto [da, db] = split(view(dx.at(0), type, {rows, 2 * count}), layout);
          const const_view up(dy.at(0), type, {rows, count});
          const status s = gated_gradient(gate::swiglu_oai, up, a, b, da, db, on(row));
          ASSERT_TRUE(s.ok()) << s.message;
          for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t i = 0; i < n; ++i) {
              const std::size_t p = place_of(layout, false, n, r, i), q = place_of(layout, true, n, r, i);
              storage g(type, 2);
              ASSERT_TRUE(gated_gradient(gate::swiglu_oai, dy.one(r * n + i), x.one(p), x.one(q),
                                         view(g.at(0), type, {1}), view(g.at(1), type, {1}), on(row))
                              .ok());
              ASSERT_EQ(dx.bits(p), g.bits(0)) << row.name << n << ' ' << i;
              ASSERT_EQ(dx.bits(q), g.bits(1)) << row.name << n << ' ' << i;
            }
          // In place of x: the same bits.
          const auto [xa, xb] = split(view(x.at(0), type, {rows, 2 * count}), layout);
          ASSERT_TRUE(gated_gradient(gate::swiglu_oai, up, xa, xb, xa, xb, on(row)).ok());
          EXPECT_EQ(x.bytes, dx.bytes);
        }
}

TEST(gate_layout, in_place_equals_out_of_place) {
  const std::size_t n = 1000;
  std::vector<float> a(n), b(n), dy(n);
  for (std::size_t i = 0; i < n; ++i) a[i] = wave(i), b[i] = wave(i + 500), dy[i] = wave(i + 700);
  const auto all = [](std::vector<float>& v) { return view(v.data(), std::ssize(v)); };
  for (const isa_info& row : usable_isas())
    for (const gate op : all_gates()) {
      const std::vector<float> y = run(op, a, b, on(row));
      std::vector<float> z = a, da(n), db(n);
      ASSERT_TRUE(activate_gated(op, all(z), all(b), all(z), on(row)).ok());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), y.begin(), same_bits)) << describe(op).name;
      z = b;
      ASSERT_TRUE(activate_gated(op, all(a), all(z), all(z), on(row)).ok());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), y.begin(), same_bits)) << describe(op).name;
      ASSERT_TRUE(gated_gradient(op, all(dy), all(a), all(b), all(da), all(db), on(row)).ok());
      std::vector<float> p = a, q = b;  // even crosswise
      ASSERT_TRUE(gated_gradient(op, all(dy), all(p), all(q), all(q), all(p), on(row)).ok());
      EXPECT_TRUE(std::equal(q.begin(), q.end(), da.begin(), same_bits)) << describe(op).name;
      EXPECT_TRUE(std::equal(p.begin(), p.end(), db.begin(), same_bits)) << describe(op).name;
      p = dy, q = b;
      ASSERT_TRUE(gated_gradient(op, all(p), all(a), all(q), all(p), all(q), on(row)).ok());
      EXPECT_TRUE(std::equal(p.begin(), p.end(), da.begin(), same_bits)) << describe(op).name;
    }
}

/// y in place of the half of its gate.
TEST(gate_layout, in_place_of_a_packed_half) {
  std::vector<float> packed(6 * 40), expected;
  for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = wave(i);
  const std::vector<float> before = packed;
  const auto [a, b] = split(view(packed.data(), dtype::f32, {6, 40}), gate_layout::halves);
  ASSERT_TRUE(activate_gated(gate::reglu, a, b, a).ok());
  for (std::size_t r = 0; r < 6; ++r)
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(packed[40 * r + i], std::fmax(before[40 * r + i], 0.0f) * before[40 * r + 20 + i]);
      EXPECT_EQ(packed[40 * r + 20 + i], before[40 * r + 20 + i]);
    }
}

// An output beyond 32 MiB takes the streaming path, interleaved and apart, forward and back.
TEST(gate_layout, streaming_stores) {
  const std::int64_t n = (std::int64_t{9} << 20) + 13;
  const auto count = static_cast<std::size_t>(n);
  std::vector<float> packed(2 * count + 1), y(count + 20, guard), z(count, guard);
  for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = wave(i);
  for (const gate_layout layout : {gate_layout::interleaved, gate_layout::halves}) {
    const auto [a, b] = split(const_view(packed.data() + 1, 2 * n), layout);
    explanation e;
    ASSERT_TRUE(explain_gated(gate::reglu, a, b, view(y.data() + 3, n), {}, e).ok());
    ASSERT_TRUE(e.streaming);
    std::ranges::fill(y, guard);
    ASSERT_TRUE(activate_gated(gate::reglu, a, b, view(y.data() + 3, n)).ok());
    const auto from = [&](bool second, std::size_t i) { return packed[1 + place_of(layout, second, count, 0, i)]; };
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(y[3 + i], std::fmax(from(false, i), 0.0f) * from(true, i)) << i;
    EXPECT_EQ(y[2], guard);
    EXPECT_EQ(y[3 + count], guard);
    ASSERT_TRUE(gated_gradient(gate::reglu, a, a, b, view(y.data() + 5, n), view(z.data(), n)).ok());
    for (std::size_t i = 0; i < count; ++i) {
      const float x = from(false, i);
      ASSERT_EQ(y[5 + i], x * (x > 0 ? from(true, i) : 0 * from(true, i))) << i;
      ASSERT_EQ(z[i], x * std::fmax(x, 0.0f)) << i;
    }
  }
}

TEST(gate_layout, explain_tells_the_loop) {
  std::vector<float> x(2048), y(1024);
  const auto kernel = [&](const const_view& a, const const_view& b, const view& out) {
    explanation e;
    EXPECT_TRUE(explain_gated(gate::swiglu, a, b, out, with(accuracy::fast), e).ok());
    EXPECT_EQ(e.accuracy, accuracy::fast);
    return std::string(e.kernel);
  };
  const view out(y.data(), dtype::f32, {4, 256});
  const const_view packed(x.data(), dtype::f32, {4, 512});
  const auto half = split(packed, gate_layout::halves), woven = split(packed, gate_layout::interleaved);
  EXPECT_EQ(kernel(half.a, half.b, out), "contiguous");
  EXPECT_EQ(kernel(woven.a, woven.b, out), "interleaved");
  EXPECT_EQ(kernel(woven.b, woven.a, out), "blocks");
}

TEST(gate_layout, rows_that_share_cache_lines_are_not_streamed) {
  alignas(64) static float somewhere[16];  // only told about, never touched
  const auto streams = [&](float* to, std::int64_t columns) {
    const std::int64_t rows = (std::int64_t{1} << 32) / columns;
    const auto [a, b] =
        split(const_view(static_cast<const void*>(somewhere), dtype::f32, {rows, 2 * columns}), gate_layout::halves);
    explanation e;
    auto* const beyond = reinterpret_cast<float*>(reinterpret_cast<std::uintptr_t>(to) + (std::uintptr_t{1} << 36));
    EXPECT_TRUE(explain_gated(gate::swiglu, a, b, view(beyond, dtype::f32, {rows, columns}), {}, e).ok());
    return e.streaming;
  };
  EXPECT_TRUE(streams(somewhere, 4096));
  EXPECT_FALSE(streams(somewhere + 4, 4096));
  EXPECT_FALSE(streams(somewhere, 4100));
}

TEST(gate_threads, pools_and_slices_give_the_serial_bits) {
  const std::size_t n = 200003;
  std::vector<float> packed(2 * n), dx(2 * n);
  for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = wave(i);
  const auto count = static_cast<std::int64_t>(n);
  for (const gate_layout layout : layouts) {
    const auto [a, b] = split(const_view(packed.data(), 2 * count), layout);
    const auto [da, db] = split(view(dx.data(), 2 * count), layout);
    std::vector<float> expected(n), y(n), back;
    ASSERT_TRUE(activate_gated(gate::geglu, a, b, view(expected.data(), count)).ok());
    ASSERT_TRUE(gated_gradient(gate::geglu, a, a, b, da, db).ok());
    back = dx;
    for (const int parts : {2, 3, 8}) {
      options how;
      for (const bool real : {true, false}) {
        how.threads = real ? threads_of(parts) : backwards(parts);
        std::ranges::fill(y, guard), std::ranges::fill(dx, guard);
        ASSERT_TRUE(activate_gated(gate::geglu, a, b, view(y.data(), count), how).ok());
        ASSERT_TRUE(gated_gradient(gate::geglu, a, a, b, da, db, how).ok());
        EXPECT_TRUE(std::ranges::equal(y, expected) && std::ranges::equal(dx, back)) << parts;
      }
      how.threads = {};
      how.slices = parts;
      std::ranges::fill(y, guard), std::ranges::fill(dx, guard);
      for (how.slice = 0; how.slice < parts; ++how.slice) {
        ASSERT_TRUE(activate_gated(gate::geglu, a, b, view(y.data(), count), how).ok());
        ASSERT_TRUE(gated_gradient(gate::geglu, a, a, b, da, db, how).ok());
      }
      EXPECT_TRUE(std::ranges::equal(y, expected) && std::ranges::equal(dx, back)) << parts << " slices";
    }
  }
}

template <class T>
void check_fences(const isa_info& row) {
  const fenced packed(16384), up(8192), y(8192), gradient(16384);
  for (int n = 0; n <= 4 * row.lanes + 1; ++n)
    for (const bool at_end : {false, true}) {
      const auto place = [&](const fenced& f, int count) {
        const auto bytes = static_cast<std::ptrdiff_t>(sizeof(T)) * count;
        return reinterpret_cast<T*>(at_end ? f.end() - bytes : f.first());
      };
      std::fill_n(reinterpret_cast<std::uint16_t*>(place(packed, 2 * n)), 2 * n, std::uint16_t{0x3c00});
      for (const gate_layout layout : layouts) {
        const auto [a, b] = split(const_view(place(packed, 2 * n), 2 * n), layout);
        const auto [da, db] = split(view(place(gradient, 2 * n), 2 * n), layout);
        const view out(place(y, n), n);
        for (const gate op : all_gates())
          ASSERT_TRUE(activate_gated(op, a, b, out, on(row)).ok() &&
                      gated_gradient(op, out, a, b, da, db, on(row)).ok());
        ASSERT_TRUE(
            gated_gradient(gate::glu, out, out, out, view(place(up, n), n), view(place(gradient, n), n), on(row)).ok());
      }
    }
}
TEST(gate_layout, nothing_outside_the_views_is_touched) {
  for (const isa_info& row : usable_isas()) {
    check_fences<float>(row);
    check_fences<float16>(row);
    check_fences<bfloat16>(row);
  }
}

class gate_bad_input : public testing::Test {
 protected:
  std::vector<float> x = std::vector<float>(64, 1.0f), y = std::vector<float>(64, -7.0f);
  const_view a{x.data(), 32}, b{x.data() + 32, 32};
  view out{y.data(), 32}, second{y.data() + 32, 32};

  void expect(status_code code, const status& s, const char* mentions) {
    EXPECT_EQ(s.code, code) << s.message;
    EXPECT_NE(std::string(s.message).find(mentions), std::string::npos) << s.message;
    EXPECT_TRUE(std::ranges::all_of(y, [](float v) { return v == -7.0f; }));
    EXPECT_TRUE(std::ranges::all_of(x, [](float v) { return v == 1.0f; }));
  }
};

TEST_F(gate_bad_input, views) {
  const auto both = [&](status_code code, const const_view& p, const const_view& q, const char* mentions) {
    explanation e;
    expect(code, activate_gated(gate::swiglu, p, q, out), mentions);
    expect(code, explain_gated(gate::swiglu, p, q, out, {}, e), mentions);
    expect(code, gated_gradient(gate::swiglu, a, p, q, out, second), mentions);
  };
  both(shape_mismatch, a, const_view(x.data(), 31), "31");
  both(invalid_argument, const_view(static_cast<const float*>(nullptr), 32), b, "a: data is null");
  both(invalid_argument, a, const_view(static_cast<const float*>(nullptr), 32), "b: data is null");
  const auto [p, q] = split(const_view(x.data(), 63), gate_layout::halves);
  both(invalid_argument, p, q, "split");
  for (const int axis : {-2, 1, 100})
    EXPECT_EQ(split(const_view(x.data(), 64), gate_layout::halves, axis).a.rank, max_rank + 1);
  EXPECT_EQ(split(const_view(x.data(), 64), static_cast<gate_layout>(3)).b.rank, max_rank + 1);
  const_view integers = b;
  integers.type = dtype::i32;
  both(unsupported, a, integers, "b: must be f32, f16 or bf16");
}

TEST_F(gate_bad_input, overlap) {
  view in_x(x.data() + 1, 32);
  expect(overlap, activate_gated(gate::swiglu, a, b, in_x), "y overlaps a");
  in_x = view(x.data() + 31, 32);
  expect(overlap, activate_gated(gate::swiglu, const_view(y.data(), 32), b, in_x), "y overlaps b");
  // What is packed into interleaved memory cannot be written over its front half.
  const auto [p, q] = split(const_view(x.data(), 64), gate_layout::interleaved);
  expect(overlap, activate_gated(gate::swiglu, p, q, view(x.data(), 32)), "y overlaps a");
  expect(overlap, gated_gradient(gate::swiglu, a, a, b, out, out), "db overlaps da");
  expect(overlap, gated_gradient(gate::swiglu, a, a, b, out, view(y.data() + 31, 32)), "db overlaps da");
  expect(overlap, gated_gradient(gate::swiglu, a, a, b, in_x, out), "da overlaps");
  expect(overlap, gated_gradient(gate::swiglu, a, a, b, out, in_x), "db overlaps");
  view folded = out;
  folded.strides[0] = 0;
  expect(overlap, gated_gradient(gate::swiglu, a, a, b, second, folded), "db: its strides");
}

TEST_F(gate_bad_input, gates_parameters_and_options) {
  expect(invalid_argument, activate_gated(static_cast<gate>(9), a, b, out), "gate 9");
  expect(invalid_argument, gated_gradient(static_cast<gate>(-1), a, a, b, out, second), "gate -1");
  options how;
  how.parameters.first = 2;
  expect(invalid_argument, activate_gated(gate::glu, a, b, out, how), "0 parameters");
  how.parameters.second = -1;
  expect(invalid_argument, activate_gated(gate::swiglu_oai, a, b, out, how), "limit is -1");
  how = {};
  how.slice = 1;
  expect(invalid_argument, activate_gated(gate::glu, a, b, out, how), "slice 1 of 1");
  how = {};
  how.isa = "z80";
  expect(unavailable, gated_gradient(gate::glu, a, a, b, out, second, how), "z80");
}

TEST_F(gate_bad_input, empty_views_are_a_no_op) {
  const const_view none(static_cast<const float*>(nullptr), 0);
  EXPECT_TRUE(activate_gated(gate::glu, none, none, view(static_cast<float*>(nullptr), 0)).ok());
  const auto [p, q] = split(const_view(x.data(), dtype::f32, {3, 0}), gate_layout::interleaved);
  EXPECT_TRUE(
      gated_gradient(gate::glu, p, p, q, view(y.data(), dtype::f32, {3, 0}), view(y.data(), dtype::f32, {3, 0})).ok());
}

}  // namespace
}  // namespace sigmax_test
