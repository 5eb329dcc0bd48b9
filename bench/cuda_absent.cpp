#include "command.hpp"
#include "cuda_device.hpp"

namespace sigmax_bench {
namespace {

[[noreturn]] void absent() { throw nothing_to_measure(sigmax::cuda_available().message); }

}  // namespace

nlohmann::ordered_json cuda_device_block() { absent(); }

cuda_timing time_on_cuda(const bench_case& /*c*/, double /*min_seconds*/, bool /*with_cudnn*/) { absent(); }

transfer_figures time_transfers() { absent(); }

}  // namespace sigmax_bench
