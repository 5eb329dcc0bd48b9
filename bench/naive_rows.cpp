// Compiled as naive.cpp, but never as a peer: vectors and classes must not exist in a second form for the linker.
#include "naive_rows.hpp"

#include "row_op.hpp"
#include "storage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

namespace sigmax_bench {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct row_position {
  std::int64_t number;  // among all rows
  column_range seen;
  std::int64_t query;
};

// t holds a row of x and becomes its scores.
void apply_options(const operation& op, const row_operands& rows, const row_position& row, float* t) {
  const auto each = [&](auto f) {
    for (std::int64_t j = row.seen.begin; j < row.seen.end; ++j) t[j] = f(t[j], j);
  };
  if (op.has(row_option::scale)) each([](float v, std::int64_t) { return v * option_scale; });
  if (op.has(row_option::row_scale)) {
    each([factor = rows.row_scale[static_cast<std::size_t>(row.number)]](float v, std::int64_t) { return v * factor; });
  }
  if (op.has(row_option::softcap))
    each([](float v, std::int64_t) { return option_softcap * std::tanh(v / option_softcap); });
  if (op.has(row_option::alibi))
    each([&](float v, std::int64_t j) { return v + option_slope * static_cast<float>(j - row.query); });
  if (op.has(row_option::mask)) each([m = rows.mask.data()](float v, std::int64_t j) { return v + m[j]; });
  if (op.has(row_option::boolean))
    each([m = rows.allowed.data()](float v, std::int64_t j) { return m[j] != 0 ? v : -infinity; });
}

struct sums {
  float max, sum;
};
/// keep(j, e) gets every exponential.
template <class Keep>
sums sums_of(const operation& op, const row_position& row, const float* t, Keep keep) {
  sums s{op.has(row_option::sinks) ? option_sink : -infinity, 0};
  for (std::int64_t j = row.seen.begin; j < row.seen.end; ++j) s.max = t[j] > s.max ? t[j] : s.max;
  if (op.has(row_option::sinks)) s.sum = std::exp(option_sink - s.max);
  for (std::int64_t j = row.seen.begin; j < row.seen.end; ++j) {
    const float e = std::exp(t[j] - s.max);
    keep(j, e);
    s.sum += e;
  }
  return s;
}
sums sums_of(const operation& op, const row_position& row, const float* t) {
  return sums_of(op, row, t, [](std::int64_t, float) {});
}

template <class T>
void softmax_row(const bench_case& c, row_operands& rows, const row_position& row, const float* t, T* y) {
  const bool logarithm = c.op.kind == op_kind::log_softmax,
             keeps = std::is_same_v<T, float> && c.op.kind == op_kind::softmax;  // 16 bits would round what is kept
  const sums s = sums_of(c.op, row, t, [&](std::int64_t j, float e) {
    if (keeps) y[j] = store<T>(e);
  });
  const float log_sum = std::log(s.sum);
  if (!rows.lse.empty()) rows.lse[static_cast<std::size_t>(row.number)] = s.max + log_sum;
  if (c.op.kind == op_kind::logsumexp) return;
  const bool empty = s.max == -infinity;
  const T nothing = store<T>(logarithm ? -infinity : 0.0f);
  std::fill(y, y + row.seen.begin, nothing);
  for (std::int64_t j = row.seen.begin; j < row.seen.end; ++j) {
    if (empty)
      y[j] = nothing;
    else if (keeps)
      y[j] = store<T>(load(y[j]) / s.sum);
    else
      y[j] = store<T>(logarithm ? t[j] - s.max - log_sum : std::exp(t[j] - s.max) / s.sum);
  }
  std::fill(y + row.seen.end, y + c.size.cols, nothing);
}

template <class T>
void loss_row(const bench_case& c, row_operands& rows, const row_position& row, const float* t, T* dx) {
  const auto r = static_cast<std::size_t>(row.number);
  const std::int64_t target = rows.targets[r];
  if (c.op.kind == op_kind::cross_entropy) {
    const sums s = sums_of(c.op, row, t);
    const float lse = s.max + std::log(s.sum);
    rows.loss[r] = lse - t[target];
    if (!rows.lse.empty()) rows.lse[r] = lse;
    return;
  }
  const float scale = loss_gradient * scale_of(c.op);
  const auto write = [&](auto probability) {
    for (std::int64_t j = 0; j < c.size.cols; ++j)
      dx[j] = store<T>(scale * (probability(t[j]) - (j == target ? 1.0f : 0.0f)));
  };
  if (c.op.has(row_option::lse)) {
    write([lse = rows.lse[r]](float v) { return std::exp(v - lse); });
  } else {
    write([s = sums_of(c.op, row, t)](float v) { return std::exp(v - s.max) / s.sum; });
  }
}

void gating_row(const bench_case& c, row_operands& rows, const row_position& row, const float* t) {
  const std::int64_t k = experts_chosen(c.size);
  std::vector<std::int32_t> order(static_cast<std::size_t>(c.size.cols));
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + k, order.end(),
                    [&](std::int32_t a, std::int32_t b) { return t[a] > t[b] || (t[a] == t[b] && a < b); });
  float* const weights = rows.weights.data() + row.number * k;
  float sum = 0;
  for (std::int64_t i = 0; i < k; ++i) {
    const std::int32_t expert = order[static_cast<std::size_t>(i)];
    rows.experts[static_cast<std::size_t>(row.number * k + i)] = expert;
    weights[i] = std::exp(t[expert] - t[order[0]]);
    sum += weights[i];
  }
  for (std::int64_t i = 0; i < k; ++i) weights[i] /= sum;
}

template <class T>
void gradient_row(const operation& op, const T* dy, const T* y, T* dx, std::int64_t cols) {
  const bool logarithm = op.kind == op_kind::log_softmax_gradient;
  const float scale = scale_of(op);
  float sum = 0;
  for (std::int64_t j = 0; j < cols; ++j) sum += load(dy[j]) * (logarithm ? 1.0f : load(y[j]));
  for (std::int64_t j = 0; j < cols; ++j) {
    const float d = load(dy[j]), v = load(y[j]);
    dx[j] = store<T>(scale * (logarithm ? d - std::exp(v) * sum : v * (d - sum)));
  }
}

template <class T>
void run(const bench_case& c, const operands& memory, row_operands& rows, std::int64_t begin, std::int64_t end) {
  const std::int64_t cols = c.size.cols;
  std::vector<float> t(static_cast<std::size_t>(cols));
  for (std::int64_t r = begin; r < end; ++r) {
    const auto at = [&](const void* tensor) { return static_cast<const T*>(tensor) + r * cols; };
    T* y = static_cast<T*>(memory.y()) + r * cols;
    if (c.op.takes_forward_result()) {
      gradient_row(c.op, at(memory.dy()), at(memory.forward_result()), y, cols);
      continue;
    }
    const row_position row{r, visible_columns(c.op, c.size, r), cols - c.size.rows + r % c.size.rows};
    const T* x = at(memory.x());
    for (std::int64_t j = row.seen.begin; j < row.seen.end; ++j) t[static_cast<std::size_t>(j)] = load(x[j]);
    apply_options(c.op, rows, row, t.data());
    if (!rows.experts.empty()) {
      gating_row(c, rows, row, t.data());
    } else if (rows.targets.empty()) {
      softmax_row(c, rows, row, t.data(), y);
    } else {
      loss_row(c, rows, row, t.data(), y);
    }
  }
}

}  // namespace

void run_naive_rows(const bench_case& c, const operands& memory, row_operands& rows, std::int64_t begin,
                    std::int64_t end) {
  switch (c.type) {
    case sigmax::dtype::f32: return run<float>(c, memory, rows, begin, end);
    case sigmax::dtype::f16: return run<sigmax::float16>(c, memory, rows, begin, end);
    case sigmax::dtype::bf16: return run<sigmax::bfloat16>(c, memory, rows, begin, end);
    default: return;
  }
}

}  // namespace sigmax_bench
