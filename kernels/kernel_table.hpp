// What a CPU ISA row provides: plain function pointers, filled by cpu/kernels.cpp once per row. Nothing else crosses
// the border between translation units that are compiled with different -m flags.
#pragma once

#include <cstdint>

#include "sigmax/sigmax.hpp"
#include "softmax_state.hpp"

namespace sigmax {

inline constexpr int activation_count = 0
#define SIGMAX_ACTIVATION(name) +1
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
    ;
inline constexpr int gate_count = 0
#define SIGMAX_GATE(name) +1
#include "sigmax/gates.def"
#undef SIGMAX_GATE
    ;
inline constexpr int dtype_count = 3;
inline constexpr int quantised_count = 3;
inline constexpr int accuracy_count = 2;
inline constexpr int side_by_side = 16;             ///< short rows: entry c of row r stands at [16 c + r]
inline constexpr std::int64_t most_experts = 1024;  ///< of a gate: they are kept on the stack

/// How the scores of a row come from its elements: softmax_form tells the formula and its order.
struct score_terms {
  float scale;
  float softcap;          ///< 0: none
  float slope;            ///< 0: none
  std::int64_t distance;  ///< j - q of the first element
  const float* mask;      ///< null: none
};

/// Rows whose largest scores are looked for: those after the ones whose numerators are formed meanwhile.
struct coming_rows {
  const float* x = nullptr;  ///< null: none
  int rows;
  std::int64_t columns, stride;
  score_terms terms[side_by_side];  ///< if there are any
  bool begun;                       ///< `max` is that of the columns before x
  float max[side_by_side];          ///< as row_max finds it
};

/// Rows of which only the last step is left: y[i] = from[i] (high + low) of numerators, or (score - max) - (high + low)
/// of the scores of from[i] if `logarithm`. If they are fewer than looking_columns long each row of y begins on a cache
/// line and is a multiple of drained_columns long.
struct outgoing_rows {
  int rows;
  bool logarithm, streaming;
  const float* from;
  std::int64_t from_stride;
  float* y;
  std::int64_t y_stride;
  std::int64_t columns, after;  ///< of each row; behind its columns come so many times `rest`
  float rest[side_by_side], max[side_by_side], high[side_by_side], low[side_by_side];
  score_terms terms[side_by_side];  ///< if there are any
  coming_rows coming;               ///< looked at meanwhile
};
inline constexpr std::int64_t drained_columns = 32;
inline constexpr int across_rows = 128;               ///< that lie side by side and are worked on together
inline constexpr std::int64_t looking_columns = 256;  ///< from here on those that come are looked at

/// The steps of a softmax row that differ between the tiers of accuracy, over contiguous f32. x and y may be identical.
/// Who asks for streaming orders the stores afterwards.
struct softmax_steps {
  // A numerator is numerator_up e^score / R, where R is within a factor of 1.5 of e^max and known from max alone: which
  // of the two it is does not show in a quotient by the total (math::row_maximum). Totals are without numerator_up,
  // which factors make up for.

  // In every function below but `scores`, `terms` is one entry per row, of scale and f32 mask alone, in that order; or
  // null: scores are the elements.

  /// t[i] = the score of x[i]. Returns the largest of bound and all t that are not NaN.
  float (*scores)(const float* x, float* t, std::int64_t n, const score_terms& terms, float bound) noexcept;
  /// y[i] = the numerator of the score, y may be null; adds them to sum, which they begin if nothing has. n is a
  /// multiple of softmax_turn unless the chunk ends. `next` is what will be read soon: it is prefetched on the way. Any
  /// address will do. Rows `before`, if not null, leave on the way, at most as many, and those that come are looked at.
  /// They may come from where y is.
  void (*exp_sum)(const float* x, float* y, const float* next, std::int64_t n, float max, const score_terms* terms,
                  softmax_sum& sum, outgoing_rows* before) noexcept;
  /// y[i] = x[i] (high + low)
  void (*scale)(const float* x, float* y, std::int64_t n, float high, float low, bool streaming) noexcept;
  /// y[i] = the numerator (high + low)
  void (*exp_scale)(const float* x, float* y, std::int64_t n, float max, float high, float low,
                    const score_terms* terms, bool streaming) noexcept;
  /// y[i] = (score - max) - (high + low)
  void (*shift)(const float* x, float* y, std::int64_t n, float max, float high, float low, const score_terms* terms,
                bool streaming) noexcept;
  /// The same for rows, each with its own numbers.
  void (*scale_rows)(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, int rows, std::int64_t n,
                     const float* high, const float* low, bool streaming) noexcept;
  void (*shift_rows)(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, int rows, std::int64_t n,
                     const float* max, const float* high, const float* low, const score_terms* terms,
                     bool streaming) noexcept;

  /// The total of the numerators of each of up to side_by_side rows, `stride` apart, n columns of one chunk. y may be
  /// null. max and total have side_by_side entries, however many rows there are: they are loaded and stored as vectors.
  void (*exp_sum_rows)(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, const float* next,
                       int rows, std::int64_t n, const float* max, const score_terms* terms, double* total,
                       outgoing_rows* before) noexcept;
  // The same for rows side by side, in place, each with its own numbers; n columns, of one chunk. e may be t or null.
  void (*exp_sum_columns)(const float* t, float* e, std::int64_t n, const float* max, double* total) noexcept;
  /// Totals of side_by_side rows become sums of e^(score - max).
  void (*relative_to_max)(const float* max, double* total) noexcept;
  void (*scale_columns)(float* t, std::int64_t n, const float* high, const float* low) noexcept;
  void (*shift_columns)(float* t, std::int64_t n, const float* max, const float* high, const float* low) noexcept;

  /// y[i] = scale's or, if `logarithm`, shift's result, rounded to nearest even to f16 or bf16.
  using rounded_fn = void (*)(const float* x, void* y, std::int64_t n, bool logarithm, float max, float high, float low,
                              bool streaming) noexcept;
  rounded_fn rounded[dtype_count - 1];
  rounded_fn rounded_to(dtype type) const noexcept { return rounded[static_cast<int>(type) - 1]; }

  /// The plain softmax of `rows` rows side by side, a multiple of side_by_side up to across_rows, whose n columns of
  /// one chunk lie x_step apart; y has their dtype and may be x unless `streaming`. `room`: 64 floats for each row, on
  /// a cache line.
  void (*across[dtype_count])(const void* x, std::int64_t x_step, void* y, std::int64_t y_step, int rows,
                              std::int64_t n, bool logarithm, bool streaming, float* room) noexcept;
};

/// The gates of a row, filled by cpu/gate_kernels.cpp.
struct gate_table {
  /// y[i] = gate(a[i], b[i]), all of the same dtype, y contiguous, a and b either contiguous, and possibly identical
  /// with y, or `alternate`: a[0] b[0] a[1] b[1] ... from a on. Who asks `from_memory` orders the stores afterwards.
  using forward_fn = void (*)(const void* a, const void* b, bool alternate, void* y, std::int64_t n,
                              const parameters& p, bool from_memory) noexcept;
  forward_fn forward[accuracy_count][gate_count][dtype_count];
  /// da[i] and db[i] = dy[i] times the derivatives, all contiguous; each of them may be identical with any input.
  using gradient_fn = void (*)(const float* dy, const float* a, const float* b, float* da, float* db, std::int64_t n,
                               const parameters& p, bool from_memory) noexcept;
  gradient_fn gradient[gate_count];
  /// a[i] = x[2 i], b[i] = x[2 i + 1] as f32, and back with rounding to nearest even.
  using separate_fn = void (*)(const void* x, std::int64_t n, float* a, float* b) noexcept;
  separate_fn separate[dtype_count];
  using alternate_fn = void (*)(const float* a, const float* b, std::int64_t n, void* x) noexcept;
  alternate_fn alternate[dtype_count];
};

struct kernel_table {
  const char* name;
  std::int32_t lanes;
  bool fma;

  /// y[i] = op(x[i]), x and y contiguous and of the same dtype, possibly identical. `from_memory`: what is read is
  /// asked for early, and results are stored past the caches where they are not identical with it. The last of the four
  /// is for f32 values that will be stored in 16 bits: where that matters it rounds to odd.
  using forward_fn = void (*)(const void* x, void* y, std::int64_t n, const parameters& p, bool from_memory) noexcept;
  forward_fn forward[accuracy_count][activation_count][dtype_count + 1];

  /// dx[i] = dy[i] op'(x[i]), all contiguous; dx may be identical with dy or x.
  using gradient_fn = void (*)(const float* dy, const float* x, float* dx, std::int64_t n, const parameters& p,
                               bool from_memory) noexcept;
  gradient_fn gradient[activation_count];

  /// out[i] = x[i stride] as f32, and back with rounding to nearest even.
  using gather_fn = void (*)(const void* x, std::int64_t stride, std::int64_t n, float* out) noexcept;
  gather_fn gather[dtype_count + 1];  ///< the last: booleans, as 0 and -inf
  using scatter_fn = void (*)(const float* x, void* out, std::int64_t stride, std::int64_t n) noexcept;
  scatter_fn scatter[dtype_count];
  /// The same with a stride of 1; who asks for streaming orders the stores afterwards.
  using scatter_row_fn = void (*)(const float* x, void* out, std::int64_t n, bool streaming) noexcept;
  scatter_row_fn scatter_row[dtype_count];

  /// y[i] = v
  void (*row_fill)(float* y, std::int64_t n, float v, bool streaming) noexcept;
  /// The largest of bound and all scores that are not NaN; `terms` as in softmax_steps. NaN if there may be a NaN under
  /// the -inf of a mask, which only `scores` overlooks.
  float (*row_max)(const float* x, std::int64_t n, const score_terms* terms, float bound) noexcept;
  /// The same of elements without terms, f16 and bf16, which go to t as f32 unless it is null.
  using row_max_widened_fn = float (*)(const void* x, float* t, std::int64_t n, float bound) noexcept;
  row_max_widened_fn row_max_widened[2];
  /// Between rows that lie `stride` apart and rows side by side, of which the first `rows` count; columns, of
  /// side_by_side numbers each, lie `step` apart.
  void (*to_columns)(const float* x, std::int64_t stride, int rows, std::int64_t n, float* t,
                     std::int64_t step) noexcept;
  void (*from_columns)(const float* t, std::int64_t step, float* y, std::int64_t stride, int rows,
                       std::int64_t n) noexcept;
  /// The same of each row, -inf if there is none; NaN then in all of them.
  void (*max_rows)(const float* x, std::int64_t stride, int rows, std::int64_t n, const score_terms* terms,
                   float* max) noexcept;
  void (*max_columns)(const float* t, std::int64_t n, float* max) noexcept;
  /// Numbers of rows side by side become integers in the same order, NaN above all; of those the largest of each row,
  /// the first of equals, is taken out. `value` is the number that it was, where that was not NaN.
  void (*columns_to_keys)(float* t, std::int64_t n) noexcept;
  void (*take_largest)(float* keys, std::int64_t n, float* value, std::int32_t* place) noexcept;
  softmax_steps softmax[accuracy_count];
  /// The total of a sum, without what its lanes began at.
  double (*row_total)(const softmax_sum& sum) noexcept;
  /// For side_by_side rows: log(total) and numerator / total, each in two parts.
  void (*logarithms)(const double* total, float* high, float* low) noexcept;
  void (*quotients)(double numerator, const double* total, float* high, float* low) noexcept;
  /// Adds all a[i] b[i], or all a[i] if b is null, to sum; n as for exp_sum. `from_memory`: they are asked for early.
  void (*row_dot)(const float* a, const float* b, std::int64_t n, softmax_sum& sum, bool from_memory) noexcept;
  /// dx[i] = scale y[i] (dy[i] - (high + low)), and for log_softmax dx[i] = scale (dy[i] - e^y[i] (high + low)).
  void (*softmax_gradient[2])(const float* dy, const float* y, float* dx, std::int64_t n, float scale, float high,
                              float low, bool streaming) noexcept;
  /// The same of rows side by side, of one dtype, from their dy and y on; the rest as in softmax_steps::across.
  void (*gradient_across[dtype_count])(const void* dy, std::int64_t dy_step, const void* y, std::int64_t y_step,
                                       void* dx, std::int64_t dx_step, int rows, std::int64_t n, bool logarithm,
                                       float scale, bool streaming, float* room) noexcept;
  const gate_table* gates;
  /// q[i stride] = the code of x[i] / scale; by dtype, from f8_e4m3 on.
  using quantise_fn = void (*)(const float* x, void* q, std::int64_t stride, std::int64_t n, float scale) noexcept;
  quantise_fn quantise[quantised_count];
  /// The largest of bound and all |x| that are finite.
  float (*row_amax)(const float* x, std::int64_t n, float bound) noexcept;

  quantise_fn quantise_to(dtype type) const noexcept {
    return quantise[static_cast<int>(type) - static_cast<int>(dtype::f8_e4m3)];
  }
};

/// The rows of this build that this machine can run, best first, and all of them for information; see cpu/isa.cpp.
struct isa_list {
  const kernel_table* usable[16];
  int usable_count;
  isa_info all[16];
  int all_count;
};
const isa_list& cpu_isa_list() noexcept;

/// Bytes of the last-level cache, at most 32 MiB; outputs beyond are written with non-temporal stores. See cpu/isa.cpp.
std::int64_t cache_share_bytes() noexcept;

}  // namespace sigmax
