#include "cuda_goals.hpp"

#include "row_op.hpp"

namespace sigmax_bench {
namespace {

constexpr std::int64_t mega = 1'000'000;

bool elementwise(const bench_case& c) {
  return c.op.kind == op_kind::activation || c.op.kind == op_kind::gradient || c.op.kind == op_kind::gated;
}
bool moves(const bench_case& c, std::int64_t at_least) { return c.bytes() >= at_least; }
bool is_shape(const bench_case& c, std::int64_t rows, std::int64_t cols) {
  return c.size.all_rows() == rows && c.size.cols == cols;
}
bool softmax_of(const bench_case& c, std::int64_t from, std::int64_t to) {
  return c.op.plain_softmax() && c.size.cols >= from && c.size.cols < to && moves(c, 256 * mega);
}

// From the top, the first that covers a case is its goal. On an H200, whose copies move 4.3 TB/s; the shares hold for
// any device that memory bounds, the times for that one. What others reach there, by their authors' word: elementwise
// CUB 0.91 of the data sheet's bandwidth; short calls CUB 2.0 us; softmax QuACK 0.90 of it at 8 Ki columns and more,
// 0.70 at 512; decoding SGLang 3.1 us for 1 x 64 Ki and 6.8 us for 64 x 32 Ki.
constexpr struct {
  bool (*covers)(const bench_case&);
  cuda_goal goal;
} goals[] = {
    {[](const bench_case& c) { return elementwise(c) && c.misaligned && moves(c, 256 * mega); }, {.of_copy = 0.90}},
    {[](const bench_case& c) { return c.op.kind == op_kind::gated && is_shape(c, 16, 14336); }, {.us = 2.0}},
    {[](const bench_case& c) { return elementwise(c) && moves(c, 1000 * mega); }, {.of_copy = 0.97}},
    {[](const bench_case& c) { return elementwise(c) && moves(c, 256 * mega); }, {.of_copy = 0.94}},
    {[](const bench_case& c) { return elementwise(c) && moves(c, 64 * mega); }, {.of_copy = 0.85}},
    {[](const bench_case& c) { return elementwise(c) && !moves(c, mega + 1); }, {.us = 2.3}},
    {[](const bench_case& c) { return c.op.plain_softmax() && is_shape(c, 1, 131072); }, {.us = 4}},
    {[](const bench_case& c) { return c.op.plain_softmax() && is_shape(c, 64, 32768); }, {.us = 7}},
    {[](const bench_case& c) { return c.op.plain_softmax() && is_shape(c, 64, 131072); }, {.us = 20}},
    {[](const bench_case& c) { return c.op.has(row_option::causal) && c.size.rows == c.size.cols; }, {.of_copy = 0.92}},
    {[](const bench_case& c) { return c.size.cols % 2 == 1 && softmax_of(c, 64, 262145); }, {.of_copy = 0.90}},
    {[](const bench_case& c) { return c.misaligned && softmax_of(c, 64, 262145); }, {.of_copy = 0.90}},
    {[](const bench_case& c) { return softmax_of(c, 1024, 262145); }, {.of_copy = 0.97}},
    {[](const bench_case& c) { return softmax_of(c, 256, 1024); }, {.of_copy = 0.92}},
    {[](const bench_case& c) { return softmax_of(c, 64, 256); }, {.of_copy = 0.88}},
    {[](const bench_case& c) { return softmax_of(c, 16, 64); }, {.of_copy = 0.80}},
};

}  // namespace

const cuda_goal* goal_of(const bench_case& c) {
  for (const auto& g : goals) {
    if (g.covers(c)) return &g.goal;
  }
  return nullptr;
}

}  // namespace sigmax_bench
