#include "command.hpp"
#include "cuda_device.hpp"

namespace sigmax_bench {

nlohmann::ordered_json cuda_device_block() { throw usage_error(sigmax::cuda_available().message); }

cuda_timing time_on_cuda(const bench_case& /*c*/, double /*min_seconds*/) {
  throw usage_error(sigmax::cuda_available().message);
}

transfer_figures time_transfers() { throw usage_error(sigmax::cuda_available().message); }

}  // namespace sigmax_bench
