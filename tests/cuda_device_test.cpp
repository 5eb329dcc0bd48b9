// What only a GPU can show: all inputs, streams, graphs, more than 2^31 elements, errors of the runtime. Label gpu.
#include "cuda_memory.hpp"
#include "cuda_sweep.hpp"
#include "gate_harness.hpp"
#include "golden_list.hpp"

#define CUDA_OK(call) ASSERT_EQ(call, cudaSuccess)

namespace sigmax_test {
namespace {

constexpr std::int64_t chunk = std::int64_t{1} << 24;  // small devices run many of these tests at once

view on_device(void* data, dtype t, std::int64_t n) {
  view v(data, t, {n});
  v.where = memory::cuda;
  return v;
}
view floats(const device_memory& m, std::int64_t n, std::int64_t first = 0) {
  return on_device(m.data() + 4 * first, dtype::f32, n);
}

std::vector<float> read(const device_memory& m, std::size_t n) {
  std::vector<float> x(n);
  EXPECT_EQ(cudaMemcpy(x.data(), m.data(), 4 * n, cudaMemcpyDefault), cudaSuccess);
  return x;
}
/// Waits, as device_memory's own copies do.
void write(const device_memory& m, const std::vector<float>& x) {
  ASSERT_EQ(cudaMemcpy(m.data(), x.data(), 4 * x.size(), cudaMemcpyDefault), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

/// The hash of tests/golden.cpp over all 2^32 inputs.
template <class Call>
std::uint64_t hash_of_all(Call call) {
  static const device_memory x(4 * chunk), y(4 * chunk), sum(8);
  EXPECT_EQ(cudaMemset(sum.data(), 0, 8), cudaSuccess);
  for (std::uint64_t first = 0; first < std::uint64_t{1} << 32; first += chunk) {
    fill_with_bits(reinterpret_cast<float*>(x.data()), first, 1, chunk);
    const status s = call(floats(x, chunk), floats(y, chunk));
    EXPECT_TRUE(s.ok()) << s.message;
    add_terms(reinterpret_cast<const float*>(y.data()), first, 1, chunk, reinterpret_cast<std::uint64_t*>(sum.data()));
  }
  std::uint64_t hash = 0;
  sum.download(&hash);
  return hash;
}

using cuda_golden = each_activation;

TEST_P(cuda_golden, all_inputs_have_the_bits_of_the_list) {
  static const auto list = sigmax_golden::read_list(SIGMAX_GOLDEN);
  static const device_memory ones(4 * chunk);
  const activation op = GetParam();
  const std::string name(describe(op).name);
  options fast;
  fast.accuracy = accuracy::fast;
  EXPECT_EQ(hash_of_all([&](view x, view y) { return activate(op, x, y); }), list.at(name + " value 1"));
  if (describe(op).bound_fast) {
    EXPECT_EQ(hash_of_all([&](view x, view y) { return activate(op, x, y, fast); }), list.at(name + " fast 1"));
  }
  write(ones, std::vector<float>(chunk, 1.0f));
  EXPECT_EQ(hash_of_all([&](view x, view y) { return activation_gradient(op, floats(ones, chunk), x, y); }),
            list.at(name + " derivative 1"));
}
SIGMAX_FOR_EACH_ACTIVATION(cuda_golden);

// Passing, it allows a build with -DSIGMAX_CUDA_NEWTON=ON from sm_120 on; below, failing, it forbids what is built.
TEST(cuda_reciprocal, newton_is_right_for_every_input) {
  const device_memory memory(sizeof(reciprocal_faults));
  CUDA_OK(cudaMemset(memory.data(), 0, sizeof(reciprocal_faults)));
  sweep_reciprocals(reinterpret_cast<reciprocal_faults*>(memory.data()));
  reciprocal_faults faults{};
  memory.download(&faults);
  EXPECT_EQ(faults.reference, 0u);
  EXPECT_EQ(faults.newton, 0u) << "the last of them has bits " << std::hex << faults.first_bits;
}

TEST(cuda_stream, calls_run_where_they_are_told) {
  constexpr std::int64_t n = 1 << 20;
  const std::vector<float> x = logits(n, 3, 1);
  const device_memory a(4 * n), b(4 * n);
  write(a, x);
  write(b, x);
  cudaStream_t streams[2];
  for (cudaStream_t& s : streams) CUDA_OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  for (int i = 0; i < 10; ++i)
    for (int k = 0; k < 2; ++k) {
      options how;
      how.stream = streams[k];
      const view y = floats(k == 0 ? a : b, n);
      ASSERT_TRUE(activate(activation::tanh, y, y, how).ok());
    }
  for (cudaStream_t s : streams) CUDA_OK(cudaStreamSynchronize(s));
  std::vector<float> expected = x;
  for (int i = 0; i < 10; ++i) expected = run(activation::tanh, expected, {});
  for (const device_memory* m : {&a, &b}) {
    const std::vector<float> got = read(*m, n);
    for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(same_bits(got[i], expected[i]));
  }
  for (cudaStream_t s : streams) CUDA_OK(cudaStreamDestroy(s));
}

// Each kernel of the chain reads what the one before it wrote; also captured in a graph, and replayed on new input.
TEST(cuda_stream, dependent_launches_and_graphs) {
  constexpr std::int64_t n = 300001;
  constexpr activation chain[] = {activation::gelu, activation::linear, activation::softsign, activation::exp};
  for (const bool dependent : {false, true}) {
    const device_memory x(4 * n), y(4 * n);
    write(x, logits(n, 2, 0));
    cudaStream_t stream;
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    options how;
    how.stream = stream;
    how.dependent_launch = dependent;
    ASSERT_TRUE(activate(activation::gelu, floats(x, n), floats(y, n), how).ok());  // loads modules before the capture
    CUDA_OK(cudaStreamSynchronize(stream));
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    ASSERT_TRUE(activate(chain[0], floats(x, n), floats(y, n), how).ok());
    for (int i = 1; i < 40; ++i) ASSERT_TRUE(activate(chain[i % 4], floats(y, n), floats(y, n), how).ok());
    cudaGraph_t graph;
    cudaGraphExec_t replay;
    CUDA_OK(cudaStreamEndCapture(stream, &graph));
    CUDA_OK(cudaGraphInstantiate(&replay, graph, 0));
    for (unsigned seed : {1u, 2u}) {
      std::vector<float> expected = logits(n, 2, seed);
      write(x, expected);
      CUDA_OK(cudaGraphLaunch(replay, stream));
      CUDA_OK(cudaStreamSynchronize(stream));
      for (int i = 0; i < 40; ++i) expected = run(chain[i % 4], expected, {});
      const std::vector<float> got = read(y, n);
      for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(same_bits(got[i], expected[i])) << i;
    }
    CUDA_OK(cudaGraphExecDestroy(replay));
    CUDA_OK(cudaGraphDestroy(graph));
    CUDA_OK(cudaStreamDestroy(stream));
  }
}

TEST(cuda_stream, dependent_launches_of_gates) {
  constexpr std::int64_t n = 300001;
  const std::vector<float> x = logits(n, 2, 1), first = logits(n, 2, 2);
  const device_memory a(4 * n), b(4 * n);
  write(a, first);
  write(b, x);
  cudaStream_t stream;
  CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  options how;
  how.stream = stream;
  how.dependent_launch = true;
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(activate_gated(gate::glu, floats(a, n), floats(b, n), floats(a, n), how).ok());
  CUDA_OK(cudaStreamSynchronize(stream));
  std::vector<float> expected = first;
  for (int i = 0; i < 20; ++i) expected = run(gate::glu, expected, x, {});
  const std::vector<float> got = read(a, n);
  for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(same_bits(got[i], expected[i])) << i;
  CUDA_OK(cudaStreamDestroy(stream));
}

/// Rows in one block each and in clusters, and a gradient, each of which reads what the one before it wrote.
TEST(cuda_stream, dependent_launches_of_rows) {
  for (const std::int64_t columns : {100, 5000, 40000}) {
    const std::int64_t rows = 200000 / columns, n = rows * columns, shape[] = {rows, columns};
    const device_memory x(4 * n), y(4 * n), dx(4 * n);
    write(x, logits(static_cast<std::size_t>(n), 2, 1));
    const auto at = [&](const device_memory& m) {
      view v(m.data(), dtype::f32, shape);
      v.where = memory::cuda;
      return v;
    };
    std::vector<float> results[2];
    for (const bool dependent : {false, true}) {
      cudaStream_t stream;
      CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
      options how;
      how.stream = stream;
      how.dependent_launch = dependent;
      ASSERT_TRUE(softmax(at(x), at(y), 1, how).ok());
      for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(activate(activation::gelu, at(y), at(y), how).ok());
        ASSERT_TRUE(softmax(at(y), at(y), 1, how).ok());
      }
      ASSERT_TRUE(softmax_gradient(at(x), at(y), at(dx), 1, 1, how).ok());
      CUDA_OK(cudaStreamSynchronize(stream));
      CUDA_OK(cudaStreamDestroy(stream));
      results[dependent] = read(dx, n);
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) ASSERT_TRUE(same_bits(results[0][i], results[1][i])) << i;
  }
}

// Of bf16, in place of a, 8 GiB: as rows, and strided.
TEST(cuda_large, gates_of_more_than_2_to_the_31_elements) {
  constexpr std::int64_t columns = 4104, rows = (std::int64_t{1} << 31) / columns + 10, n = 2 * rows * columns;
  std::size_t free = 0, total = 0;
  CUDA_OK(cudaMemGetInfo(&free, &total));
  if (free < std::size_t{10} << 30) GTEST_SKIP() << "less than 10 GiB of device memory";
  const device_memory memory(static_cast<std::size_t>(2 * n));
  for (const gate_layout layout : {gate_layout::halves, gate_layout::interleaved}) {
    CUDA_OK(cudaMemset(memory.data(), 0xc0, static_cast<std::size_t>(2 * n)));  // 0xc0c0 is -6.02
    view packed(memory.data(), dtype::bf16, {rows, 2 * columns});
    packed.where = sigmax::memory::cuda;
    const auto [a, b] = split(packed, layout);
    ASSERT_TRUE(activate_gated(gate::reglu, a, b, a).ok());
    std::vector<std::uint16_t> got(static_cast<std::size_t>(n));
    memory.download(got.data());
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const bool of_a = layout == gate_layout::halves ? i % (2 * columns) < columns : i % 2 == 0;
      wrong += got[static_cast<std::size_t>(i)] != (of_a ? 0x8000 : 0xc0c0);  // 0 * -6.02 is -0
    }
    EXPECT_EQ(wrong, 0);
  }
}

// bf16 in place, 4 GiB: contiguous, and every other element of 8 GiB, whose numbers do not fit 31 bits either.
TEST(cuda_large, more_than_2_to_the_31_elements) {
  constexpr std::int64_t n = (std::int64_t{1} << 31) + 12345;
  std::size_t free = 0, total = 0;
  CUDA_OK(cudaMemGetInfo(&free, &total));
  if (free < std::size_t{10} << 30) GTEST_SKIP() << "less than 10 GiB of device memory";
  const device_memory memory(static_cast<std::size_t>(4 * n));
  for (const std::int64_t stride : {1, 2}) {
    CUDA_OK(cudaMemset(memory.data(), 0xc0, static_cast<std::size_t>(4 * n)));  // 0xc0c0 is -6.02
    view v = on_device(memory.data(), dtype::bf16, n);
    v.strides[0] = stride;
    ASSERT_TRUE(activate(activation::relu, v, v).ok());
    std::vector<std::uint16_t> got(static_cast<std::size_t>(2 * n));
    memory.download(got.data());
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < 2 * n; ++i) {
      const bool touched = i % stride == 0 && i / stride < n;
      wrong += got[static_cast<std::size_t>(i)] != (touched ? 0 : 0xc0c0);
    }
    EXPECT_EQ(wrong, 0);
  }
}

TEST(cuda_errors, what_the_runtime_refuses_is_a_status) {
  const device_memory memory(4096);
  const view y = floats(memory, 100);
  cudaStream_t capturing;
  CUDA_OK(cudaStreamCreate(&capturing));
  CUDA_OK(cudaStreamBeginCapture(capturing, cudaStreamCaptureModeGlobal));
  const status s = activate(activation::relu, y, y);  // on the legacy stream, which would wait for the capture
  EXPECT_EQ(s.code, status_code::backend_error);
  EXPECT_NE(std::string(s.message).find("cudaErrorStreamCaptureImplicit"), std::string::npos) << s.message;
  cudaGraph_t graph = nullptr;
  EXPECT_NE(cudaStreamEndCapture(capturing, &graph), cudaSuccess);
  static_cast<void>(cudaGetLastError());
  CUDA_OK(cudaStreamDestroy(capturing));
  EXPECT_TRUE(activate(activation::relu, y, y).ok());
  CUDA_OK(cudaDeviceSynchronize());
}

TEST(cuda_memory, managed_memory_runs_on_either) {
  float* x = nullptr;
  CUDA_OK(cudaMallocManaged(reinterpret_cast<void**>(&x), 4 * 1000));
  for (int i = 0; i < 1000; ++i) x[i] = static_cast<float>(i - 500);
  view v(x, 1000);
  v.where = memory::managed;
  ASSERT_TRUE(activate(activation::leaky_relu, v, v).ok());
  EXPECT_EQ(x[0], -50);
  options how;
  how.where = backend::cuda;
  ASSERT_TRUE(activate(activation::leaky_relu, v, v, how).ok());
  CUDA_OK(cudaDeviceSynchronize());
  EXPECT_EQ(x[0], -5);
  CUDA_OK(cudaFree(x));
}

}  // namespace
}  // namespace sigmax_test
