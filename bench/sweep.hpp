// The measurement behind `accuracy`: all inputs, or every n-th, through ISA rows and peers, against the oracle.
#pragma once

#include "bench_case.hpp"
#include "progress.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sigmax_bench {

/// The largest error and the first input, in the order of bit patterns, that has it.
struct worst_error {
  double error = 0;
  std::uint32_t bits = 0;

  void meet(double other, std::uint32_t at) {
    if (other > error || (other == error && at < bits)) error = other, bits = at;
  }
};

struct accuracy_row {
  operation op;
  sigmax::dtype type = sigmax::dtype::f32;
  std::string library = {};  // "sigmax", or a peer's name
  std::string isa = {};      // of sigmax
  bool fma = true;
  std::uint64_t stride = 1;

  std::int64_t checked = 0;
  worst_error normal = {};      // in ULP of the dtype, where the exact result is a normal number
  worst_error subnormal = {};   // in steps of the smallest subnormal, elsewhere
  std::int64_t over_one = 0;    // f32: normal results off by more than 1 ULP
  std::int64_t misrounded = 0;  // f16 and bf16: results that are not the nearest number
  std::uint64_t hash = 0;       // of all bits, tests/golden.hpp; equal on every row with FMA

  /// What the library promises here; a peer promises nothing.
  struct promise {
    double normal, subnormal;
    std::int64_t misrounded;
  };
  promise promised() const;
  bool kept() const;
};

/// The oracle's f(x) or, of a gradient, f'(x).
double exact_value(const operation& op, float x);
/// Next to its zero crossing a derivative is as good as the terms that cancel there: two units in the last place of 1.
bool cancelled(const operation& op, float x, float got, double exact);

/// One column of comparison: how to get a function that computes `length` elements of y from x.
struct contender {
  static constexpr std::int64_t length = 16384;
  std::string library, isa;
  bool fma = true;
  std::function<std::function<void(const float* x, float* y)>(const operation&)> make =
      {};  // once a thread; may be empty
};
contender isa_row(const std::string& name);

/// f32: every stride-th bit pattern of the 2^32 through each contender. Cut off by SIGINT, nothing comes back.
std::vector<accuracy_row> sweep(const operation& op, const std::vector<contender>& contenders, std::uint64_t stride,
                                int threads, progress& shown);
/// f16 and bf16: all 65 536 inputs of one ISA row.
accuracy_row sweep_16_bit(const operation& op, sigmax::dtype type, const contender& row);

}  // namespace sigmax_bench
