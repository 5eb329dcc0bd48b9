// The documented bounds on CUDA, whose rows add up in another order than the CPU's.
#include "bounds.hpp"
#include "cuda_tensor.hpp"

namespace sigmax_test {
namespace {

struct cuda_place {
  const char* name = "cuda";
  int batches = 300;
  std::mt19937 random;
  std::vector<std::unique_ptr<device_memory>> kept;
  std::vector<std::pair<const device_memory*, void*>> results;

  options with(accuracy tier = accuracy::high) {
    use(devices[random() % std::size(devices)]);
    return {.accuracy = tier};
  }
  template <class T>
  view out(std::vector<T>& v, dtype t, std::span<const std::int64_t> shape) {
    results.emplace_back(put(v), v.data());
    return there(t, shape);
  }
  template <class T>
  const_view in(const std::vector<T>& v, dtype t, std::span<const std::int64_t> shape) {
    put(v);
    return there(t, shape);
  }
  void fetch() {
    for (const auto& [from, to] : results) from->download(to);
    results.clear(), kept.clear();
  }

 private:
  template <class T>
  const device_memory* put(const std::vector<T>& v) {
    kept.push_back(std::make_unique<device_memory>(v.size() * sizeof(T)));
    kept.back()->upload(v.data());
    return kept.back().get();
  }
  view there(dtype t, std::span<const std::int64_t> shape) const {
    view v(kept.back()->data(), t, shape);
    v.where = memory::cuda;
    return v;
  }
};

TEST(cuda_bounds, of_softmax) {
  cuda_place place;
  expect_softmax_bounds(place);
}
TEST(cuda_bounds, of_gradients) {
  cuda_place place;
  expect_gradient_bounds(place);
}
TEST(cuda_bounds, of_losses) {
  cuda_place place;
  expect_loss_bounds(place);
}
TEST(cuda_bounds, of_gating) {
  cuda_place place;
  expect_gating_bounds(place);
}

}  // namespace
}  // namespace sigmax_test
