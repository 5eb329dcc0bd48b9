#include "row_op.hpp"

#include "command.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace sigmax_bench {
namespace {

using enum op_kind;
using operand = row_option_info::operand;

constexpr row_op ops[] = {
    {softmax, "softmax", "exp(t - max) / sum(exp(t - max)) along an axis, t = x", true, 0},
    {log_softmax, "log_softmax", "(t - max) - log(sum(exp(t - max))) along an axis, t = x", true, 0},
    {logsumexp, "logsumexp", "max + log(sum(exp(t - max))) along an axis, t = x", true, 4},
    {softmax_gradient, "softmax:gradient", "y (dy - sum(dy y)) with y = softmax(x)", false, 0},
    {log_softmax_gradient, "log_softmax:gradient", "dy - exp(y) sum(dy) with y = log_softmax(x)", false, 0},
    {cross_entropy, "cross_entropy", "logsumexp(t) - t[target], t = x", false, 8 + 4},
    {cross_entropy_gradient, "cross_entropy:gradient", "dloss (softmax(t) - [j = target]), t = x", false, 8},
    {top_k_gating, "top_k_gating", "the 8 largest x of a row and their softmax", true, 8 * (4 + 4)},
};

constexpr std::uint32_t of(std::initializer_list<op_kind> kinds) {
  std::uint32_t bits = 0;
  for (const op_kind kind : kinds) bits |= std::uint32_t{1} << static_cast<int>(kind);
  return bits;
}
constexpr std::uint32_t forms = of({softmax, log_softmax, logsumexp});
constexpr std::uint32_t losses = of({cross_entropy, cross_entropy_gradient});
constexpr std::uint32_t backward = of({softmax_gradient, log_softmax_gradient});
constexpr std::uint32_t with_lse = of({softmax, log_softmax}) | losses;

constexpr row_option_info options[] = {
    {row_option::scale, "scale", "t = 0.125 x", forms | losses | backward},
    {row_option::causal, "causal", "t = -inf for keys after the query; the last query sees all", forms},
    {row_option::mask, "mask", "t + mask, one f32 mask for all rows, an eighth of it -inf", forms, operand::column, 4},
    {row_option::boolean, "boolean", "a boolean mask for all rows, an eighth of it false", forms, operand::column, 1},
    {row_option::row_scale, "row_scale", "a factor a row", forms, operand::row, 4},
    {row_option::softcap, "softcap", "t = 30 tanh(t / 30)", forms},
    {row_option::alibi, "alibi", "t + (key - query) / 16", forms, operand::one, 4},
    {row_option::window, "window", "with causal: only the last columns / 4 keys", forms},
    {row_option::sinks, "sinks", "a score of 8 without a column", forms, operand::one, 4},
    {row_option::lse, "lse", "also writes the logsumexp of a row; cross_entropy:gradient reads it", with_lse,
     operand::row, 4},
    {row_option::across, "across", "rows lie side by side in memory: the axis is not the last",
     of({softmax, log_softmax}) | backward},
};

const row_option_info& find_option(std::string_view word, const operation& op) {
  std::vector<std::string_view> fitting;
  for (const row_option_info& o : options) {
    if (o.goes_with(op.kind)) fitting.push_back(o.word);
    if (o.word == word && o.goes_with(op.kind)) return o;
  }
  if (fitting.empty()) throw usage_error(fmt::format("'{}' takes no options, so not '{}'", op.name(), word));
  const char* order = word.find(':') == word.npos ? "" : "; ':fast' and ':gradient' stand before the first '+'";
  throw usage_error(
      fmt::format("'{}' has no option '{}' (it has {}{})", op.name(), word, fmt::join(fitting, ", "), order));
}

}  // namespace

std::span<const row_op> row_ops() { return ops; }
std::span<const row_option_info> row_options() { return options; }

const row_op* find_row_op(std::string_view name) {
  const row_op* found = std::find_if(std::begin(ops), std::end(ops), [&](const row_op& o) { return o.name == name; });
  return found == std::end(ops) ? nullptr : found;
}

const row_op& about(op_kind kind) {
  return *std::find_if(std::begin(ops), std::end(ops), [&](const row_op& o) { return o.kind == kind; });
}

std::vector<std::string_view> option_words(const operation& op) {
  std::vector<std::string_view> words;
  for (const row_option_info& o : options) {
    if (op.has(o.which)) words.push_back(o.word);
  }
  return words;
}

void add_options(operation& op, std::span<const std::string_view> words) {
  for (const std::string_view word : words) op.add(find_option(word, op).which);
  if (op.has(row_option::mask) && op.has(row_option::boolean))
    throw usage_error(fmt::format("'{}': a softmax has one mask, so either 'mask' or 'boolean'", op.name()));
  if (op.has(row_option::window) && !op.has(row_option::causal))
    throw usage_error(fmt::format("'{}': 'window' needs 'causal'", op.name()));
}

column_range visible_columns(const operation& op, const extent& size, std::int64_t r) {
  column_range seen{0, size.cols};
  if (!op.has(row_option::causal)) return seen;
  const std::int64_t query = size.cols - size.rows + r % size.rows;
  seen.end = std::clamp<std::int64_t>(query + 1, 0, size.cols);
  if (op.has(row_option::window)) seen.begin = std::clamp<std::int64_t>(query - option_window(size) + 1, 0, seen.end);
  return seen;
}

std::int64_t visible_elements(const operation& op, const extent& size) {
  if (!op.has(row_option::causal)) return size.elements();
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < size.rows; ++r) {
    const column_range seen = visible_columns(op, size, r);
    count += seen.end - seen.begin;
  }
  return count * size.batch;
}

std::int64_t bytes_beside_tensors(const operation& op, const extent& size) {
  std::int64_t bytes = size.all_rows() * about(op.kind).bytes_of_a_row;
  for (const row_option_info& o : options) {
    if (!op.has(o.which)) continue;
    if (o.per == operand::one) bytes += o.bytes;
    if (o.per == operand::row) bytes += o.bytes * size.all_rows();
    if (o.per == operand::column) bytes += o.bytes * size.cols;
  }
  return bytes;
}

}  // namespace sigmax_bench
