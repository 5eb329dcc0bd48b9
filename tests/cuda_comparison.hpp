// One call on the CPU and the same on CUDA, over tensors laid out in any way: every byte of the output's memory must be
// the same.
#pragma once

#include <memory>

#include "cuda_memory.hpp"

namespace sigmax_test {

enum class form { high, fast, derivative };
inline constexpr form forms[] = {form::high, form::fast, form::derivative};

inline std::size_t bytes_of(dtype t) { return t == dtype::f32 ? 4 : 2; }

/// How a tensor lies in `size` elements of memory; element 0 is number `first`.
struct operand {
  dtype type;
  std::vector<std::int64_t> strides;
  std::int64_t size, first = 0;
  std::size_t offset = 0;  ///< bytes
  bool at_end = false;     ///< of what may be touched
};

/// Numbers of all kinds, most of them where functions bend.
inline std::vector<std::byte> numbers(dtype t, std::int64_t n, unsigned seed) {
  std::vector<std::byte> image(static_cast<std::size_t>(n) * bytes_of(t));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 4);
  for (std::size_t i = 0; i < image.size(); i += bytes_of(t)) {
    auto bits = static_cast<std::uint32_t>(random());
    if (t == dtype::f32 && bits % 4 != 0) bits = std::bit_cast<std::uint32_t>(normal(random));
    std::memcpy(image.data() + i, &bits, bytes_of(t));
  }
  return image;
}

inline bool is_nan(dtype t, std::uint32_t bits) {
  if (t == dtype::f16) return (bits & 0x7fffu) > 0x7c00u;
  return (t == dtype::bf16 ? (bits & 0x7fffu) << 16 : bits & 0x7fffffffu) > 0x7f800000u;
}

/// NaN being one value: its payload is the machine's.
inline void expect_equal(dtype t, const std::vector<std::byte>& expected, const std::vector<std::byte>& got,
                         const std::string& what) {
  for (std::size_t i = 0; i < expected.size(); i += bytes_of(t)) {
    std::uint32_t a = 0, b = 0;
    std::memcpy(&a, expected.data() + i, bytes_of(t));
    std::memcpy(&b, got.data() + i, bytes_of(t));
    ASSERT_TRUE(a == b || (is_nan(t, a) && is_nan(t, b)))
        << what << ": element " << i / bytes_of(t) << " is " << std::hex << b << ", on the CPU " << a;
  }
}

class comparison {
 public:
  comparison(activation op, form f) : op_(op), form_(f) {
    for (const isa_info& row : usable_isas())
      if (row.fma && how.isa == nullptr) how.isa = row.name;
    if (f == form::fast) how.accuracy = accuracy::fast;
  }

  /// `in` are x, or dy and x. `same`: the input that is the output, too.
  void run(std::vector<std::int64_t> shape, const std::vector<operand>& in, const operand& out, int same = -1) const {
    std::vector<std::vector<std::byte>> images;
    for (const operand& o : in) images.push_back(numbers(o.type, o.size, static_cast<unsigned>(images.size() + 1)));
    run_with(shape, in, images, out, same);
  }

  void run_with(std::vector<std::int64_t> shape, const std::vector<operand>& in,
                const std::vector<std::vector<std::byte>>& images, const operand& out, int same = -1) const {
    const std::vector<std::byte> before =
        same >= 0 ? images[static_cast<std::size_t>(same)] : numbers(out.type, out.size, 99);
    std::vector<std::byte> expected = before, got = before;
    std::vector<const_view> views;
    for (std::size_t i = 0; i < in.size(); ++i) views.push_back(view_of(in[i], images[i].data(), shape));
    view y = view_of(out, expected.data(), shape);
    if (same >= 0) views[static_cast<std::size_t>(same)] = y;
    call(views, y);

    std::vector<std::unique_ptr<device_memory>> inputs;
    const device_memory output(before.size(), out.offset, out.at_end);
    output.upload(before.data());
    for (std::size_t i = 0; i < in.size(); ++i) {
      inputs.push_back(std::make_unique<device_memory>(images[i].size(), in[i].offset, in[i].at_end));
      inputs[i]->upload(images[i].data());
      views[i] = view_of(in[i], inputs[i]->data(), shape);
      views[i].where = memory::cuda;
    }
    y = view_of(out, output.data(), shape);
    y.where = memory::cuda;
    if (same >= 0) views[static_cast<std::size_t>(same)] = y;
    call(views, y);
    output.download(got.data());
    expect_equal(out.type, expected, got, label(shape, in, out));
  }

  options how;

 private:
  template <class Byte>
  static basic_view<std::conditional_t<std::is_const_v<Byte>, const void*, void*>> view_of(
      const operand& o, Byte* memory, const std::vector<std::int64_t>& shape) {
    return {memory + static_cast<std::ptrdiff_t>(bytes_of(o.type)) * o.first, o.type,
            std::span<const std::int64_t>(shape), std::span<const std::int64_t>(o.strides)};
  }
  void call(const std::vector<const_view>& in, const view& y) const {
    options o = how;
    if (y.type != dtype::f32)
      o.accuracy = y.where == memory::host ? accuracy::high : how.accuracy;  // CUDA has one tier
    const status s =
        form_ == form::derivative ? activation_gradient(op_, in[0], in[1], y, o) : activate(op_, in[0], y, o);
    ASSERT_TRUE(s.ok()) << s.message;
  }
  std::string label(const std::vector<std::int64_t>& shape, const std::vector<operand>& in, const operand& out) const {
    std::string text = std::string(describe(op_).name) + " form " + std::to_string(static_cast<int>(form_)) + " shape";
    for (std::int64_t n : shape) text += ' ' + std::to_string(n);
    for (const operand& o : in)
      text += ", in dtype " + std::to_string(static_cast<int>(o.type)) + " offset " + std::to_string(o.offset);
    return text + ", out dtype " + std::to_string(static_cast<int>(out.type)) + " offset " + std::to_string(out.offset);
  }

  activation op_;
  form form_;
};

/// n contiguous elements, `places` elements behind an aligned address.
inline operand row_of(dtype t, std::int64_t n, std::int64_t places = 0, bool at_end = false) {
  return {
      .type = t, .strides = {1}, .size = n, .offset = static_cast<std::size_t>(places) * bytes_of(t), .at_end = at_end};
}

}  // namespace sigmax_test
