// Softmax rows on the CPU. A contiguous f32 row is read where it lies; any other is gathered, a tile of rows at a time
// when neighbouring rows share cache lines. Rows that fit the scratch buffer are read from memory once and their
// exponentials are kept; longer ones are computed again in the last pass, which is bit-identical. All additions follow
// kernels/softmax_state.hpp.
#include <algorithm>
#include <limits>

#include "../kernels/dispatch.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t scratch_floats = 8192;       // 32 KiB of stack
constexpr int widest_tile = 16;                     // f32 columns in a cache line
constexpr int direct_tile = 8;                      // contiguous rows together, if each has at most
constexpr std::int64_t direct_columns = 512;        // so many columns: 16 KiB, half an L1 cache
constexpr std::int64_t stored_row_bytes = 1 << 20;  // up to here a second visit to y is cheaper than a second exp

/// log(s) for s in [1, 2^63], in double, from exact IEEE operations only; error below 2^-50.
double log_of(double s) noexcept {
  if (!(s >= 1)) return s;  // NaN: the row was poisoned
  const auto bits = __builtin_bit_cast(std::uint64_t, s);
  auto exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = __builtin_bit_cast(double, (bits & ((std::uint64_t{1} << 52) - 1)) | (std::uint64_t{1023} << 52));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log(m) = 2 atanh(f), f = (m - 1) / (m + 1), |f| < 0.172: eleven terms of the series.
  const double f = (m - 1.0) / (m + 1.0), q = f * f;
  double series = 0;
  for (int k = 21; k >= 3; k -= 2) series = (series + 1.0 / k) * q;
  constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
  const auto e = static_cast<double>(exponent);
  return e * ln2_high + (2.0 * f + (2.0 * f * series + e * ln2_low));
}

struct factors {
  float high, low;
};
factors two_parts(double v) noexcept {
  const auto high = static_cast<float>(v);
  return {high, static_cast<float>(v - static_cast<double>(high))};
}
factors finish(const softmax_plan& plan, const softmax_sum& sum) noexcept {
  const double total = plan.table->row_total(sum);
  return two_parts(plan.logarithm ? log_of(total) : 1.0 / total);
}

const std::byte* at(const void* base, dtype t, std::int64_t element) noexcept {
  return static_cast<const std::byte*>(base) + element * size_of(t);
}

/// x to y, in the last pass over a row.
void write(const softmax_plan& plan, const float* x, float* y, std::int64_t n, float max, factors f,
           bool streaming) noexcept {
  if (plan.logarithm)
    plan.steps->shift(x, y, n, max, f.high, f.low, streaming);
  else
    plan.steps->exp_scale(x, y, n, max, f.high, f.low, streaming);
}

/// Rows whose input and output are contiguous f32, `rows` of them starting where the cursor stands, all along the
/// innermost loop of the nest. Step by step for all of them: the steps of one row wait for each other, those of several
/// overlap.
void direct_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  const kernel_table& k = *plan.table;
  const std::int64_t n = plan.columns;
  const int last = plan.rows.rank - 1;
  const auto x = [&](int r) {
    return static_cast<const float*>(plan.x) + cursor.offset(0) + r * plan.rows.stride[0][last];
  };
  const auto y = [&](int r) { return static_cast<float*>(plan.y) + cursor.offset(1) + r * plan.rows.stride[1][last]; };
  const bool keep = !plan.logarithm && (plan.streaming ? n <= scratch_floats : n * 4 <= stored_row_bytes);
  const auto kept = [&](int r) { return !keep ? nullptr : plan.streaming ? scratch + r * n : y(r); };

  float max[direct_tile];
  softmax_sum sum[direct_tile];
  factors f[direct_tile];
  for (int r = 0; r < rows; ++r) max[r] = k.row_max(x(r), n, -std::numeric_limits<float>::infinity());
  for (int r = 0; r < rows; ++r) {
    sum[r] = {};
    plan.steps->exp_sum(x(r), kept(r), n, max[r], sum[r]);
  }
  for (int r = 0; r < rows; ++r) f[r] = finish(plan, sum[r]);
  for (int r = 0; r < rows; ++r) {
    if (keep)
      plan.steps->scale(kept(r), y(r), n, f[r].high, f[r].low, plan.streaming);
    else
      write(plan, x(r), y(r), n, max[r], f[r], plan.streaming);
  }
}

/// Rows that are gathered, `rows` of them starting where the cursor stands, all along the innermost loop of the nest.
void gathered_rows(const softmax_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  const kernel_table& k = *plan.table;
  const auto x_type = static_cast<std::size_t>(plan.x_type), y_type = static_cast<std::size_t>(plan.y_type);
  const int last = plan.rows.rank - 1;
  const std::int64_t n = plan.columns;
  // A whole number of summation blocks, unless the whole row fits.
  const std::int64_t piece = n <= scratch_floats / rows ? n : scratch_floats / rows / softmax_block * softmax_block;
  const bool whole = piece == n;
  const bool keep = whole && !plan.logarithm;  // the exponentials, in place of the row

  const auto gather = [&](std::int64_t start, std::int64_t count) {
    for (int r = 0; r < rows; ++r)
      k.gather[x_type](
          at(plan.x, plan.x_type, cursor.offset(0) + r * plan.rows.stride[0][last] + start * plan.x_stride),
          plan.x_stride, count, scratch + r * piece);
  };
  const auto scatter = [&](std::int64_t start, std::int64_t count) {
    for (int r = 0; r < rows; ++r)
      k.scatter[y_type](
          scratch + r * piece,
          const_cast<std::byte*>(
              at(plan.y, plan.y_type, cursor.offset(1) + r * plan.rows.stride[1][last] + start * plan.y_stride)),
          plan.y_stride, count);
  };

  float max[widest_tile];
  std::fill_n(max, rows, -std::numeric_limits<float>::infinity());
  softmax_sum sum[widest_tile];
  std::fill_n(sum, rows, softmax_sum{});
  for (std::int64_t start = 0; start < n; start += piece) {
    const std::int64_t count = std::min(piece, n - start);
    gather(start, count);
    for (int r = 0; r < rows; ++r) max[r] = k.row_max(scratch + r * piece, count, max[r]);
  }
  for (std::int64_t start = 0; start < n; start += piece) {
    const std::int64_t count = std::min(piece, n - start);
    if (!whole) gather(start, count);
    for (int r = 0; r < rows; ++r) {
      float* const row = scratch + r * piece;
      plan.steps->exp_sum(row, keep ? row : nullptr, count, max[r], sum[r]);
    }
  }
  for (std::int64_t start = 0; start < n; start += piece) {
    const std::int64_t count = std::min(piece, n - start);
    if (!whole) gather(start, count);
    for (int r = 0; r < rows; ++r) {
      float* const row = scratch + r * piece;
      const factors f = finish(plan, sum[r]);
      if (keep)
        plan.steps->scale(row, row, count, f.high, f.low, false);
      else
        write(plan, row, row, count, max[r], f, false);
    }
    scatter(start, count);
  }
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const softmax_plan*>(argument);
  alignas(64) float scratch[scratch_floats];
  nest_cursor cursor(plan.rows, begin);
  const bool direct = plan.direct_input && plan.direct_output;
  const std::int64_t tile = !direct ? plan.tile : plan.columns <= direct_columns ? direct_tile : 1;
  while (begin < end) {
    const auto rows = static_cast<int>(std::min({tile, cursor.run(), end - begin}));
    if (direct)
      direct_rows(plan, cursor, rows, scratch);
    else
      gathered_rows(plan, cursor, rows, scratch);
    cursor.advance(rows);
    begin += rows;
  }
}

constexpr std::int64_t smallest_task = 16384;  // elements, as for elementwise calls

}  // namespace

softmax_plan plan_softmax(const kernel_table& table, bool logarithm, const const_view& x, const const_view& y, int axis,
                          std::int64_t count, const options& how) noexcept {
  softmax_plan plan{};
  plan.table = &table;
  plan.steps = &table.softmax[static_cast<std::size_t>(how.accuracy)];
  plan.logarithm = logarithm;
  plan.x = x.data;
  plan.y = const_cast<void*>(y.data);
  plan.x_type = x.type;
  plan.y_type = y.type;
  plan.columns = x.shape[axis];
  plan.x_stride = x.strides[axis];
  plan.y_stride = y.strides[axis];
  const const_view* const views[] = {&x, &y};
  plan.rows = make_nest(views, 2, axis);
  plan.direct_input = x.type == dtype::f32 && (plan.x_stride == 1 || plan.columns == 1);
  plan.direct_output = y.type == dtype::f32 && (plan.y_stride == 1 || plan.columns == 1);
  plan.tile = plan.x_stride != 1 && plan.columns > 1 ? widest_tile : 1;
  plan.streaming =
      plan.direct_input && plan.direct_output && x.data != y.data && count > last_level_cache_bytes() / size_of(y.type);
  plan.work = split_work(count / plan.columns, 1, std::max<std::int64_t>(1, smallest_task / plan.columns), how);
  return plan;
}

void run_softmax(const softmax_plan& plan, const options& how) noexcept {
  run_split(plan.work, 1, how, run_rows, &plan);
}

}  // namespace sigmax
