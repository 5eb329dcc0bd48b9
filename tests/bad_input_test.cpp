// Everything that can be wrong with a call: the right status, a message that says what, and not one byte written.
#include <algorithm>

#include "harness.hpp"

namespace sigmax_test {
namespace {

using enum status_code;

class bad_input : public testing::Test {
 protected:
  std::vector<float> x = std::vector<float>(64, 1.0f), y = std::vector<float>(64, -7.0f);
  const_view in{x.data(), 64};
  view out{y.data(), 64};

  void expect(status_code code, const status& s, const char* mentions) {
    EXPECT_EQ(s.code, code) << s.message;
    EXPECT_NE(std::string(s.message).find(mentions), std::string::npos) << s.message;
    EXPECT_TRUE(std::ranges::all_of(y, [](float v) { return v == -7.0f; }));
    EXPECT_TRUE(std::ranges::all_of(x, [](float v) { return v == 1.0f; }));
  }
  /// The same fault must be found by every function that takes views.
  void expect_everywhere(status_code code, const const_view& a, const view& b, const options& how,
                         const char* mentions) {
    explanation e;
    expect(code, activate(activation::relu, a, b, how), mentions);
    expect(code, activation_gradient(activation::relu, a, a, b, how), mentions);
    expect(code, softmax(a, b, -1, how), mentions);
    expect(code, log_softmax(a, b, -1, how), mentions);
    expect(code, explain(activation::relu, a, b, how, e), mentions);
    expect(code, explain_softmax(a, b, -1, how, e), mentions);
  }
};

TEST_F(bad_input, null_data) {
  expect_everywhere(invalid_argument, const_view(static_cast<const float*>(nullptr), 64), out, {}, "null");
  expect_everywhere(invalid_argument, in, view(static_cast<float*>(nullptr), 64), {}, "null");
}

TEST_F(bad_input, negative_extent) {
  expect_everywhere(invalid_argument, const_view(x.data(), -1), view(y.data(), -1), {}, "-1");
}

TEST_F(bad_input, rank) {
  const_view a = in;
  for (int rank : {-1, 9, 1000}) {
    a.rank = rank;
    expect_everywhere(invalid_argument, a, out, {}, "rank");
  }
  const std::int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  expect_everywhere(invalid_argument, const_view(x.data(), dtype::f32, nine), out, {}, "rank");
  const std::int64_t two[2] = {1, 1}, one[1] = {1};
  expect_everywhere(invalid_argument, const_view(x.data(), dtype::f32, two, one), out, {}, "rank");
}

TEST_F(bad_input, shapes_differ) {
  expect_everywhere(shape_mismatch, const_view(x.data(), 63), out, {}, "63");
  expect_everywhere(shape_mismatch, const_view(x.data(), dtype::f32, {8, 8}), out, {}, "rank");
  expect(shape_mismatch, activation_gradient(activation::relu, const_view(x.data(), 32), in, out), "dy");
}

TEST_F(bad_input, unknown_enum_values) {
  const_view a = in;
  a.type = static_cast<dtype>(9);
  expect_everywhere(invalid_argument, a, out, {}, "dtype");
  a = in;
  a.where = static_cast<memory>(9);
  expect_everywhere(invalid_argument, a, out, {}, "memory");
  options how;
  how.where = static_cast<backend>(-2);
  expect_everywhere(invalid_argument, in, out, how, "backend");
  expect(invalid_argument, activate(static_cast<activation>(27), in, out), "27");
  expect(invalid_argument, activate(static_cast<activation>(-1), in, out), "-1");
}

TEST_F(bad_input, misaligned_element) {
  const_view a = in;
  a.rank = 1;
  a.shape[0] = 4;
  a.data = reinterpret_cast<const std::byte*>(x.data()) + 2;
  expect_everywhere(invalid_argument, a, view(y.data(), 4), {}, "align");
}

TEST_F(bad_input, axis) {
  for (int axis : {-2, 1, 100}) {
    expect(invalid_argument, softmax(in, out, axis), "axis");
    expect(invalid_argument, log_softmax(in, out, axis), "axis");
  }
  const const_view scalar(x.data(), dtype::f32, std::initializer_list<std::int64_t>{});
  expect(invalid_argument, softmax(scalar, view(y.data(), dtype::f32, std::initializer_list<std::int64_t>{}), 0),
         "axis");
}

TEST_F(bad_input, parameters) {
  options how;
  for (float bad : {INFINITY, -INFINITY}) {
    how.parameters.first = bad;
    expect(invalid_argument, activate(activation::leaky_relu, in, out, how), "slope");
    expect(invalid_argument, activate(activation::elu, in, out, how), "alpha");
  }
  how.parameters.first = 0;
  expect(invalid_argument, activate(activation::softplus, in, out, how), "beta");
  expect(invalid_argument, activate(activation::squareplus, in, out, how), "b ");
  expect(invalid_argument, activate(activation::relu, in, out, how), "0 parameters");
  expect(invalid_argument, softmax(in, out, 0, how), "parameters");
  how.parameters = {.first = 0.1f, .second = 1};
  expect(invalid_argument, activate(activation::leaky_relu, in, out, how), "1 parameter,");
  how.parameters = {.first = -INFINITY, .second = INFINITY};
  EXPECT_TRUE(activate(activation::clip, in, out, how).ok());
}

TEST_F(bad_input, overlap) {
  std::vector<float> buffer(200, 1.0f);
  const auto expect_overlap = [&](const const_view& a, const view& b) {
    const status s = activate(activation::exp, a, b);
    EXPECT_EQ(s.code, overlap) << s.message;
    EXPECT_TRUE(std::ranges::all_of(buffer, [](float v) { return v == 1.0f; }));
    EXPECT_EQ(softmax(a, b, -1).code, overlap);
    EXPECT_EQ(activation_gradient(activation::exp, a, a, b).code, overlap);
  };
  expect_overlap(const_view(buffer.data(), 64), view(buffer.data() + 1, 64));
  expect_overlap(const_view(buffer.data() + 63, 64), view(buffer.data(), 64));
  const std::int64_t shape[] = {4, 8}, dense[] = {8, 1}, turned[] = {1, 4}, none[] = {0, 1}, tight[] = {7, 1},
                     apart[] = {16, 1};
  expect_overlap(const_view(buffer.data(), dtype::f32, shape, dense), view(buffer.data(), dtype::f32, shape, turned));
  expect_overlap(const_view(x.data(), dtype::f32, shape), view(buffer.data(), dtype::f32, shape, none));
  expect_overlap(const_view(x.data(), dtype::f32, shape), view(buffer.data(), dtype::f32, shape, tight));
  expect_overlap(const_view(buffer.data(), dtype::f32, shape, apart),
                 view(buffer.data() + 7, dtype::f32, shape, apart));
  expect_overlap(const_view(buffer.data(), dtype::f16, shape), view(buffer.data(), dtype::f32, shape));
  EXPECT_TRUE(activate(activation::exp, const_view(buffer.data(), dtype::f32, shape, apart),
                       view(buffer.data() + 8, dtype::f32, shape, apart))
                  .ok());
}

// Rows of one workspace that hold several tensors: no byte in common is no overlap, whatever the dtypes.
TEST_F(bad_input, tensors_side_by_side_do_not_overlap) {
  alignas(8) std::byte workspace[512];
  std::mt19937 random(5);
  int apart = 0, refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto period = static_cast<std::int64_t>(16 + 4 * (random() % 8));
    struct place {
      dtype type;
      std::int64_t size, first, strides[2], shape[2];
    } a{}, b{};
    a.shape[0] = b.shape[0] = 1 + static_cast<std::int64_t>(random() % 5);
    a.shape[1] = b.shape[1] = 1 + static_cast<std::int64_t>(random() % 6);
    std::vector<bool> taken(sizeof workspace);
    bool shared = false;
    for (place* p : {&a, &b}) {
      p->type = random() % 2 != 0 ? dtype::f32 : dtype::f16;
      p->size = p->type == dtype::f32 ? 4 : 2;
      p->first = static_cast<std::int64_t>(random() % static_cast<std::size_t>(period / 4)) * 4;
      p->strides[0] = period / p->size, p->strides[1] = random() % 4 != 0 ? 1 : 2;
      if (random() % 4 == 0) {  // from the last row and column on
        p->first += (p->shape[0] - 1) * period + (p->shape[1] - 1) * p->strides[1] * p->size;
        p->strides[0] = -p->strides[0], p->strides[1] = -p->strides[1];
      }
      for (std::int64_t r = 0; r < p->shape[0]; ++r)
        for (std::int64_t c = 0; c < p->shape[1]; ++c)
          for (std::int64_t byte = 0; byte < p->size; ++byte) {
            const auto at =
                static_cast<std::size_t>(p->first + (r * p->strides[0] + c * p->strides[1]) * p->size + byte);
            shared = shared || (p == &b && taken[at]);
            if (p == &a) taken[at] = true;
          }
    }
    if (a.first == b.first && a.type == b.type) continue;
    const status s = activate(activation::relu, const_view(workspace + a.first, a.type, a.shape, a.strides),
                              view(workspace + b.first, b.type, b.shape, b.strides));
    if (shared) {
      EXPECT_EQ(s.code, overlap);
    }
    apart += !shared, refused += !shared && s.code == overlap;
    // Where neither reaches into the next row and columns are not interleaved, nothing is refused.
    if (!shared && s.code == overlap) {
      const bool dense = std::abs(a.strides[1]) == 1 && std::abs(b.strides[1]) == 1;
      EXPECT_FALSE(dense && a.shape[1] * a.size <= period && b.shape[1] * b.size <= period) << s.message;
    }
  }
  EXPECT_GT(apart, 5000);
  EXPECT_LT(refused, apart / 4);
}

TEST_F(bad_input, strides_of_one_element_may_be_anything) {
  std::vector<float> memory(12, 1.0f);
  const std::int64_t shape[] = {1, 4}, far[] = {INT64_MAX, 3}, farther[] = {INT64_MIN, 3};
  EXPECT_TRUE(activate(activation::exp, const_view(memory.data(), dtype::f32, shape, far),
                       view(memory.data() + 1, dtype::f32, shape, farther))
                  .ok());
}

TEST_F(bad_input, accuracy) {
  options how;
  how.accuracy = static_cast<sigmax::accuracy>(2);
  expect_everywhere(invalid_argument, in, out, how, "accuracy");
}

TEST_F(bad_input, slices_and_threads) {
  options how;
  for (auto [slice, slices] : {std::pair{0, 0}, {1, 1}, {-1, 4}, {4, 4}, {0, -3}}) {
    how.slice = slice;
    how.slices = slices;
    expect_everywhere(invalid_argument, in, out, how, "slice");
  }
  how = {};
  how.threads.run = [](void*, std::int64_t, void (*)(void*, std::int64_t), void*) {};
  how.threads.concurrency = 0;
  expect_everywhere(invalid_argument, in, out, how, "concurrency");
}

TEST_F(bad_input, isa_that_does_not_exist_or_cannot_run_here) {
  options how;
  how.isa = "mmx";
  expect_everywhere(unavailable, in, out, how, "mmx");
  how.isa = "";
  expect_everywhere(unavailable, in, out, how, "ISA");
  for (const isa_info& row : cpu_isas())
    if (!row.usable) {
      how.isa = row.name;
      expect_everywhere(unavailable, in, out, how, row.name);
    }
}

TEST_F(bad_input, cuda_without_a_cuda_backend) {
  if (cuda_available()) GTEST_SKIP() << "there is one";
  options how;
  how.where = backend::cuda;
  expect_everywhere(unavailable, in, out, how, "CUDA");
  const_view a = in;
  view b = out;
  a.where = b.where = memory::cuda;
  expect_everywhere(unavailable, a, b, {}, "CUDA");
  how.where = backend::cpu;
  expect_everywhere(unsupported, a, b, how, "device memory");
  b.where = memory::host;
  expect_everywhere(invalid_argument, a, b, {}, "memory");
  EXPECT_STRNE(cuda_available().message, "");
}

TEST_F(bad_input, managed_memory_runs_on_the_cpu) {
  const_view a = in;
  view b = out;
  a.where = b.where = memory::managed;
  EXPECT_TRUE(activate(activation::relu, a, b).ok());
}

TEST_F(bad_input, sizes_that_wrap) {
  constexpr std::int64_t huge = std::int64_t{1} << 32;
  expect_everywhere(invalid_argument, const_view(x.data(), dtype::f32, {huge, huge}),
                    view(y.data(), dtype::f32, {huge, huge}), {}, "63 bits");
  expect_everywhere(invalid_argument, const_view(x.data(), INT64_MAX), view(y.data(), INT64_MAX), {}, "address space");
  const std::int64_t shape[] = {3, 2}, wild[] = {INT64_MAX, INT64_MIN};
  expect_everywhere(invalid_argument, const_view(x.data(), dtype::f32, shape, wild),
                    view(y.data(), dtype::f32, shape, wild), {}, "address space");
}

}  // namespace
}  // namespace sigmax_test
