// The tensors that all cases share: mapped once, filled once per dtype, used from the front by smaller cases.
#pragma once

#include "bench_case.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sigmax_bench {

/// Pages from the system, 2 MiB aligned and huge where the system grants it, so that TLB misses do not hide the
/// kernel. Nothing is committed before it is touched.
class mapped_pages {
 public:
  explicit mapped_pages(std::size_t bytes);
  ~mapped_pages();
  mapped_pages(const mapped_pages&) = delete;
  mapped_pages& operator=(const mapped_pages&) = delete;
  void* data() const { return first_; }

 private:
  void* mapping_ = nullptr;
  void* first_ = nullptr;
  std::size_t length_ = 0;
};

/// Unrelated values for neighbouring i.
std::uint64_t random_bits(std::uint64_t i);
/// Input i of every run on every machine: close to a normal distribution with sigma 3 in [-10, 10], with one value
/// in 64 near zero and one in 64 out to +-26, where formulas have their tails and none of them is subnormal.
float input_value(std::uint64_t i);
/// The incoming gradient dy: the same distribution about 1.
float gradient_value(std::uint64_t i);

class operands {
 public:
  explicit operands(std::span<const bench_case> cases);
  /// Makes x (and dy and the forward result if the op takes them) hold c's inputs.
  void prepare(const bench_case& c);
  /// Fills y with bytes that are NaN in every dtype, so that an element never written is found.
  void poison(const bench_case& c);
  /// Takes the tensors of c out of the caches.
  void evict(const bench_case& c) const;
  /// In-place calls destroy their input: copies it into y again.
  void restore(const bench_case& c);

  const void* x() const { return x_.data(); }
  const void* dy() const { return dy_.data(); }
  /// softmax(x) or log_softmax(x) of the case that was prepared last, for their gradients.
  const void* forward_result() const { return forward_.data(); }
  void* y() const { return y_.data(); }

 private:
  struct filled {
    sigmax::dtype type = sigmax::dtype::f32;
    std::int64_t count = 0;
  };
  void run_forward(const bench_case& c);

  mapped_pages x_, dy_, y_, forward_;
  filled x_has_, dy_has_;
  std::string forward_has_;
};

/// What `operands` would commit for these cases.
std::size_t bytes_needed(std::span<const bench_case> cases);

}  // namespace sigmax_bench
