#include "../cudnn.hpp"

#include <cudnn.h>
#include <dlfcn.h>
#include <fmt/core.h>

#include <limits>
#include <memory>
#include <optional>

namespace sigmax_bench {
namespace {

/// The functions that are called, by the types of the header.
struct library {
  decltype(&cudnnGetVersion) version = nullptr;
  decltype(&cudnnGetErrorString) error_text = nullptr;
  decltype(&cudnnCreate) create = nullptr;
  decltype(&cudnnDestroy) destroy = nullptr;
  decltype(&cudnnSetStream) set_stream = nullptr;
  decltype(&cudnnCreateTensorDescriptor) create_tensor = nullptr;
  decltype(&cudnnDestroyTensorDescriptor) destroy_tensor = nullptr;
  decltype(&cudnnSetTensor4dDescriptor) set_tensor = nullptr;
  decltype(&cudnnCreateActivationDescriptor) create_activation = nullptr;
  decltype(&cudnnDestroyActivationDescriptor) destroy_activation = nullptr;
  decltype(&cudnnSetActivationDescriptor) set_activation = nullptr;
  decltype(&cudnnActivationForward) activation_forward = nullptr;
  decltype(&cudnnSoftmaxForward) softmax_forward = nullptr;

  cudnn_state state;

  // Never closed: cuDNN keeps state of its own.
  library() {
    void* handle = dlopen(SIGMAX_BENCH_CUDNN, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) handle = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);  // built elsewhere
    if (handle == nullptr) {
      state.problem = dlerror();
      return;
    }
    const auto find = [&](auto& function, const char* name) {
      void* symbol = dlsym(handle, name);
      if (symbol == nullptr) state.problem = fmt::format("{} has no {}", SIGMAX_BENCH_CUDNN, name);
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
    };
    find(version, "cudnnGetVersion");
    find(error_text, "cudnnGetErrorString");
    find(create, "cudnnCreate");
    find(destroy, "cudnnDestroy");
    find(set_stream, "cudnnSetStream");
    find(create_tensor, "cudnnCreateTensorDescriptor");
    find(destroy_tensor, "cudnnDestroyTensorDescriptor");
    find(set_tensor, "cudnnSetTensor4dDescriptor");
    find(create_activation, "cudnnCreateActivationDescriptor");
    find(destroy_activation, "cudnnDestroyActivationDescriptor");
    find(set_activation, "cudnnSetActivationDescriptor");
    find(activation_forward, "cudnnActivationForward");
    find(softmax_forward, "cudnnSoftmaxForward");
    if (!state.problem.empty()) return;
    const std::size_t number = version();  // 91300 is 9.13.0, 8907 was 8.9.7
    const std::size_t major = number >= 10000 ? 10000 : 1000;
    state.version = fmt::format("{}.{}.{}", number / major, number % major / 100, number % 100);
  }
};

const library& loaded() {
  static const library one;
  return one;
}

std::optional<cudnnActivationMode_t> mode_of(sigmax::activation function) {
  using sigmax::activation;
  switch (function) {
    case activation::sigmoid: return CUDNN_ACTIVATION_SIGMOID;
    case activation::relu: return CUDNN_ACTIVATION_RELU;
    case activation::tanh: return CUDNN_ACTIVATION_TANH;
    case activation::relu6: return CUDNN_ACTIVATION_CLIPPED_RELU;
    case activation::elu: return CUDNN_ACTIVATION_ELU;
    case activation::silu: return CUDNN_ACTIVATION_SWISH;
    default: return {};
  }
}

/// Handle and descriptors of one case.
class context {
 public:
  context(const bench_case& c, cudaStream_t stream) : softmax_(c.op.plain_softmax()) {
    const library& l = loaded();
    logarithm_ = c.op.kind == op_kind::log_softmax;
    const auto type = c.type == sigmax::dtype::f32   ? CUDNN_DATA_FLOAT
                      : c.type == sigmax::dtype::f16 ? CUDNN_DATA_HALF
                                                     : CUDNN_DATA_BFLOAT16;
    const std::int64_t n = softmax_ ? c.size.all_rows() : 1, columns = softmax_ ? c.size.cols : c.size.elements();
    if (n > std::numeric_limits<int>::max() || columns > std::numeric_limits<int>::max()) {
      status_ = CUDNN_STATUS_NOT_SUPPORTED;  // extents are of type int
      return;
    }
    // A row is one image's channels: with mode INSTANCE, the softmax of contiguous numbers.
    take(l.create(&handle_));
    if (ok()) take(l.set_stream(handle_, stream));
    if (ok()) take(l.create_tensor(&tensor_));
    if (ok())
      take(l.set_tensor(tensor_, CUDNN_TENSOR_NCHW, type, static_cast<int>(n), static_cast<int>(columns), 1, 1));
    if (softmax_ || !ok()) return;
    const cudnnActivationMode_t mode = *mode_of(c.op.function);
    // The ceiling of relu6, elu's alpha; swish has a beta of its own, 1 unless set.
    const double coefficient = mode == CUDNN_ACTIVATION_CLIPPED_RELU ? 6 : 1;
    take(l.create_activation(&activation_));
    if (ok()) take(l.set_activation(activation_, mode, CUDNN_PROPAGATE_NAN, coefficient));
  }
  ~context() {
    const library& l = loaded();
    if (activation_ != nullptr) l.destroy_activation(activation_);
    if (tensor_ != nullptr) l.destroy_tensor(tensor_);
    if (handle_ != nullptr) l.destroy(handle_);
  }
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  std::string run(const void* x, void* y) {
    const library& l = loaded();
    const float one = 1, zero = 0;
    cudnnStatus_t s = status_;
    if (ok() && softmax_) {
      s = l.softmax_forward(handle_, logarithm_ ? CUDNN_SOFTMAX_LOG : CUDNN_SOFTMAX_ACCURATE,
                            CUDNN_SOFTMAX_MODE_INSTANCE, &one, tensor_, x, &zero, tensor_, y);
    } else if (ok()) {
      s = l.activation_forward(handle_, activation_, &one, tensor_, x, &zero, tensor_, y);
    }
    return s == CUDNN_STATUS_SUCCESS ? "" : l.error_text(s);
  }

 private:
  bool ok() const { return status_ == CUDNN_STATUS_SUCCESS; }
  void take(cudnnStatus_t s) { status_ = s; }

  bool softmax_, logarithm_ = false;
  cudnnStatus_t status_ = CUDNN_STATUS_SUCCESS;
  cudnnHandle_t handle_ = nullptr;
  cudnnTensorDescriptor_t tensor_ = nullptr;
  cudnnActivationDescriptor_t activation_ = nullptr;
};

}  // namespace

const cudnn_state& cudnn() { return loaded().state; }

cudnn_call make_cudnn_call(const bench_case& c, void* stream) {
  const bool known = c.op.plain_softmax() || (c.op.kind == op_kind::activation && mode_of(c.op.function));
  if (!cudnn().problem.empty() || !known || c.misaligned) return {};
  const auto made = std::make_shared<context>(c, static_cast<cudaStream_t>(stream));
  return [made](const void* x, void* y) { return made->run(x, y); };
}

}  // namespace sigmax_bench
