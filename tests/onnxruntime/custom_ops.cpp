// ONNX Runtime with sigmax's kernels: a custom-op library of the domain "sigmax". An engine's threads, memory and
// errors meet ours: outputs are the runtime's, tasks run on its pool, a refused call becomes its status.
//
//   Activation(X) -> Y   attribute activation (string): its name
//   Softmax(X) -> Y      attribute axis (int)
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#undef ORT_API_MANUAL_INIT
#include <sigmax/sigmax.hpp>

#include <string>
#include <vector>

namespace {

using namespace sigmax;

OrtStatusPtr refuse(const std::string& why) {
  return Ort::Status(("sigmax: " + why).c_str(), ORT_INVALID_ARGUMENT).release();
}
/// Runs f; what the runtime's own C++ layer throws becomes a status, too.
template <class F>
OrtStatusPtr guarded(F f) {
  try {
    return f();
  } catch (const Ort::Exception& e) {
    return Ort::Status(e).release();
  }
}

/// The runtime's intra-op pool, which it lends to a kernel while that runs.
parallel_for pool_of(Ort::KernelContext& context, int threads) {
  return {[](void* pointer, std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
            struct work {
              void (*task)(void*, std::int64_t);
              void* argument;
            } w{task, argument};
            static_cast<Ort::KernelContext*>(pointer)->ParallelFor(
                [](void* given, std::size_t i) {
                  const work& job = *static_cast<work*>(given);
                  job.task(job.argument, static_cast<std::int64_t>(i));
                },
                static_cast<std::size_t>(tasks), static_cast<std::size_t>(tasks), &w);
          },
          &context, threads};
}

struct kernel {
  std::optional<activation> op;  ///< none: softmax
  int axis = -1;

  OrtStatusPtr ComputeV2(OrtKernelContext* raw) const {
    return guarded([&] { return run(raw); });
  }
  OrtStatusPtr run(OrtKernelContext* raw) const {
    Ort::KernelContext context(raw);
    const Ort::ConstValue x = context.GetInput(0);
    const std::vector<std::int64_t> shape = x.GetTensorTypeAndShapeInfo().GetShape();
    Ort::UnownedValue y = context.GetOutput(0, shape);
    const const_view in(x.GetTensorRawData(), dtype::f32, std::span(shape));
    const view out(y.GetTensorMutableRawData(), dtype::f32, std::span(shape));
    const options how{.threads = pool_of(context, 2)};
    const status s = op ? activate(*op, in, out, how) : softmax(in, out, axis, how);
    return s ? nullptr : refuse(s.message);
  }
};

template <class Op>
struct op_of_one_tensor : Ort::CustomOpBase<Op, kernel, true> {
  static constexpr ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  std::size_t GetInputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetInputType(std::size_t) const { return type; }
  std::size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(std::size_t) const { return type; }
};

struct activation_operator : op_of_one_tensor<activation_operator> {
  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** out) const {
    return guarded([&] {
      const auto name = Ort::ConstKernelInfo(info).GetAttribute<std::string>("activation");
      const auto op = find_activation(name);
      if (!op) return refuse("there is no activation " + name);
      *out = new kernel{op};
      return OrtStatusPtr{};
    });
  }
  const char* GetName() const { return "Activation"; }
};

struct softmax_operator : op_of_one_tensor<softmax_operator> {
  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** out) const {
    return guarded([&] {
      *out = new kernel{std::nullopt, static_cast<int>(Ort::ConstKernelInfo(info).GetAttribute<std::int64_t>("axis"))};
      return OrtStatusPtr{};
    });
  }
  const char* GetName() const { return "Softmax"; }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) OrtStatus* ORT_API_CALL
RegisterCustomOps(OrtSessionOptions* session_options, const OrtApiBase* base) {
  Ort::InitApi(base->GetApi(ORT_API_VERSION));
  static const activation_operator activations;
  static const softmax_operator softmaxes;
  return guarded([&] {
    Ort::CustomOpDomain domain("sigmax");
    domain.Add(&activations);
    domain.Add(&softmaxes);
    Ort::UnownedSessionOptions(session_options).Add(domain);
    domain.release();  // it must outlive the session, which the runtime does not tell
    return OrtStatusPtr{};
  });
}
