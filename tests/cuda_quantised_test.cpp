// 8-bit results on CUDA against the CPU to the bit: every function, dtype, scale, layout, length and alignment. On the
// CPU tests/quantised_test.cpp holds them against their definition.
#include "cuda_comparison.hpp"

#if defined(SIGMAX_EMULATED_CUDA)
#include "simt/cuda_backend.hpp"
#endif

namespace sigmax_test {
namespace {

constexpr dtype code_types[] = {dtype::f8_e4m3, dtype::f8_e5m2, dtype::i8};
enum class scale_of { tensor, tensor_and_amax, rows, rows_and_amax };
constexpr scale_of every_scale[] = {scale_of::tensor, scale_of::tensor_and_amax, scale_of::rows,
                                    scale_of::rows_and_amax};

using extents = std::vector<std::int64_t>;

std::int64_t bytes_between(dtype t) { return t == dtype::f32 ? 4 : t == dtype::f16 || t == dtype::bf16 ? 2 : 1; }

/// Memory that holds a tensor with gaps, on both sides.
struct placed {
  placed(dtype t, const extents& shape, extents strides = {}, std::int64_t place = 0, bool at_end = false)
      : type(t), steps(std::move(strides)) {
    std::int64_t dense = 1;
    if (steps.empty()) {
      steps.resize(shape.size());
      for (std::size_t d = shape.size(); d-- > 0; dense *= shape[d]) steps[d] = dense;
    }
    std::int64_t last = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) last += steps[d] * std::max<std::int64_t>(0, shape[d] - 1);
    elements = last + 1;
    const auto bytes = static_cast<std::size_t>(elements * bytes_between(t));
    device = std::make_shared<device_memory>(bytes, static_cast<std::size_t>(place * bytes_between(t)), at_end);
    host.assign(bytes, std::byte{0xaa});
    device->upload(host.data());
  }
  void fill(unsigned seed) {
    host = numbers(type, elements, seed);
    device->upload(host.data());
  }
  view on(memory where, const extents& shape) {
    view v(where == memory::host ? host.data() : device->data(), type, std::span<const std::int64_t>(shape),
           std::span<const std::int64_t>(steps));
    v.where = where;
    return v;
  }
  bool same() const {
    std::vector<std::byte> got(host.size());
    device->download(got.data());
    return got == host;
  }

  dtype type;
  extents steps;
  std::int64_t elements = 0;
  std::vector<std::byte> host;
  std::shared_ptr<device_memory> device;
};

const char* fma_row() {
  for (const isa_info& row : usable_isas())
    if (row.fma) return row.name;
  return nullptr;
}

/// `call(x, z, y, axis, codes, how)` on both sides, over two inputs and y of one shape.
template <class Call>
bool equal(Call call, const extents& shape, int axis, placed x, placed z, placed y, scale_of how_scaled,
           accuracy tier = accuracy::high, int slices = 1, extents row_steps = {}) {
  extents row_shape = shape;
  row_shape[static_cast<std::size_t>(axis)] = 1;
  placed scales(dtype::f32, row_shape, row_steps), amax(dtype::f32, row_shape, row_steps);
  x.fill(1), z.fill(2);
  const bool own = how_scaled >= scale_of::rows;
  const bool measured = how_scaled == scale_of::tensor_and_amax || how_scaled == scale_of::rows_and_amax;
  for (const memory where : {memory::host, memory::cuda})
    for (int slice = 0; slice < slices; ++slice) {
      quantisation codes{.scale = own ? 1 : 0.013f};
      if (own) codes.row_scales = scales.on(where, row_shape);
      if (measured) codes.amax = amax.on(where, row_shape);
      options how{.accuracy = tier};
      how.slice = slice, how.slices = slices;
      if (where == memory::host) how.isa = fma_row();
      const status s = call(x.on(where, shape), z.on(where, shape), y.on(where, shape), axis, codes, how);
      EXPECT_TRUE(s.ok()) << s.message;
    }
  return y.same() && scales.same() && amax.same();
}

auto of(activation op) {
  return [op](const view& x, const view&, const view& y, int axis, const quantisation& codes, const options& how) {
    return activate_quantised(op, x, y, axis, codes, how);
  };
}
auto of(gate op) {
  return [op](const view& a, const view& b, const view& y, int axis, const quantisation& codes, const options& how) {
    return activate_gated_quantised(op, a, b, y, axis, codes, how);
  };
}

/// Vectors, and elements one by one.
template <class Function>
void check_function(Function op) {
  for (const accuracy tier : {accuracy::high, accuracy::fast})
    for (const dtype in : types)
      for (const dtype out : code_types)
        for (const scale_of how : every_scale)
          for (const std::int64_t n : {264, 77}) {
            const extents shape{2, n};
            ASSERT_TRUE(equal(of(op), shape, 1, placed(in, shape), placed(in, shape), placed(out, shape), how, tier))
                << describe(op).name << " tier " << static_cast<int>(tier) << " from " << static_cast<int>(in) << " to "
                << static_cast<int>(out) << " scale " << static_cast<int>(how) << " columns " << n;
          }
}
TEST(cuda_quantised, every_activation) {
  for (const activation op : all_activations()) check_function(op);
}
TEST(cuda_quantised, every_gate) {
  for (const gate op : all_gates()) check_function(op);
}

// Up to the ends of what may be touched, and about the sizes of warps, blocks, pieces and shared memory.
TEST(cuda_quantised, every_length_between_fences) {
  extents lengths{255, 256, 257, 511, 513, 1023, 1025, 2040, 2047, 2048, 2049, 2056, 4097, 16384, 16385, 16392, 20000};
  for (std::int64_t n = 1; n <= 70; ++n) lengths.push_back(n);
  for (const std::int64_t n : lengths)
    for (const bool at_end : {false, true})
      for (const scale_of how : every_scale) {
        const dtype in = types[n % 3], out = code_types[(n + at_end) % 3];
        const extents shape{n > 3000 ? 2 : 3, n};
        const auto any = [&](dtype t) { return placed(t, shape, {}, 0, at_end); };
        ASSERT_TRUE(equal(of(gate::reglu), shape, 1, any(in), any(types[(n + 1) % 3]), any(out), how))
            << n << " columns, scale " << static_cast<int>(how) << (at_end ? " at the end" : "");
      }
}

TEST(cuda_quantised, every_alignment) {
  for (const dtype in : types)
    for (std::int64_t i = 0; i < 16 / bytes_between(in); ++i)
      for (std::int64_t j = 0; j < 9; ++j)
        for (const scale_of how : {scale_of::tensor, scale_of::rows}) {
          const extents shape{2, 48};
          ASSERT_TRUE(equal(of(gate::reglu), shape, 1, placed(in, shape, {}, i), placed(in, shape, {}, j / 2 * i % 8),
                            placed(code_types[j % 3], shape, {}, j), how))
              << "x at " << i << ", y at " << j;
        }
}

TEST(cuda_quantised, any_strides_axes_and_dtypes) {
  const extents shape{5, 6, 40};
  const extents strides[] = {{}, {240, 1, 6}, {1, 200, 5}, {600, 90, 2}, {0, 41, 1}, {320, 48, 1}};
  const extents out_strides[] = {{}, {240, 1, 6}, {1, 200, 5}, {600, 90, 2}, {320, 48, 1}};
  for (const extents& x : strides)
    for (const extents& y : out_strides)
      for (int axis = 0; axis < 3; ++axis)
        for (const scale_of how : every_scale) {
          const dtype out = code_types[axis];
          const extents apart = axis == 1 ? extents{100, 0, 2} : extents{};
          ASSERT_TRUE(equal(of(gate::fatrelu_and_mul), shape, axis, placed(dtype::bf16, shape, x),
                            placed(dtype::f32, shape), placed(out, shape, y), how, accuracy::high, 1, apart))
              << "axis " << axis << " scale " << static_cast<int>(how);
        }
}

TEST(cuda_quantised, slices_make_the_whole) {
  for (const scale_of how : every_scale) {
    const extents rows{7, 50}, flat{9000};
    ASSERT_TRUE(equal(of(activation::relu), rows, 1, placed(dtype::f16, rows), placed(dtype::f16, rows),
                      placed(dtype::i8, rows), how, accuracy::high, 3));
    ASSERT_TRUE(equal(of(activation::relu), flat, 0, placed(dtype::f16, flat), placed(dtype::f16, flat),
                      placed(dtype::i8, flat), how, accuracy::high, 3));
  }
}

// exp(0) would be the largest of these rows: what lies beyond a row's end does not count.
TEST(cuda_quantised, nothing_beyond_a_row_counts) {
  const std::vector<float> x(77, -20.0f);
  std::vector<float> scale(1);
  const device_memory in(4 * x.size()), codes(x.size()), own(4);
  in.upload(x.data());
  view from(in.data(), dtype::f32, {77}), y(codes.data(), dtype::i8, {77}), scales(own.data(), dtype::f32, {1});
  from.where = y.where = scales.where = memory::cuda;
  ASSERT_TRUE(activate_quantised(activation::exp, from, y, 0, {.row_scales = scales}).ok());
  own.download(scale.data());
  EXPECT_NEAR(scale[0] * 127, std::exp(-20.0f), 1e-14f);
}

// An empty row has a scale.
TEST(cuda_quantised, rows_of_nothing) {
  const extents shape{3, 0}, none{0, 3};
  for (const extents& s : {shape, none})
    for (const scale_of how : every_scale)
      EXPECT_TRUE(equal(of(activation::relu), s, 1, placed(dtype::f32, s), placed(dtype::f32, s),
                        placed(dtype::f8_e4m3, s), how));
}

#if defined(SIGMAX_EMULATED_CUDA)

TEST(cuda_quantised, blocks_take_several_rows_in_any_order) {
  device.most_blocks = 2;
  for (const simt::schedule order : simt::schedules) {
    device.order = order;
    for (const std::int64_t n : {40, 700})
      for (const scale_of how : every_scale) {
        const extents shape{7, n};
        EXPECT_TRUE(equal(of(activation::relu), shape, 1, placed(dtype::f32, shape), placed(dtype::f32, shape),
                          placed(dtype::f8_e5m2, shape), how));
      }
  }
  device.order = simt::schedule::forward;
  device.most_blocks = 0x7fffffff;
}

// sm_75 has 64 KiB, of which the kernel's own is a part.
TEST(cuda_quantised, less_shared_memory_means_a_second_reading) {
  const extents shape{1, 16384};
  device.shared_bytes = 64 * 1024;
  EXPECT_TRUE(equal(of(activation::relu), shape, 1, placed(dtype::f32, shape), placed(dtype::f32, shape),
                    placed(dtype::i8, shape), scale_of::rows));
  device.shared_bytes = 227 * 1024;
}

/// Whether rows whose maxima differ and lie with other warps still have the CPU's bits in every order.
bool rows_are_right() {
  constexpr std::int64_t rows = 3, columns = 600;
  std::vector<float> x(rows * columns, 0.25f), scales[2];
  for (std::int64_t r = 0; r < rows; ++r)
    x[static_cast<std::size_t>(r * columns + 570 - 250 * r)] = 100.0f / static_cast<float>(1 + r);
  for (const simt::schedule order : simt::schedules) {
    device.order = order;
    std::vector<std::uint8_t> codes[2];
    for (const memory where : {memory::host, memory::cuda}) {
      const auto at = static_cast<std::size_t>(where == memory::cuda);
      codes[at].assign(x.size(), 0);
      scales[at].assign(rows, 0);
      view in(x.data(), dtype::f32, {rows, columns}), y(codes[at].data(), dtype::i8, {rows, columns});
      view own(scales[at].data(), dtype::f32, {rows, 1});
      in.where = y.where = own.where = where;
      const status s = activate_quantised(activation::linear, in, y, 1, {.row_scales = own});
      if (!s.ok()) return false;
    }
    if (codes[0] != codes[1] || scales[0] != scales[1]) return false;
  }
  return true;
}

TEST(cuda_quantised, every_barrier_is_needed) {
  device.most_blocks = 1;
  EXPECT_TRUE(rows_are_right());
  for (const row_barrier barrier : {row_barrier::row_amax, row_barrier::row_amax_read}) {
    missing_barrier = barrier;
    EXPECT_FALSE(rows_are_right()) << static_cast<int>(barrier);
  }
  missing_barrier = row_barrier::none;
  device.order = simt::schedule::forward;
  device.most_blocks = 0x7fffffff;
}

TEST(cuda_quantised, host_memory_is_refused) {
  float x[4] = {};
  std::uint8_t codes[4] = {7, 7, 7, 7};
  options how;
  how.where = backend::cuda;
  const status s = activate_quantised(activation::relu, view(x, 4), view(codes, dtype::i8, {4}), 0, {}, how);
  EXPECT_EQ(s.code, status_code::unsupported);
  EXPECT_EQ(codes[0], 7);
}

#endif

}  // namespace
}  // namespace sigmax_test
