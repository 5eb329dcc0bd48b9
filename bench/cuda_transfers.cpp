#include "cuda_device.hpp"
#include "cuda_memory.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace sigmax_bench {

transfer_figures time_transfers() {
  require_device();
  constexpr std::size_t bytes = std::size_t{256} << 20;
  const device_bytes a = allocate(bytes), b = allocate(bytes);
  void* host = nullptr;
  require(cudaMallocHost(&host, bytes), "cudaMallocHost");
  const std::unique_ptr<void, cudaError_t (*)(void*)> pinned(host, cudaFreeHost);
  std::fill_n(static_cast<char*>(host), bytes, char{1});
  const device_stream stream;
  const auto median_seconds = [&](int times, const std::function<void()>& work) {
    std::vector<double> taken;
    for (int i = 0; i < times; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      work();
      stream.wait();
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
  const auto one = [](void* data) {
    sigmax::view v(data, sigmax::dtype::f32, {1});
    v.where = sigmax::memory::cuda;
    return v;
  };
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
  return f;
}

}  // namespace sigmax_bench
