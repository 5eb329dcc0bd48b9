#include "cuda_device.hpp"

#include "command.hpp"

#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <random>

namespace sigmax_bench {
namespace {

void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw usage_error(fmt::format("{}: {}", what, cudaGetErrorString(error)));
}
void require(const sigmax::status& s) {
  if (!s.ok()) throw usage_error(s.message);
}

struct free_device {
  void operator()(void* p) const { static_cast<void>(cudaFree(p)); }
};
using device_bytes = std::unique_ptr<void, free_device>;
device_bytes allocate(std::size_t bytes) {
  void* p = nullptr;
  require(cudaMalloc(&p, bytes), "cudaMalloc");
  return device_bytes(p);
}

sigmax::view tensor(void* data, sigmax::dtype type, std::int64_t n, sigmax::memory where) {
  sigmax::view v(data, type, {n});
  v.where = where;
  return v;
}

sigmax::status call(const bench_case& c, void* const* in, void* out, std::int64_t n, sigmax::memory where,
                    const sigmax::options& how) {
  const auto at = [&](void* p) { return tensor(p, c.type, n, where); };
  if (c.op.kind == op_kind::gated) return sigmax::activate_gated(c.op.gate, at(in[0]), at(in[1]), at(out), how);
  return c.op.kind == op_kind::gradient ? sigmax::activation_gradient(c.op.function, at(in[0]), at(in[1]), at(out), how)
                                        : sigmax::activate(c.op.function, at(in[0]), at(out), how);
}

/// One set of tensors.
struct buffers {
  device_bytes in[2], out;
  void* inputs[2] = {};
};

/// A pattern of small numbers, the same on every machine; 16-bit values by the widest dtype's upper bits.
std::vector<std::byte> numbers(sigmax::dtype type, std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  std::vector<std::byte> image(n * static_cast<std::size_t>(size_of(type)));
  const auto count = static_cast<std::int64_t>(n);
  require(sigmax::activate(sigmax::activation::linear, sigmax::const_view(x.data(), count),
                           sigmax::view(image.data(), type, {count})));
  return image;
}

constexpr std::int64_t most_verified = 65536;

void verify(const bench_case& c, const buffers& b, const sigmax::options& how) {
  const std::int64_t n = std::min(c.size.elements(), most_verified), size = size_of(c.type);
  const auto bytes = static_cast<std::size_t>(n * size);
  sigmax::options on_cpu = how;
  on_cpu.stream = nullptr;
  for (const std::int64_t first : {std::int64_t{0}, c.size.elements() - n}) {
    std::vector<std::byte> in[2], got(bytes), expected(bytes);
    void* inputs[2] = {};
    for (int i = 0; i < 2 && b.inputs[i] != nullptr; ++i) {
      in[i].resize(bytes);
      require(cudaMemcpy(in[i].data(), static_cast<std::byte*>(b.inputs[i]) + first * size, bytes, cudaMemcpyDefault),
              "copy");
      inputs[i] = in[i].data();
    }
    require(cudaMemcpy(got.data(), static_cast<std::byte*>(b.out.get()) + first * size, bytes, cudaMemcpyDefault),
            "copy");
    require(call(c, inputs, expected.data(), n, sigmax::memory::host, on_cpu));
    if (got != expected) throw usage_error(fmt::format("{}: the results on CUDA are not those of the CPU", c.name()));
  }
}

/// Milliseconds of each replay of a graph of `calls` calls of work(i).
std::vector<double> replay(cudaStream_t stream, int calls, double min_seconds, const std::function<void(int)>& work) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t replay = nullptr;
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  for (int i = 0; i < calls; ++i) work(i);
  require(cudaStreamEndCapture(stream, &graph), "capture");
  require(cudaGraphInstantiate(&replay, graph, 0), "graph");
  cudaEvent_t begin = nullptr, end = nullptr;
  require(cudaEventCreate(&begin), "event");
  require(cudaEventCreate(&end), "event");
  for (int warm = 0; warm < 3; ++warm) require(cudaGraphLaunch(replay, stream), "graph");
  std::vector<double> times;
  for (double spent = 0; spent < 1e3 * min_seconds || times.size() < 5;) {
    require(cudaEventRecord(begin, stream), "event");
    require(cudaGraphLaunch(replay, stream), "graph");
    require(cudaEventRecord(end, stream), "event");
    require(cudaEventSynchronize(end), "work on the device");
    float milliseconds = 0;
    require(cudaEventElapsedTime(&milliseconds, begin, end), "event");
    times.push_back(static_cast<double>(milliseconds));
    spent += times.back();
  }
  std::sort(times.begin(), times.end());
  static_cast<void>(cudaEventDestroy(begin));
  static_cast<void>(cudaEventDestroy(end));
  static_cast<void>(cudaGraphExecDestroy(replay));
  static_cast<void>(cudaGraphDestroy(graph));
  return times;
}

std::int64_t attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  require(cudaGetDevice(&device), "device");
  require(cudaDeviceGetAttribute(&value, which, device), "device");
  return value;
}

std::string version_text(int version) { return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

nlohmann::ordered_json cuda_device_block() {
  require(sigmax::cuda_available());
  cudaDeviceProp about{};
  int driver = 0, runtime = 0;
  require(cudaGetDeviceProperties(&about, 0), "device");
  require(cudaDriverGetVersion(&driver), "driver");
  require(cudaRuntimeGetVersion(&runtime), "runtime");
  return {{"name", about.name},
          {"compute_capability", fmt::format("{}.{}", about.major, about.minor)},
          {"multiprocessors", about.multiProcessorCount},
          {"mhz", attribute(cudaDevAttrClockRate) / 1000},
          {"memory_mhz", attribute(cudaDevAttrMemoryClockRate) / 1000},
          {"l2_bytes", about.l2CacheSize},
          {"memory_bytes", about.totalGlobalMem},
          {"driver", version_text(driver)},
          {"runtime", version_text(runtime)}};
}

cuda_timing time_on_cuda(const bench_case& c, double min_seconds) {
  const std::int64_t n = c.size.elements();
  const auto bytes = static_cast<std::size_t>(n * size_of(c.type));
  const int inputs = c.op.takes_dy() ? 2 : 1;
  cuda_timing t{};
  t.buffers = static_cast<int>(2 * attribute(cudaDevAttrL2CacheSize) / c.bytes()) + 1;
  // Near a millisecond a graph, if a call moves 3 TB/s and takes 2 us at least.
  t.calls = std::max(t.buffers, static_cast<int>(1e-3 / std::max(2e-6, static_cast<double>(c.bytes()) / 3e12)));

  std::vector<buffers> sets(static_cast<std::size_t>(t.buffers));
  const std::size_t pattern = std::min<std::size_t>(static_cast<std::size_t>(n), std::size_t{1} << 20);
  for (buffers& b : sets) {
    b.out = allocate(bytes);
    for (int i = 0; i < inputs; ++i) {
      const std::vector<std::byte> image = numbers(c.type, pattern, static_cast<unsigned>(i + 1));
      b.in[i] = allocate(bytes);
      b.inputs[i] = b.in[i].get();
      for (std::size_t at = 0; at < bytes; at += image.size())
        require(cudaMemcpy(static_cast<std::byte*>(b.inputs[i]) + at, image.data(), std::min(image.size(), bytes - at),
                           cudaMemcpyDefault),
                "copy");
    }
  }
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  sigmax::options how;
  how.stream = stream;
  how.accuracy = c.op.accuracy;
  const auto run = [&](int i) {
    const buffers& b = sets[static_cast<std::size_t>(i % t.buffers)];
    require(call(c, b.inputs, b.out.get(), n, sigmax::memory::cuda, how));
  };
  run(0);
  require(cudaStreamSynchronize(stream), "work on the device");
  verify(c, sets[0], how);
  const auto times = replay(stream, t.calls, min_seconds, run);
  // A copy reads and writes as much as this call altogether: of three tensors, one and a half.
  const auto copied = static_cast<std::size_t>(c.bytes() / 2);
  const auto copies = replay(stream, t.calls, min_seconds, [&](int i) {
    const buffers& b = sets[static_cast<std::size_t>(i % t.buffers)];
    require(cudaMemcpyAsync(b.out.get(), b.inputs[0], std::min(copied, bytes), cudaMemcpyDeviceToDevice, stream),
            "copy");
    if (copied > bytes)
      require(cudaMemcpyAsync(b.inputs[0], b.inputs[1], copied - bytes, cudaMemcpyDeviceToDevice, stream), "copy");
  });
  static_cast<void>(cudaStreamDestroy(stream));
  const auto a_call = [&](double milliseconds) { return 1e6 * milliseconds / t.calls; };
  t.ns = a_call(times[times.size() / 2]);
  t.lowest_ns = a_call(times.front());
  t.highest_ns = a_call(times.back());
  t.copy_ns = a_call(copies[copies.size() / 2]);
  return t;
}

transfer_figures time_transfers() {
  require(sigmax::cuda_available());
  constexpr std::size_t bytes = std::size_t{256} << 20;
  const device_bytes a = allocate(bytes), b = allocate(bytes);
  void* host = nullptr;
  require(cudaMallocHost(&host, bytes), "cudaMallocHost");
  const std::unique_ptr<void, cudaError_t (*)(void*)> pinned(host, cudaFreeHost);
  std::fill_n(static_cast<char*>(host), bytes, char{1});
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  const auto median_seconds = [&](int times, const std::function<void()>& work) {
    std::vector<double> taken;
    for (int i = 0; i < times; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      work();
      require(cudaStreamSynchronize(stream), "work on the device");
      taken.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    std::nth_element(taken.begin(), taken.begin() + times / 2, taken.end());
    return taken[static_cast<std::size_t>(times / 2)];
  };
  const auto move = [&](void* to, const void* from, std::size_t n) {
    require(cudaMemcpyAsync(to, from, n, cudaMemcpyDefault, stream), "copy");
  };
  sigmax::options how;
  how.stream = stream;
  const auto one = [&](void* data) { return tensor(data, sigmax::dtype::f32, 1, sigmax::memory::cuda); };
  constexpr auto size = static_cast<double>(bytes);
  transfer_figures f{};
  f.to_device = size / median_seconds(9, [&] { move(a.get(), host, bytes); });
  f.from_device = size / median_seconds(9, [&] { move(host, a.get(), bytes); });
  f.on_device = 2 * size / median_seconds(9, [&] { move(b.get(), a.get(), bytes); });
  f.launch_ns = 1e9 * median_seconds(201, [&] {
                  move(a.get(), host, sizeof(float));
                  require(sigmax::activate(sigmax::activation::relu, one(a.get()), one(b.get()), how));
                  move(host, b.get(), sizeof(float));
                });
  static_cast<void>(cudaStreamDestroy(stream));
  return f;
}

}  // namespace sigmax_bench
