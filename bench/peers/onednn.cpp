// oneDNN: one eltwise or softmax primitive an op. Debian's build uses OpenMP, so the calling thread's team is set to
// one; sigmax's own pool names its team's size and does not see it.
#include "../peer.hpp"

#include <dnnl.hpp>
#include <omp.h>

#include <memory>
#include <optional>

namespace sigmax_bench {
namespace {

struct eltwise {
  dnnl::algorithm algorithm;
  float alpha = 0, beta = 0;
};

std::optional<eltwise> eltwise_of(sigmax::activation op) {
  using enum sigmax::activation;
  using enum dnnl::algorithm;
  switch (op) {
    case linear: return eltwise{eltwise_linear, 1, 0};
    case relu: return eltwise{eltwise_relu};
    case relu6: return eltwise{eltwise_clip_v2, 0, 6};
    case clip: return eltwise{eltwise_clip_v2, -1, 1};
    case leaky_relu: return eltwise{eltwise_relu, 0.1f};
    case elu:
    case celu: return eltwise{eltwise_elu, 1};
    case gelu: return eltwise{eltwise_gelu_erf};
    case gelu_tanh: return eltwise{eltwise_gelu_tanh};
    case quick_gelu: return eltwise{eltwise_swish, 1.702f};
    case silu: return eltwise{eltwise_swish, 1};
    case hard_swish: return eltwise{eltwise_hardswish};
    case sigmoid: return eltwise{eltwise_logistic};
    case log_sigmoid: return eltwise{eltwise_logsigmoid};
    case sigmax::activation::tanh: return eltwise{eltwise_tanh};
    case softplus: return eltwise{eltwise_soft_relu};
    case mish: return eltwise{eltwise_mish};
    case sigmax::activation::exp: return eltwise{eltwise_exp};
    default: return {};
  }
}

peer_call make(const operation& op, const extent& size) {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  static thread_local dnnl::stream stream(engine);
  omp_set_num_threads(1);
  const auto f32 = dnnl::memory::data_type::f32;
  const auto inference = dnnl::prop_kind::forward_inference;
  const dnnl::memory::dims shape =
      op.by_rows() ? dnnl::memory::dims{size.rows, size.cols} : dnnl::memory::dims{size.elements()};
  const dnnl::memory::desc layout(shape, f32,
                                  op.by_rows() ? dnnl::memory::format_tag::ab : dnnl::memory::format_tag::a);
  dnnl::primitive primitive;
  if (op.kind == op_kind::softmax) {
    primitive = dnnl::softmax_forward({{inference, layout, 1}, engine});
  } else if (op.kind == op_kind::log_softmax) {
    primitive = dnnl::logsoftmax_forward({{inference, layout, 1}, engine});
  } else if (const auto known = op.kind == op_kind::activation ? eltwise_of(op.function) : std::nullopt) {
    primitive = dnnl::eltwise_forward({{inference, known->algorithm, layout, known->alpha, known->beta}, engine});
  } else {
    return {};
  }
  auto in = std::make_shared<dnnl::memory>(layout, engine, nullptr);
  auto out = std::make_shared<dnnl::memory>(layout, engine, nullptr);
  return [=](const float* x, float* y) {
    in->set_data_handle(const_cast<float*>(x));  // its interface has no const; it only reads
    out->set_data_handle(y);
    primitive.execute(stream, {{DNNL_ARG_SRC, *in}, {DNNL_ARG_DST, *out}});
    stream.wait();
  };
}

}  // namespace

peer onednn_peer() {
  const dnnl_version_t* v = dnnl_version();
  return {"onednn", std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch), make};
}

}  // namespace sigmax_bench
