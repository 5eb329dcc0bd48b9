#include "row_operands.hpp"

#include "operands.hpp"
#include "row_op.hpp"

#include <limits>

namespace sigmax_bench {
namespace {

bool masked_at(std::uint64_t column) { return (random_bits(column) & 7) == 0; }

template <class T, class Value>
void fill(std::vector<T>& into, std::int64_t count, Value value) {
  into.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<T>(value(i));
}

}  // namespace

std::vector<std::int64_t> shape_of(const extent& size) {
  if (size.rows == 0) return {size.cols};
  if (size.batch == 1) return {size.rows, size.cols};
  return {size.batch, size.rows, size.cols};
}

row_operands::row_operands(const bench_case& c) : op_(c.op), size_(c.size) {
  if (!op_.by_rows()) return;
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::int64_t rows = size_.all_rows(), cols = size_.cols;
  if (op_.has(row_option::mask))
    fill(mask, cols, [](std::uint64_t j) { return masked_at(j) ? -infinity : input_value(~j); });
  if (op_.has(row_option::boolean)) fill(allowed, cols, [](std::uint64_t j) { return masked_at(j) ? 0 : 1; });
  if (op_.has(row_option::row_scale))  // 1 / temperature
    fill(row_scale, rows,
         [](std::uint64_t r) { return 1 / (0.75f + 0.125f * static_cast<float>(random_bits(r) % 8)); });
  if (op_.has(row_option::lse) || op_.kind == op_kind::logsumexp) lse.assign(static_cast<std::size_t>(rows), nan);
  if (op_.kind == op_kind::top_k_gating) {
    weights.assign(static_cast<std::size_t>(rows * experts_chosen(size_)), nan);
    experts.assign(weights.size(), -1);
  }
  if (op_.kind != op_kind::cross_entropy && op_.kind != op_kind::cross_entropy_gradient) return;
  fill(targets, rows, [cols](std::uint64_t r) {
    return static_cast<std::int64_t>(random_bits(r) % static_cast<std::uint64_t>(cols));
  });
  if (op_.kind == op_kind::cross_entropy) loss.assign(static_cast<std::size_t>(rows), nan);
}

sigmax::const_view row_operands::along_columns(const void* data, sigmax::dtype type) const {
  const std::vector<std::int64_t> shape = shape_of(size_);
  std::vector<std::int64_t> strides(shape.size(), 0);
  strides.back() = 1;
  return {data, type, shape, strides};
}

sigmax::const_view row_operands::of_all_rows(const float& value) const {
  std::vector<std::int64_t> shape = shape_of(size_);
  shape.back() = 1;
  const std::vector<std::int64_t> strides(shape.size(), 0);
  return {&value, sigmax::dtype::f32, shape, strides};
}

template <class View>
View row_operands::along_rows(auto& values, sigmax::dtype type) const {
  if (values.empty()) return {};
  std::vector<std::int64_t> shape = shape_of(size_);
  shape.back() = 1;
  return {values.data(), type, shape};
}

sigmax::softmax_form row_operands::form() {
  using sigmax::dtype, sigmax::const_view, sigmax::view;
  sigmax::softmax_form f;
  f.logarithm = op_.kind == op_kind::log_softmax;
  f.scale = scale_of(op_);
  f.row_scale = along_rows<const_view>(row_scale, dtype::f32);
  if (op_.has(row_option::softcap)) f.softcap = option_softcap;
  if (op_.has(row_option::alibi)) f.slopes = of_all_rows(option_slope);
  if (op_.has(row_option::mask)) f.mask = along_columns(mask.data(), dtype::f32);
  if (op_.has(row_option::boolean)) f.mask = along_columns(allowed.data(), dtype::boolean);
  f.causal = op_.has(row_option::causal);
  f.offset = size_.cols - size_.rows;
  if (op_.has(row_option::window)) f.window = option_window(size_);
  if (op_.has(row_option::sinks)) f.sinks = of_all_rows(option_sink);
  f.lse = along_rows<view>(lse, dtype::f32);
  return f;
}

sigmax::cross_entropy_form row_operands::loss_form() {
  return {.scale = scale_of(op_), .lse = along_rows<sigmax::view>(lse, sigmax::dtype::f32)};
}

sigmax::const_view row_operands::target_view() const {
  return along_rows<sigmax::const_view>(targets, sigmax::dtype::i64);
}
sigmax::view row_operands::loss_view() { return along_rows<sigmax::view>(loss, sigmax::dtype::f32); }
sigmax::view row_operands::weights_view() {
  std::vector<std::int64_t> shape = shape_of(size_);
  shape.back() = experts_chosen(size_);
  return {weights.data(), sigmax::dtype::f32, shape};
}
sigmax::view row_operands::experts_view() {
  sigmax::view v = weights_view();
  v.data = experts.data();
  v.type = sigmax::dtype::i32;
  return v;
}
sigmax::const_view row_operands::loss_gradient_view() const { return of_all_rows(loss_gradient); }

}  // namespace sigmax_bench
