// Functions of rows, softmax and its family, and the options behind their names: "softmax+scale+causal". An option is
// one line of a table (row_op.cpp), a value or view (row_operands.cpp), and a line in the oracle (verify_rows.cpp).
#pragma once

#include "bench_case.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigmax_bench {

struct row_op {
  op_kind kind;
  std::string_view name, formula;
  bool two_tiers;      // whether accuracy::fast is a form of its own
  int bytes_of_a_row;  // of operands besides tensors of the row's elements: targets, losses, sums
};
std::span<const row_op> row_ops();
const row_op* find_row_op(std::string_view name);  // nullptr: there is none
const row_op& about(op_kind kind);                 // of functions of rows only

struct row_option_info {
  row_option which;
  std::string_view word, meaning;
  std::uint32_t kinds;  // bit i: the op_kind i takes it
  enum class operand { none, one, row, column } per = operand::none;
  int bytes = 0;  // of such an operand

  bool goes_with(op_kind kind) const { return (kinds >> static_cast<int>(kind) & 1) != 0; }
};
std::span<const row_option_info> row_options();

std::vector<std::string_view> option_words(const operation& op);
/// "softmax+scale" from "softmax" and {"scale"}; throws usage_error for words that do not fit.
void add_options(operation& op, std::span<const std::string_view> words);

/// Columns [begin, end) of row `r` that its position does not mask. Queries end with the last key.
struct column_range {
  std::int64_t begin, end;
};
column_range visible_columns(const operation& op, const extent& size, std::int64_t r);
std::int64_t visible_elements(const operation& op, const extent& size);

/// Algorithmic bytes of what is not a tensor of elements; what is broadcast counts once.
std::int64_t bytes_beside_tensors(const operation& op, const extent& size);

// The values that the options stand for. The mask's and row_scale's are functions of the index (row_operands.cpp).
inline constexpr float option_scale = 0.125f;
inline constexpr float option_softcap = 30;
inline constexpr float option_slope = 0x1p-4f;
inline constexpr float option_sink = 8;
inline std::int64_t option_window(const extent& size) { return size.cols < 4 ? 1 : size.cols / 4; }
inline float scale_of(const operation& op) { return op.has(row_option::scale) ? option_scale : 1.0f; }
inline std::int64_t experts_chosen(const extent& size) { return size.cols < 8 ? size.cols : 8; }
/// The incoming gradient of every loss. Not 1: a factor forgotten must show.
inline constexpr float loss_gradient = 0.75f;

}  // namespace sigmax_bench
