// The backward passes of softmax and log_softmax on the CPU, from dy and y: a sum over the row, then the row.
// Contiguous f32 is read where it lies; anything else is gathered, a tile of rows at a time when neighbours share cache
// lines.
#include "softmax_rows.hpp"

namespace sigmax {
namespace {

void gradient_rows(const softmax_gradient_plan& plan, const nest_cursor& cursor, int rows, float* scratch) noexcept {
  const kernel_table& k = *plan.table;
  const std::int64_t n = plan.columns, room = scratch_floats / 2 / rows;
  const std::int64_t piece = plan.direct || n <= room ? n : room / softmax_lanes * softmax_lanes;
  const auto at = [&](gradient_operand which, int r, std::int64_t column) {
    const std::int64_t step = plan.rows.stride[which][plan.rows.rank - 1];
    return plan.data[which] +
           (cursor.offset(which) + r * step + column * plan.stride[which]) * size_of(plan.type[which]);
  };
  const auto buffer_of = [&](gradient_operand which, int r) { return scratch + (2 * r + which) * piece; };
  const auto fetch = [&](gradient_operand which, int r, std::int64_t start, std::int64_t count) {
    k.gather[static_cast<std::size_t>(plan.type[which])](at(which, r, start), plan.stride[which], count,
                                                         buffer_of(which, r));
  };
  const auto row = [&](gradient_operand which, int r, std::int64_t start) {
    return plan.direct ? reinterpret_cast<float*>(at(which, r, start)) : buffer_of(which, r);
  };
  const auto pieces = [&](bool gather, auto&& work) {
    for (std::int64_t start = 0; start < n; start += piece) {
      const std::int64_t count = std::min(piece, n - start);
      for (int r = 0; gather && r < rows; ++r) {
        fetch(gradient_dy, r, start, count);
        fetch(gradient_y, r, start, count);
      }
      for (int r = 0; r < rows; ++r) work(r, start, count);
    }
  };

  softmax_sum sum[widest_tile] = {};
  pieces(!plan.direct, [&](int r, std::int64_t start, std::int64_t count) {
    k.row_dot(row(gradient_dy, r, start), plan.logarithm ? nullptr : row(gradient_y, r, start), count, sum[r]);
  });
  factors total[widest_tile];
  for (int r = 0; r < rows; ++r) total[r] = two_parts(k.row_total(sum[r]));
  pieces(!plan.direct && piece < n, [&](int r, std::int64_t start, std::int64_t count) {
    float* const dx = plan.direct ? row(gradient_dx, r, start) : buffer_of(gradient_dy, r);
    k.softmax_gradient[plan.logarithm](row(gradient_dy, r, start), row(gradient_y, r, start), dx, count, plan.scale,
                                       total[r].high, total[r].low, plan.streaming);
    if (!plan.direct)
      k.scatter[static_cast<std::size_t>(plan.type[gradient_dx])](dx, at(gradient_dx, r, start),
                                                                  plan.stride[gradient_dx], count);
  });
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const softmax_gradient_plan*>(argument);
  alignas(64) float scratch[scratch_floats];
  nest_cursor cursor(plan.rows, begin);
  while (begin < end) {
    const auto rows = static_cast<int>(std::min<std::int64_t>({plan.tile, cursor.run(), end - begin}));
    gradient_rows(plan, cursor, rows, scratch);
    cursor.advance(rows);
    begin += rows;
  }
  if (plan.streaming) order_streamed_stores();
}

}  // namespace

softmax_gradient_plan plan_softmax_gradient(const kernel_table& table, bool logarithm, const const_view& dy,
                                            const const_view& y, const const_view& dx, int axis, float scale,
                                            const options& how) noexcept {
  softmax_gradient_plan plan{};
  plan.table = &table;
  plan.logarithm = logarithm;
  plan.scale = scale;
  plan.columns = dx.shape[axis];
  const const_view* const views[] = {&dy, &y, &dx};
  plan.rows = make_nest(views, gradient_operands, gradient_dx, axis);
  plan.direct = true;
  for (int v = 0; v < gradient_operands; ++v) {
    plan.data[v] = static_cast<std::byte*>(const_cast<void*>(views[v]->data));
    plan.type[v] = views[v]->type;
    plan.stride[v] = views[v]->strides[axis];
    plan.direct = plan.direct && plan.type[v] == dtype::f32 && (plan.stride[v] == 1 || plan.columns == 1);
  }
  plan.tile = rows_together(plan.stride[gradient_dx], plan.columns);
  const std::int64_t count = element_count(dx);
  plan.streaming =
      plan.direct && dx.data != dy.data && dx.data != y.data && count > last_level_cache_bytes() / size_of(dtype::f32);
  plan.work = split_rows(count / plan.columns, plan.columns, how);
  return plan;
}

void run_softmax_gradient(const softmax_gradient_plan& plan, const options& how) noexcept {
  run_split(plan.work, 1, how, run_rows, &plan);
}

}  // namespace sigmax
