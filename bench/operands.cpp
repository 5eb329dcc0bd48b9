#include "operands.hpp"

#include "storage.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

namespace sigmax_bench {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

std::uint64_t mix(std::uint64_t i) {  // splitmix64's finaliser: neighbours in, unrelated values out
  i += 0x9e3779b97f4a7c15u;
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9u;
  i = (i ^ i >> 27) * 0x94d049bb133111ebu;
  return i ^ i >> 31;
}

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

std::size_t largest(std::span<const bench_case> cases, bool only_gradients) {
  std::size_t bytes = 0;
  for (const bench_case& c : cases) {
    if (!only_gradients || c.op.inputs() == 2) bytes = std::max(bytes, tensor_bytes(c));
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

float input_value(std::uint64_t i) {
  const float value = 3.0f * unit_normal(mix(i));
  switch (mix(~i) & 63) {
    case 0: return value * 0x1p-12f;
    case 1: return value * 2.5f;
    default: return std::clamp(value, -10.0f, 10.0f);
  }
}

float gradient_value(std::uint64_t i) { return 1.0f + 0.25f * unit_normal(mix(i ^ 0x5851f42d4c957f2du)); }

operands::operands(std::span<const bench_case> cases)
    : x_(largest(cases, false)), dy_(largest(cases, true)), y_(largest(cases, false)) {}

std::size_t bytes_needed(std::span<const bench_case> cases) { return 2 * largest(cases, false) + largest(cases, true); }

void operands::prepare(const bench_case& c) {
  const auto ensure = [&](filled& has, void* data, auto value) {
    if (has.type == c.type && has.count >= c.size.elements()) return;
    fill(c.type, data, c.size.elements(), value);
    has = {c.type, c.size.elements()};
  };
  ensure(x_has_, x_.data(), input_value);
  if (c.op.inputs() == 2) ensure(dy_has_, dy_.data(), gradient_value);
}

void operands::poison(const bench_case& c) { std::memset(y_.data(), 0xff, tensor_bytes(c)); }

void operands::restore(const bench_case& c) {
  std::memcpy(y_.data(), c.op.inputs() == 2 ? dy_.data() : x_.data(), tensor_bytes(c));
}

}  // namespace sigmax_bench
