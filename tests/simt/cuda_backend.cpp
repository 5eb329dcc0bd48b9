// The CUDA backend with its launches run by the emulator: takes the place of cuda/launch.cpp and cuda/absent.cpp, so
// that the public calls go through dispatch, policy and the kernels on the CPU. Its device memory is the host's.
#include "emulator.hpp"

#include <tuple>

#include "../../cuda/launch.hpp"
#include "../../kernels/cuda_backend.hpp"
#include "cuda_backend.hpp"
#include "transfers.hpp"

namespace sigmax_test {
emulated_device device;
}

namespace sigmax {

const char* cuda_missing_because() noexcept { return sigmax_test::device.missing; }

status count_multiprocessors(int& count) noexcept {
  count = sigmax_test::device.multiprocessors;
  return {};
}

status query_device(device_limits& device) noexcept {
  const sigmax_test::emulated_device& emulated = sigmax_test::device;
  device = {emulated.architecture, emulated.multiprocessors, emulated.shared_bytes};
  return {};
}

template <class... Arguments>
status launch(void (*kernel)(Arguments...), const launch_shape& shape, const options& how, Arguments... arguments) {
  ++sigmax_test::device.launches;
  if (sigmax_test::runtime.calls++ == sigmax_test::runtime.fails_at)
    return failure(status_code::backend_error, "CUDA launch: refused by the test");
  if constexpr ((std::is_same_v<Arguments, contiguous_arguments> || ...))
    if (sigmax_test::device.recorded != nullptr) {
      const auto& a = std::get<contiguous_arguments&>(std::tie(arguments...));
      sigmax_test::device.recorded->push_back(
          {shape.blocks, shape.tiles, a.tile_bytes, a.n, a.first_in[0], a.first_out});
      return {};
    }
  const auto work = [=] {
    const sigmax_test::emulated_device& device = sigmax_test::device;
    const unsigned most = device.most_blocks / shape.cluster * shape.cluster;
    const std::string error = simt::run({.grid = {shape.blocks < most ? shape.blocks : most},
                                         .block = {shape.threads},
                                         .cluster = shape.cluster,
                                         .dynamic_shared = static_cast<std::size_t>(shape.shared_bytes)},
                                        device.order, device.seed, [&] { kernel(arguments...); });
    return error.empty() ? status{} : failure(status_code::backend_error, "%s", error.c_str());
  };
  return sigmax_test::enqueue(how.stream, work) ? status{} : work();
}

}  // namespace sigmax

#include "../../cuda/elementwise.cpp"
#include "../../cuda/gates.cpp"
#include "../../cuda/quantised.cpp"
#include "../../cuda/softmax.cpp"
