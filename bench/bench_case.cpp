#include "bench_case.hpp"

#include "arguments.hpp"
#include "row_op.hpp"

#include <fmt/core.h>

namespace sigmax_bench {

std::string_view name_of(sigmax::dtype type) {
  switch (type) {
    case sigmax::dtype::f32: return "f32";
    case sigmax::dtype::f16: return "f16";
    case sigmax::dtype::bf16: return "bf16";
    case sigmax::dtype::boolean: return "boolean";
    case sigmax::dtype::i32: return "i32";
    case sigmax::dtype::i64: return "i64";
    case sigmax::dtype::f8_e4m3: return "f8_e4m3";
    case sigmax::dtype::f8_e5m2: return "f8_e5m2";
    case sigmax::dtype::i8: return "i8";
  }
  return "?";
}

std::string_view name_of(sigmax::backend where) {
  switch (where) {
    case sigmax::backend::automatic: return "automatic";
    case sigmax::backend::cpu: return "cpu";
    case sigmax::backend::cuda: return "cuda";
  }
  return "?";
}

std::int64_t size_of(sigmax::dtype type) { return type == sigmax::dtype::f32 ? 4 : 2; }

std::string operation::name() const {
  const std::string tier = fast() ? ":fast" : "";
  if (kind == op_kind::activation) return std::string(sigmax::describe(function).name) + tier;
  if (kind == op_kind::gradient) return std::string(sigmax::describe(function).name) + ":gradient";
  if (kind == op_kind::gated) return std::string(sigmax::describe(gate).name) + tier;
  if (kind == op_kind::gated_gradient) return std::string(sigmax::describe(gate).name) + ":gradient";
  std::string all = std::string(about(kind).name) + tier;
  for (const std::string_view word : option_words(*this)) all += fmt::format("+{}", word);
  return all;
}

std::string extent::name() const {
  if (rows == 0) return format_size(cols);
  return batch == 1 ? fmt::format("{}x{}", rows, cols) : fmt::format("{}x{}x{}", batch, rows, cols);
}

std::string bench_case::name() const {
  return fmt::format("{}/{}/{}/{}/{}t{}", op.name(), name_of(type), size.name(), isa.empty() ? name_of(where) : isa,
                     threads, form());
}

std::string bench_case::form() const {
  return fmt::format("{}{}{}", in_place ? "/in_place" : "", cold ? "/cold" : "", misaligned ? "/misaligned" : "");
}

std::int64_t bench_case::bytes() const {
  const std::int64_t all = size.elements(), read = op.by_rows() ? visible_elements(op, size) : all;
  const int others = int{op.takes_dy()} + int{op.writes_elements()};
  const std::int64_t elements = read + all * (op.kind == op_kind::gated_gradient ? 4 : others);
  return elements * size_of(type) + (op.by_rows() ? bytes_beside_tensors(op, size) : 0);
}

std::int64_t bench_case::footprint() const {
  const std::int64_t tensors = 1 + int{op.takes_dy()} + int{op.writes_elements()};
  return tensors * size.elements() * size_of(type);
}

}  // namespace sigmax_bench
