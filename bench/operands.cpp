#include "operands.hpp"

#include "command.hpp"
#include "evict.hpp"
#include "kernel_call.hpp"
#include "row_op.hpp"
#include "storage.hpp"

#include <fmt/core.h>

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

namespace sigmax_bench {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

// The sum of four uniforms is close to normal, has no tails to clip, and is the same on every machine.
float unit_normal(std::uint64_t random) {
  constexpr float scale = 1.7320508f / 65536.0f;  // the sum's variance is 4/12 of 65536^2
  const std::uint64_t sum = (random & 0xffff) + (random >> 16 & 0xffff) + (random >> 32 & 0xffff) + (random >> 48);
  return (static_cast<float>(sum) - 131070.0f) * scale;
}

template <class T, class Value>
void fill(void* data, std::int64_t count, Value value) {
  T* elements = static_cast<T*>(data);
  for (std::int64_t i = 0; i < count; ++i) elements[i] = store<T>(value(static_cast<std::uint64_t>(i)));
}

template <class Value>
void fill(sigmax::dtype type, void* data, std::int64_t count, Value value) {
  switch (type) {
    case sigmax::dtype::f32: return fill<float>(data, count, value);
    case sigmax::dtype::f16: return fill<sigmax::float16>(data, count, value);
    case sigmax::dtype::bf16: return fill<sigmax::bfloat16>(data, count, value);
    default: return;  // no op computes on the others
  }
}

std::size_t tensor_bytes(const bench_case& c) {
  return static_cast<std::size_t>(c.size.elements()) * static_cast<std::size_t>(size_of(c.type));
}

// Of all cases, or of those whose op says so.
std::size_t largest(std::span<const bench_case> cases, bool (operation::*takes)() const = nullptr) {
  std::size_t bytes = 0;
  for (const bench_case& c : cases) {
    if (takes == nullptr || (c.op.*takes)()) bytes = std::max(bytes, tensor_bytes(c));
  }
  return bytes;
}

}  // namespace

mapped_pages::mapped_pages(std::size_t bytes) : length_(bytes + huge_page) {
  mapping_ = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  first_ = mapping_;
  std::size_t space = length_;
  std::align(huge_page, bytes, first_, space);
#ifdef MADV_HUGEPAGE
  madvise(mapping_, length_, MADV_HUGEPAGE);  // a wish: a kernel without huge pages says no, and that is fine
#endif
}

mapped_pages::~mapped_pages() { munmap(mapping_, length_); }

std::uint64_t random_bits(std::uint64_t i) {  // splitmix64's finaliser: neighbours in, unrelated values out
  i += 0x9e3779b97f4a7c15u;
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9u;
  i = (i ^ i >> 27) * 0x94d049bb133111ebu;
  return i ^ i >> 31;
}

float input_value(std::uint64_t i) {
  const float value = 3.0f * unit_normal(random_bits(i));
  switch (random_bits(~i) & 63) {
    case 0: return value * 0x1p-12f;
    case 1: return value * 2.5f;
    default: return std::clamp(value, -10.0f, 10.0f);
  }
}

float gradient_value(std::uint64_t i) { return 1.0f + 0.25f * unit_normal(random_bits(i ^ 0x5851f42d4c957f2du)); }

operands::operands(std::span<const bench_case> cases)
    : x_(largest(cases)),
      dy_(largest(cases, &operation::takes_dy)),
      y_(largest(cases)),
      forward_(largest(cases, &operation::takes_forward_result)) {}

std::size_t bytes_needed(std::span<const bench_case> cases) {
  return 2 * largest(cases) + largest(cases, &operation::takes_dy) + largest(cases, &operation::takes_forward_result);
}

void operands::prepare(const bench_case& c) {
  const auto ensure = [&](filled& has, void* data, auto value) {
    if (has.type == c.type && has.count >= c.size.elements()) return;
    fill(c.type, data, c.size.elements(), value);
    has = {c.type, c.size.elements()};
  };
  ensure(x_has_, x_.data(), input_value);
  if (c.op.takes_dy()) ensure(dy_has_, dy_.data(), gradient_value);
  if (c.op.takes_forward_result()) run_forward(c);
}

// By the library: its forward functions are verified as cases of their own, and a gradient is checked against the y
// that it was given.
void operands::run_forward(const bench_case& c) {
  const std::string name =
      fmt::format("{}/{}/{}/{}", about(c.op.kind).name, name_of(c.type), c.size.name(), c.op.has(row_option::across));
  if (name == forward_has_) return;
  const auto forward = c.op.kind == op_kind::softmax_gradient ? sigmax::softmax : sigmax::log_softmax;
  const sigmax::status s = forward(view_of(c, x_.data()), view_of(c, forward_.data()), -1, {});
  if (!s) throw usage_error(s.message);
  forward_has_ = name;
}

void operands::poison(const bench_case& c) { std::memset(y_.data(), 0xff, tensor_bytes(c)); }

void operands::evict(const bench_case& c) const {
  for (const mapped_pages* tensor : {&x_, &dy_, &y_, &forward_}) {
    const bool has = tensor == &x_ || tensor == &y_ || (tensor == &dy_ ? c.op.takes_dy() : c.op.takes_forward_result());
    if (has) sigmax_bench::evict(tensor->data(), tensor_bytes(c));
  }
}

void operands::restore(const bench_case& c) {
  std::memcpy(y_.data(), c.op.takes_dy() ? dy_.data() : x_.data(), tensor_bytes(c));
}

}  // namespace sigmax_bench
