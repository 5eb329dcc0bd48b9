// Tensors for tests of the rows' kernels: in host memory and again where a kernel reaches them.
#pragma once

#include <algorithm>

#include "cuda_memory.hpp"
#include "reference.hpp"
#if defined(SIGMAX_EMULATED_CUDA)
#include "simt/cuda_backend.hpp"
#endif

namespace sigmax_test {

namespace reference = sigmax_reference;

inline std::int64_t size_of(dtype t) {
  switch (t) {
    case dtype::i64: return 8;
    case dtype::f32:
    case dtype::i32: return 4;
    case dtype::f16:
    case dtype::bf16: return 2;
    default: return 1;
  }
}

/// A device for the next calls, and another order of execution each time. On a GPU there is one device.
struct emulated {
  int architecture;
  std::int64_t shared_bytes;
};
inline constexpr emulated devices[] = {{90, 227 * 1024}, {75, 64 * 1024}, {120, 99 * 1024}};
inline void use(const emulated& d) {
#if defined(SIGMAX_EMULATED_CUDA)
  static std::uint64_t calls = 0;
  device.architecture = d.architecture;
  device.shared_bytes = d.shared_bytes;
  device.seed = ++calls;
  device.order = simt::schedules[calls % std::size(simt::schedules)];
#else
  static_cast<void>(d);
#endif
}

inline std::uint32_t encode(dtype t, float v) {
  if (t == dtype::f32) return std::bit_cast<std::uint32_t>(v);
  return t == dtype::f16 ? reference::float16_format::encode(v) : reference::bfloat16_format::encode(v);
}
inline float decode(dtype t, std::uint32_t bits) {
  if (t == dtype::f32) return std::bit_cast<float>(bits);
  const auto half = static_cast<std::uint16_t>(bits);
  return static_cast<float>(t == dtype::f16 ? reference::float16_format::decode(half)
                                            : reference::bfloat16_format::decode(half));
}

/// A tensor in host memory and again in memory that kernels reach; element 0 is `lead` bytes behind a multiple of 256.
struct tensor {
  dtype type;
  std::vector<std::int64_t> shape, strides;
  std::vector<std::byte> image;
  device_memory memory;

  tensor(dtype t, std::vector<std::int64_t> extents, std::vector<std::int64_t> steps = {}, std::size_t lead = 0,
         bool at_end = false)
      : type(t),
        shape(std::move(extents)),
        strides(dense(shape, std::move(steps))),
        image(static_cast<std::size_t>(span(shape, strides) * size_of(t)), std::byte{0x5a}),
        memory(image.size(), lead, at_end) {
    memory.upload(image.data());
  }
  static std::vector<std::int64_t> dense(const std::vector<std::int64_t>& shape, std::vector<std::int64_t> steps) {
    if (!steps.empty()) return steps;
    steps.resize(shape.size());
    std::int64_t step = 1;
    for (std::size_t d = shape.size(); d-- > 0; step *= shape[d]) steps[d] = step;
    return steps;
  }
  static std::int64_t span(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
    std::int64_t last = 1;
    for (std::size_t d = 0; d < shape.size(); ++d) last += (shape[d] - 1) * strides[d];
    return std::ranges::count(shape, 0) > 0 ? 0 : last;
  }
  view host() { return {image.data(), type, shape, strides}; }
  view there() {
    view v(memory.data(), type, shape, strides);
    v.where = memory::cuda;
    return v;
  }
  /// Calls f(place in the image) for every element, in the order of their indices.
  template <class F>
  void for_each(F f) const {
    // By rows of the last axis: with the sanitizers divisions for each element took longer than some kernels.
    const bool scalar = shape.empty();
    const std::int64_t columns = scalar ? 1 : shape.back(), bytes = size_of(type);
    const auto step = static_cast<std::size_t>(scalar ? 0 : strides.back() * bytes);
    std::int64_t rows = 1;
    for (std::size_t d = 0; d + 1 < shape.size(); ++d) rows *= shape[d];
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int64_t rest = r, first = 0;
      for (std::size_t d = scalar ? 0 : shape.size() - 1; d-- > 0; rest /= shape[d])
        first += rest % shape[d] * strides[d];
      auto at = static_cast<std::size_t>(first * bytes);
      for (std::int64_t i = 0; i < columns; ++i, at += step) f(at);
    }
  }
  std::vector<float> values() const {
    std::vector<float> v;
    for_each([&](std::size_t at) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, image.data() + at, static_cast<std::size_t>(size_of(type)));
      v.push_back(type == dtype::boolean ? static_cast<float>(bits) : decode(type, bits));
    });
    return v;
  }
  void set(const std::vector<float>& v) {
    std::size_t i = 0;
    for_each([&](std::size_t at) {
      const std::uint32_t bits = type == dtype::boolean ? v[i] != 0 : encode(type, v[i]);
      ++i;
      std::memcpy(image.data() + at, &bits, static_cast<std::size_t>(size_of(type)));
    });
    memory.upload(image.data());
  }
  void download() { memory.download(image.data()); }
};

}  // namespace sigmax_test
