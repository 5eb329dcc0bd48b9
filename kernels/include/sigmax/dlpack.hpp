// Views of DLPack tensors, without a copy: what frameworks exchange. Include your dlpack.h (0.6 or later) before this;
// sigmax brings none and needs none. A view lends the tensor's memory: the caller keeps the tensor for the call, and
// whoever made it calls its deleter.
#pragma once

#if !defined(DLPACK_VERSION) && !defined(DLPACK_MAJOR_VERSION)
#error "include dlpack.h before sigmax/dlpack.hpp"
#endif

#include <sigmax/sigmax.hpp>

#include <cstddef>

namespace sigmax {

/// `out` becomes a view of `tensor`: f32, f16, bf16, bool, i32, i64, f8_e4m3, f8_e5m2 and i8 in host, pinned, CUDA or
/// managed memory, any strides up to rank max_rank. Unsupported is what sigmax has no view of: other types, vector
/// lanes, other devices. The number of a CUDA device is the caller's business, as the current device is in CUDA.
template <class Pointer>
[[nodiscard]] status from_dlpack(const DLTensor& tensor, basic_view<Pointer>& out) noexcept {
  using enum status_code;
  constexpr int boolean_code = 6;                // kDLBool, which DLPack has since 0.7
  constexpr int e4m3_code = 10, e5m2_code = 12;  // kDLFloat8_e4m3fn and kDLFloat8_e5m2, since 1.1
  if (tensor.ndim < 0 || tensor.ndim > max_rank) return {invalid_argument, "DLTensor: its rank is not in [0, 8]"};
  if (tensor.ndim > 0 && tensor.shape == nullptr) return {invalid_argument, "DLTensor: shape is null"};
  basic_view<Pointer> v;
  const auto is = [&](int code, int bits) {
    return tensor.dtype.code == code && tensor.dtype.bits == bits && tensor.dtype.lanes == 1;
  };
  if (is(kDLFloat, 32)) {
    v.type = dtype::f32;
  } else if (is(kDLFloat, 16)) {
    v.type = dtype::f16;
  } else if (is(kDLBfloat, 16)) {
    v.type = dtype::bf16;
  } else if (is(boolean_code, 8)) {
    v.type = dtype::boolean;
  } else if (is(kDLInt, 32)) {
    v.type = dtype::i32;
  } else if (is(kDLInt, 64)) {
    v.type = dtype::i64;
  } else if (is(e4m3_code, 8)) {
    v.type = dtype::f8_e4m3;
  } else if (is(e5m2_code, 8)) {
    v.type = dtype::f8_e5m2;
  } else if (is(kDLInt, 8)) {
    v.type = dtype::i8;
  } else {
    return {unsupported, "DLTensor: its type is none of f32, f16, bf16, bool, i32, i64, f8_e4m3fn, f8_e5m2, i8"};
  }
  switch (static_cast<int>(tensor.device.device_type)) {
    case kDLCPU:
    case kDLCUDAHost: v.where = memory::host; break;
    case kDLCUDA: v.where = memory::cuda; break;
    case kDLCUDAManaged: v.where = memory::managed; break;
    default: return {unsupported, "DLTensor: its device is neither the CPU nor CUDA"};
  }
  v.rank = tensor.ndim;
  std::uint64_t dense = 1;  // unsigned: a product that wraps is refused by the call
  for (int i = v.rank - 1; i >= 0; --i) {
    v.shape[i] = tensor.shape[i];
    v.strides[i] = tensor.strides != nullptr ? tensor.strides[i] : static_cast<std::int64_t>(dense);
    dense *= static_cast<std::uint64_t>(tensor.shape[i]);
  }
  if (tensor.data != nullptr) v.data = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  out = v;
  return {};
}

#if defined(DLPACK_MAJOR_VERSION)  // DLPack 1
/// The same of a versioned tensor, which may be one that is not to be written.
template <class Pointer>
[[nodiscard]] status from_dlpack(const DLManagedTensorVersioned& tensor, basic_view<Pointer>& out) noexcept {
  if (tensor.version.major != DLPACK_MAJOR_VERSION)
    return {status_code::unsupported, "DLManagedTensorVersioned: of another major version"};
  if (std::same_as<Pointer, void*> && (tensor.flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0)
    return {status_code::invalid_argument, "DLManagedTensorVersioned: an output that is read-only"};
  return from_dlpack(tensor.dl_tensor, out);
}
#endif

}  // namespace sigmax
