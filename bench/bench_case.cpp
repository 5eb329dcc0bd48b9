#include "bench_case.hpp"

#include "arguments.hpp"

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
  switch (kind) {
    case op_kind::activation: return std::string(sigmax::describe(function).name) + tier;
    case op_kind::gradient: return std::string(sigmax::describe(function).name) + ":gradient";
    case op_kind::softmax: return "softmax" + tier;
    case op_kind::log_softmax: return "log_softmax" + tier;
  }
  return "?";
}

std::string extent::name() const { return rows == 0 ? format_size(cols) : fmt::format("{}x{}", rows, cols); }

std::string bench_case::name() const {
  return fmt::format("{}/{}/{}/{}/{}t{}", op.name(), name_of(type), size.name(), isa.empty() ? name_of(where) : isa,
                     threads, in_place ? "/in_place" : "");
}

std::int64_t bench_case::bytes() const { return size.elements() * size_of(type) * (op.inputs() + 1); }

}  // namespace sigmax_bench
