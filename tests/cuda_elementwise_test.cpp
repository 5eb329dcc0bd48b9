// CUDA against the CPU, bit for bit: every op, form, dtype, size, alignment, layout. The same tests run on a GPU (label
// gpu) and, with the kernels in the SIMT emulator, without one.
#include "cuda_comparison.hpp"
#if defined(SIGMAX_EMULATED_CUDA)
#include "simt/cuda_backend.hpp"
#endif

namespace sigmax_test {
namespace {

#if defined(SIGMAX_EMULATED_CUDA)
constexpr std::uint64_t f32_stride = 65537;
#else
constexpr std::uint64_t f32_stride = 97;
#endif

using cuda_op = each_activation;

std::vector<std::byte> all_inputs(dtype t) {
  std::vector<std::byte> image;
  const auto add = [&](const auto& v) {
    const auto* p = reinterpret_cast<const std::byte*>(&v);
    image.insert(image.end(), p, p + sizeof v);
  };
  if (t == dtype::f32)
    for (float v : sample(f32_stride)) add(v);
  else
    for (std::uint32_t u = 0; u < 65536; ++u) add(static_cast<std::uint16_t>(u));
  return image;
}

TEST_P(cuda_op, has_the_bits_of_the_cpu) {
  for (dtype t : types) {
    const std::vector<std::byte> x = all_inputs(t);
    const auto n = std::ssize(x) / static_cast<std::ptrdiff_t>(bytes_of(t));
    for (form f : forms) {
      const comparison same(GetParam(), f);
      if (f == form::derivative)
        same.run_with({n}, {row_of(t, n), row_of(t, n)}, {numbers(t, n, 7), x}, row_of(t, n));
      else
        same.run_with({n}, {row_of(t, n)}, {x}, row_of(t, n));
      if (f == form::fast && t != dtype::f32)  // one tier in the strided kernel, too
        same.run_with({n}, {row_of(t, n)}, {x}, {.type = t, .strides = {2}, .size = 2 * n});
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(cuda_op, sizes_and_alignments) {
  for (dtype t : types)
    for (form f : forms) {
      const comparison same(GetParam(), f);
      const auto places = static_cast<std::int64_t>(16 / bytes_of(t));
      std::int64_t turn = 0;
      for (std::int64_t n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257, 1000, 4100}) {
        ++turn;
        const operand x = row_of(t, n, turn * 3 % places), dy = row_of(t, n, turn % places),
                      y = row_of(t, n, turn % 2 ? turn * 3 % places : turn % places);
        if (f == form::derivative) {
          same.run({n}, {dy, x}, y);
          same.run({n}, {dy, x}, x, 1);
          same.run({n}, {dy, x}, dy, 0);
        } else {
          same.run({n}, {x}, y);
          same.run({n}, {x}, x, 0);
        }
        if (HasFatalFailure()) return;
      }
    }
}

TEST_P(cuda_op, strided_and_mixed) {
  for (form f : forms)
    for (dtype from : types)
      for (dtype to : types) {
        const comparison same(GetParam(), f);
        const operand transposed{.type = from, .strides = {1, 13}, .size = 13 * 17},
            broadcast{.type = from == dtype::f32 ? dtype::bf16 : dtype::f32, .strides = {0, 1}, .size = 17},
            gaps{.type = to, .strides = {40, 2}, .size = 40 * 13};
        if (f == form::derivative)
          same.run({13, 17}, {broadcast, transposed}, gaps);
        else
          same.run({13, 17}, {transposed}, gaps);
        if (HasFatalFailure()) return;
      }
}

SIGMAX_FOR_EACH_ACTIVATION(cuda_op);

constexpr activation some[] = {activation::gelu, activation::hard_swish, activation::clip};

TEST(cuda_layout, every_alignment_of_either_side) {
  for (activation op : some)
    for (dtype t : types)
      for (form f : {form::high, form::derivative}) {
        const comparison same(op, f);
        const auto places = static_cast<std::int64_t>(16 / bytes_of(t));
        for (std::int64_t from = 0; from < places; ++from)
          for (std::int64_t to = 0; to < places; ++to)
            for (std::int64_t n : {3, 40, 601}) {
              const operand x = row_of(t, n, from), y = row_of(t, n, to);
              if (f == form::derivative)
                same.run({n}, {row_of(t, n, (from + 1) % places), x}, y);
              else
                same.run({n}, {x}, y);
              if (HasFatalFailure()) return;
            }
      }
}

// In the emulator the end of each tensor is the end of what may be touched.
TEST(cuda_layout, every_short_length_before_a_fence) {
  for (dtype t : types) {
    const comparison value(activation::softsign, form::high), slope(activation::softsign, form::derivative);
    for (std::int64_t n = 1; n <= 70; ++n)
      for (std::int64_t places : {0, 1, 3}) {
        const operand x = row_of(t, n, 0, true), y = row_of(t, n, places, places == 0);
        value.run({n}, {x}, y);
        value.run({n}, {y}, x);
        slope.run({n}, {x, y}, x, 0);
        if (HasFatalFailure()) return;
      }
  }
}

TEST(cuda_layout, any_strides) {
  for (activation op : some) {
    const comparison same(op, form::high);
    for (dtype t : types) {
      same.run({5}, {{.type = t, .strides = {-3}, .size = 13, .first = 12}}, row_of(t, 5));
      same.run({7, 11}, {{.type = t, .strides = {11, 1}, .size = 77}}, {.type = t, .strides = {12, 1}, .size = 84});
      same.run({7, 11}, {{.type = t, .strides = {-11, 1}, .size = 77, .first = 66}},
               {.type = t, .strides = {1, 7}, .size = 77});
      same.run({3, 1, 4, 5, 2}, {{.type = t, .strides = {2, 0, 60, 6, 30}, .size = 240}},
               {.type = t, .strides = {40, 3, 10, 2, 1}, .size = 120});
      same.run({300, 9}, {{.type = t, .strides = {1, 301}, .size = 301 * 9}},
               {.type = t, .strides = {9, 1}, .size = 2700});
      const operand gaps{.type = t, .strides = {50, 3}, .size = 50 * 40};
      same.run({40, 16}, {gaps}, gaps, 0);
      same.run({}, {{.type = t, .strides = {}, .size = 1}}, {.type = t, .strides = {}, .size = 1});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(cuda_layout, slices_make_the_whole) {
  for (const bool apart : {false, true}) {
    comparison same(activation::silu, form::high);
    const std::int64_t n = 1000;
    const operand x = row_of(dtype::f32, n, 1), y{.type = dtype::f32, .strides = {apart ? 2 : 1}, .size = 2 * n};
    for (same.how.slices = 1; same.how.slices < 5; ++same.how.slices)
      for (same.how.slice = 0; same.how.slice < same.how.slices; ++same.how.slice) same.run({n}, {x}, y);
  }
}

view on_device(view v, memory where = memory::cuda) {
  v.where = where;
  return v;
}

TEST(cuda_dispatch, explain_tells_what_runs) {
  const device_memory memory(4096);
  const view y = on_device(view(reinterpret_cast<float*>(memory.data()), 100));
  explanation e;
  ASSERT_TRUE(explain(activation::gelu, y, y, {}, e).ok());
  EXPECT_EQ(e.where, backend::cuda);
  EXPECT_STREQ(e.isa, "");
  EXPECT_STREQ(e.kernel, "contiguous");
  EXPECT_STREQ(e.reason, "device memory runs on CUDA");
  view half = y;
  half.type = dtype::f16;
  half.data = memory.data() + 2048;
  ASSERT_TRUE(explain(activation::gelu, y, half, {}, e).ok());
  EXPECT_STREQ(e.kernel, "strided");
  for (const view& out : {y, half}) {
    ASSERT_TRUE(explain(activation::gelu, y, out, {.accuracy = accuracy::fast}, e).ok());
    EXPECT_EQ(e.accuracy, out.type == dtype::f32 ? accuracy::fast : accuracy::high);
  }
}

TEST(cuda_dispatch, where_memory_lives_decides) {
  const device_memory memory(4096);
  float host[4] = {1, 2, 3, 4};
  const view y = on_device(view(reinterpret_cast<float*>(memory.data()), 4)), z(host, 4);
  options how;
  how.where = backend::cpu;
  EXPECT_EQ(activate(activation::relu, y, y, how).code, status_code::unsupported);
  how.where = backend::cuda;
  EXPECT_EQ(activate(activation::relu, z, z, how).code, status_code::unavailable);  // warm_up was not called
  EXPECT_EQ(activate_gated(gate::glu, z, z, z, how).code, status_code::unavailable);
  EXPECT_EQ(activate(activation::relu, z, y).code, status_code::invalid_argument);
  EXPECT_EQ(softmax(z, z, 0, how).code, status_code::unavailable);
  EXPECT_EQ(softmax_gradient(z, z, z, 0, 1, how).code, status_code::unsupported);
  EXPECT_EQ(softmax(z, y).code, status_code::invalid_argument);
  how.isa = "no such row";
  EXPECT_TRUE(activate(activation::relu, y, y, how).ok());
  EXPECT_TRUE(cuda_available().ok());
  const view empty = on_device(view(static_cast<float*>(nullptr), 0));
  EXPECT_TRUE(activate(activation::relu, empty, empty).ok());
}

#if defined(SIGMAX_EMULATED_CUDA)

TEST(cuda_dispatch, managed_memory_runs_on_either) {
  float x[4] = {-1, 2, -3, 4}, y[4];
  const const_view in = on_device(view(x, 4), memory::managed);
  const view out = on_device(view(y, 4), memory::managed);
  const int before = device.launches;
  ASSERT_TRUE(activate(activation::relu, in, out).ok());
  EXPECT_EQ(device.launches, before);
  options how;
  how.where = backend::cuda;
  ASSERT_TRUE(activate(activation::relu, in, out, how).ok());
  EXPECT_EQ(device.launches, before + 1);
  EXPECT_EQ(y[1], 2);
}

TEST(cuda_dispatch, without_a_device_cuda_is_unavailable) {
  device.missing = "nobody is at home";
  float x[1] = {};
  const view v = on_device(view(x, 1));
  const status s = activate(activation::relu, v, v);
  EXPECT_EQ(s.code, status_code::unavailable);
  EXPECT_STREQ(s.message, "CUDA backend: nobody is at home");
  EXPECT_FALSE(cuda_available().ok());
  EXPECT_TRUE(activate(activation::relu, view(x, 1), view(x, 1)).ok());
  device.missing = nullptr;
}

// Beyond 2^31 - 1 tiles, or with fewer blocks for whatever reason.
TEST(cuda_layout, blocks_take_several_tiles) {
  device.most_blocks = 2;
  for (activation op : some)
    for (dtype t : types) {
      const comparison same(op, form::high);
      const std::int64_t n = 20000;
      same.run({20, 1000}, {{.type = t, .strides = {1, 20}, .size = n}}, {.type = t, .strides = {1000, 1}, .size = n});
    }
  device.most_blocks = 0x7fffffff;
}

// Of contiguous memory a block takes one tile, and beyond 2^40 elements there are several launches.
TEST(cuda_layout, launches_take_what_one_cannot) {
  constexpr std::uintptr_t x = std::uintptr_t{1} << 45, y = std::uintptr_t{1} << 46;
  for (dtype t : types) {
    const auto size = static_cast<std::int64_t>(bytes_of(t)), n = (std::int64_t{2} << 40) + 5;
    std::vector<recorded_launch> launches;
    device.recorded = &launches;
    const auto at = [&](std::uintptr_t address) {
      view v(reinterpret_cast<float*>(address), n);
      v.type = t;
      return on_device(v);
    };
    const status s = activate(activation::relu, at(x + 16), at(y + 16 - static_cast<std::uintptr_t>(size)));
    device.recorded = nullptr;
    ASSERT_TRUE(s.ok()) << s.message;
    ASSERT_EQ(launches.size(), 3u);
    std::int64_t taken = 0;
    for (const recorded_launch& one : launches) {
      ASSERT_EQ(one.blocks, one.tiles);
      ASSERT_GE(one.tiles * one.tile_bytes, one.n * size);
      ASSERT_EQ(one.first_in, x + 16 + static_cast<std::uintptr_t>(taken * size));
      ASSERT_EQ(one.first_out, y + 16 + static_cast<std::uintptr_t>((taken - 1) * size));
      taken += one.n;
    }
    ASSERT_EQ(taken, n);
  }
}

#endif

}  // namespace
}  // namespace sigmax_test
