// What a function of rows takes besides tensors of elements: the values and views behind its options, targets, losses.
#pragma once

#include "bench_case.hpp"

#include <sigmax/sigmax.hpp>

#include <cstdint>
#include <vector>

namespace sigmax_bench {

/// One for each case, and the same on every machine. Vectors that the case does not need are empty. Not copied: views
/// point into it.
class row_operands {
 public:
  explicit row_operands(const bench_case& c);
  row_operands(const row_operands&) = delete;
  row_operands& operator=(const row_operands&) = delete;

  sigmax::softmax_form form();
  sigmax::cross_entropy_form loss_form();
  sigmax::const_view target_view() const;
  sigmax::view loss_view();
  sigmax::const_view loss_gradient_view() const;
  sigmax::view weights_view();
  sigmax::view experts_view();

  std::vector<float> mask;            // a column
  std::vector<std::uint8_t> allowed;  // a column: the boolean mask
  std::vector<float> row_scale;       // a row, as the following
  std::vector<std::int64_t> targets;
  std::vector<float> lse, loss;  // NaN until the library writes them
  std::vector<float> weights;    // a chosen expert, as the following
  std::vector<std::int32_t> experts;

 private:
  sigmax::const_view along_columns(const void* data, sigmax::dtype type) const;
  sigmax::const_view of_all_rows(const float& value) const;
  template <class View>
  View along_rows(auto& values, sigmax::dtype type) const;

  operation op_;
  extent size_;
};

/// The shape of a case's tensors, outermost first: a plain run has one extent, a batch of 1 does not show.
std::vector<std::int64_t> shape_of(const extent& size);

/// Where element j of row r lies in such a tensor.
inline std::int64_t place_of(const operation& op, const extent& size, std::int64_t r, std::int64_t j) {
  if (!op.has(row_option::across)) return r * size.cols + j;
  return r / size.rows * size.rows * size.cols + j * size.rows + r % size.rows;
}

}  // namespace sigmax_bench
