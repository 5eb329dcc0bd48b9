// One line of the comparison: which call, on what, how.
#pragma once

#include <sigmax/sigmax.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sigmax_bench {

enum class op_kind { activation, gradient, softmax, log_softmax };

struct operation {
  op_kind kind = op_kind::activation;
  sigmax::activation function{};  // of activation and gradient only
  sigmax::accuracy accuracy = sigmax::accuracy::high;

  std::string name() const;  // "gelu", "gelu:fast", "gelu:gradient", "softmax"
  bool fast() const { return accuracy == sigmax::accuracy::fast; }
  bool computes_the_same_as(const operation& other) const { return kind == other.kind && function == other.function; }
  bool by_rows() const { return kind == op_kind::softmax || kind == op_kind::log_softmax; }
  int inputs() const { return kind == op_kind::gradient ? 2 : 1; }
  bool operator==(const operation&) const = default;
};

/// `rows` is 0 for a plain run of `cols` elements.
struct extent {
  std::int64_t rows = 0;
  std::int64_t cols = 1;

  std::int64_t elements() const { return (rows == 0 ? 1 : rows) * cols; }
  std::string name() const;  // "64Ki", "64x1024"
  bool operator==(const extent&) const = default;
};

struct bench_case {
  operation op;
  sigmax::dtype type = sigmax::dtype::f32;
  extent size;
  sigmax::backend where = sigmax::backend::cpu;
  std::string isa;  // empty where no CPU ISA applies
  int threads = 1;
  bool in_place = false;

  std::string name() const;  // "gelu/f32/64Ki/avx512/1t"
  /// Algorithmic bytes: every input read once, every output written once.
  std::int64_t bytes() const;
};

std::string_view name_of(sigmax::dtype type);
std::string_view name_of(sigmax::backend where);
std::int64_t size_of(sigmax::dtype type);  // of the types that ops compute on

}  // namespace sigmax_bench
