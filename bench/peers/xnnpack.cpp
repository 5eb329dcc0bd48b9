// XNNPACK: one operator an op, without a thread pool. Its header gives no version.
#include "../peer.hpp"

#include <xnnpack.h>

#include <limits>
#include <memory>

namespace sigmax_bench {
namespace {

using setup_function = xnn_status (*)(xnn_operator_t, std::size_t, const float*, float*, pthreadpool_t);

// By reference: the operator is made while the arguments are.
peer_call call_of(xnn_status created, const xnn_operator_t& op, setup_function setup, std::size_t batch) {
  if (created != xnn_status_success) return {};
  const std::shared_ptr<xnn_operator> owner(op, xnn_delete_operator);
  return [=](const float* x, float* y) {
    setup(owner.get(), batch, x, y, nullptr);
    xnn_run_operator(owner.get(), nullptr);
  };
}

peer_call make(const operation& op, const extent& size) {
  using enum sigmax::activation;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto n = static_cast<std::size_t>(size.elements());
  xnn_operator_t made = nullptr;
  const auto clamp = [&](float low, float high) {
    return call_of(xnn_create_clamp_nc_f32(1, 1, 1, low, high, 0, &made), made, xnn_setup_clamp_nc_f32, n);
  };
  if (op.kind == op_kind::softmax) {
    const auto columns = static_cast<std::size_t>(size.cols);
    return call_of(xnn_create_softmax_nc_f32(columns, columns, columns, 0, &made), made, xnn_setup_softmax_nc_f32,
                   static_cast<std::size_t>(size.rows));
  }
  if (op.kind != op_kind::activation) return {};
  switch (op.function) {
    case relu: return clamp(0, infinity);
    case relu6: return clamp(0, 6);
    case clip: return clamp(-1, 1);
    case leaky_relu:
      return call_of(xnn_create_leaky_relu_nc_f32(1, 1, 1, 0.1f, 0, &made), made, xnn_setup_leaky_relu_nc_f32, n);
    case elu:
    case celu: return call_of(xnn_create_elu_nc_f32(1, 1, 1, 1.0f, 0, &made), made, xnn_setup_elu_nc_f32, n);
    case hard_swish:
      return call_of(xnn_create_hardswish_nc_f32(1, 1, 1, 0, &made), made, xnn_setup_hardswish_nc_f32, n);
    case sigmoid: return call_of(xnn_create_sigmoid_nc_f32(1, 1, 1, 0, &made), made, xnn_setup_sigmoid_nc_f32, n);
    default: return {};
  }
}

}  // namespace

peer xnnpack_peer() {
  return {"xnnpack", "unversioned", xnn_initialize(nullptr) == xnn_status_success ? make : nullptr};
}

}  // namespace sigmax_bench
