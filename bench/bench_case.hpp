// One line of the comparison: which call, on what, how.
#pragma once

#include <sigmax/sigmax.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sigmax_bench {

enum class op_kind {
  activation,
  gradient,
  gated,           // of x and of dy, whose values lie about 1
  gated_gradient,  // by the command cuda only
  // functions of rows (row_op.hpp)
  softmax,
  log_softmax,
  logsumexp,
  softmax_gradient,
  log_softmax_gradient,
  cross_entropy,
  cross_entropy_gradient,
  top_k_gating
};

enum class row_option { scale, causal, mask, boolean, row_scale, softcap, alibi, window, sinks, lse, across };

struct operation {
  op_kind kind = op_kind::activation;
  sigmax::activation function{};  // of activation and gradient only
  sigmax::accuracy accuracy = sigmax::accuracy::high;
  std::uint32_t options = 0;  // bits of row_option
  sigmax::gate gate{};        // of gated and gated_gradient only

  std::string name() const;  // "gelu", "gelu:fast", "gelu:gradient", "softmax+scale+causal"
  bool fast() const { return accuracy == sigmax::accuracy::fast; }
  bool computes_the_same_as(const operation& other) const {
    return kind == other.kind && function == other.function && gate == other.gate && options == other.options;
  }
  bool by_rows() const { return kind >= op_kind::softmax; }
  /// A softmax or log_softmax as every library has it.
  bool plain_softmax() const { return (kind == op_kind::softmax || kind == op_kind::log_softmax) && options == 0; }
  /// Without a form: a call of softmax or log_softmax itself, wherever rows lie.
  bool plain() const { return options == 0 || options == std::uint32_t{1} << static_cast<int>(row_option::across); }
  bool has(row_option o) const { return (options >> static_cast<int>(o) & 1) != 0; }
  void add(row_option o) { options |= std::uint32_t{1} << static_cast<int>(o); }

  // Which tensors of elements there are, besides the one that all read.
  bool takes_dy() const { return kind == op_kind::gradient || of_gate() || takes_forward_result(); }
  bool of_gate() const { return kind == op_kind::gated || kind == op_kind::gated_gradient; }
  /// Reads y = softmax(x) where others read x.
  bool takes_forward_result() const {
    return kind == op_kind::softmax_gradient || kind == op_kind::log_softmax_gradient;
  }
  bool writes_elements() const {
    return kind != op_kind::logsumexp && kind != op_kind::cross_entropy && kind != op_kind::top_k_gating;
  }
  bool operator==(const operation&) const = default;
};

/// `rows` is 0 for a plain run of `cols` elements. For attention's scores: batch x queries x keys.
struct extent {
  std::int64_t rows = 0;
  std::int64_t cols = 1;
  std::int64_t batch = 1;

  std::int64_t all_rows() const { return batch * rows; }
  std::int64_t elements() const { return (rows == 0 ? 1 : all_rows()) * cols; }
  std::string name() const;  // "64Ki", "64x1024", "32x4096x4096"
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
  bool cold = false;        // nothing of its tensors is in a cache when a call begins
  bool misaligned = false;  // tensors begin one element past 256 bytes; by the command cuda only
  extent asked = size;      // `size` before it was scaled down to fit the memory

  std::string name() const;  // "gelu/f32/64Ki/avx512/1t"
  std::string form() const;  // "", "/in_place", "/cold", "/misaligned", or several
  /// Algorithmic bytes: every input read once, every output written once. What a causal softmax does not see is not
  /// read, and a mask for all rows is read once.
  std::int64_t bytes() const;
  /// Bytes of the tensors of elements. A mask or sums beside them do not count: with and without an option, and so with
  /// the same shape after scaling down, cases are to be compared.
  std::int64_t footprint() const;
};

std::string_view name_of(sigmax::dtype type);
std::string_view name_of(sigmax::backend where);
std::int64_t size_of(sigmax::dtype type);  // of the types that ops compute on

}  // namespace sigmax_bench
