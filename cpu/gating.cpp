// Top-k gating on the CPU: 16 rows side by side, whose largest entries are taken out one round after the other and
// weighted with the steps of softmax and sigmoid.
#include "softmax_rows.hpp"

namespace sigmax {
namespace {

static_assert(most_experts <= smallest_chunk);

/// What a softmax over rows side by side is made of.
struct row_terms {
  float max[side_by_side];
  double total[side_by_side];
};

row_block block_of(const gating_plan& plan, const nest_cursor& cursor, gating_operand which, int rows) noexcept {
  return {plan.data[which] + cursor.offset(which) * size_of(plan.type[which]), plan.type[which],
          plan.rows.stride[which][plan.rows.rank - 1], plan.stride[which], rows};
}

void sigmoid(const gating_plan& plan, accuracy tier, float* t, std::int64_t count) noexcept {
  plan.table->forward[static_cast<std::size_t>(tier)][static_cast<std::size_t>(activation::sigmoid)]
                     [static_cast<std::size_t>(dtype::f32)](t, t, count, {}, false);
}

/// e^w / R in place (softmax_steps says what R is), and their total: a weight is a quotient of two of these.
void exponentials(const gating_plan& plan, float* w, std::int64_t n, const float* max, double* total) noexcept {
  plan.steps->exp_sum_columns(w, w, n, max, total);
  float down[side_by_side], nothing[side_by_side] = {};
  std::fill_n(down, side_by_side, numerator_down);
  plan.steps->scale_columns(w, n, down, nothing);
}

/// What decides the choice: the logits, or their scores and the bias. t holds the logits, `buffer` takes the bias.
void add_bias(const gating_plan& plan, const nest_cursor& cursor, int rows, const row_terms& terms, float* t,
              float* buffer) noexcept {
  const std::int64_t n = plan.columns;
  if (plan.form.sigmoid) {
    sigmoid(plan, plan.tier, t, n * side_by_side);
  } else {
    double unused[side_by_side];
    exponentials(plan, t, n, terms.max, unused);
    scale_columns(*plan.table, *plan.steps, t, n, 1, terms.total);
  }
  read_columns(*plan.table, block_of(plan, cursor, gating_bias, rows), n, buffer);
  for (std::int64_t i = 0; i < n * side_by_side; ++i) t[i] += buffer[i];
}

/// Chosen logits become their weights. `terms` is that of all logits. Sigmoids are few, and the fast form's are not
/// near where they are small, which their quotients would show.
void weigh(const gating_plan& plan, const row_terms& terms, float* w) noexcept {
  const std::int64_t k = plan.chosen, count = k * side_by_side;
  const bool biased = plan.data[gating_bias] != nullptr;
  row_terms chosen;
  if (!plan.form.renormalise) {
    for (double& total : chosen.total) total = 1;
    if (plan.form.sigmoid) {
      sigmoid(plan, accuracy::high, w, count);
      if (plan.form.scale != 1)
        scale_columns(*plan.table, *plan.steps, w, k, static_cast<double>(plan.form.scale), chosen.total);
    } else {
      exponentials(plan, w, k, terms.max, chosen.total);
      scale_columns(*plan.table, *plan.steps, w, k, static_cast<double>(plan.form.scale), terms.total);
    }
    return;
  }
  plan.table->max_columns(w, k, chosen.max);
  if (plan.form.sigmoid) {
    // From here down e^x is sigmoid(x) to 2^-28, and sigmoids may be 0 where their quotients are not.
    const auto small = [&](int r) { return chosen.max[r] < -20; };
    const softmax_steps& exact = plan.table->softmax[static_cast<std::size_t>(accuracy::high)];
    bool any = false;
    for (int r = 0; r < side_by_side; ++r) any = any || small(r);
    if (!any) sigmoid(plan, accuracy::high, w, count);
    for (std::int64_t i = 0; i < count && any; ++i) {
      const auto r = static_cast<int>(i % side_by_side);
      if (small(r))
        exact.exp_scale(w + i, w + i, 1, chosen.max[r], numerator_down, 0, nullptr, false);
      else
        sigmoid(plan, accuracy::high, w + i, 1);
    }
    for (double& total : chosen.total) total = 0;
    for (std::int64_t i = 0; i < count; ++i) chosen.total[i % side_by_side] += static_cast<double>(w[i]);
  } else {
    exponentials(plan, w, k, chosen.max, chosen.total);
    // With a bias, what makes the row NaN need not be chosen.
    for (int r = 0; r < side_by_side && biased; ++r)
      if (std::isnan(terms.total[r])) chosen.total[r] = terms.total[r];
  }
  scale_columns(*plan.table, *plan.steps, w, k, static_cast<double>(plan.form.scale), chosen.total);
}

void write(const row_block& experts, const std::int32_t* places, std::int64_t i) noexcept {
  for (int r = 0; r < experts.rows; ++r) {
    if (experts.type == dtype::i32)
      *reinterpret_cast<std::int32_t*>(experts.at(r, i)) = places[r];
    else
      *reinterpret_cast<std::int64_t*>(experts.at(r, i)) = places[r];
  }
}

void run_tile(const gating_plan& plan, const nest_cursor& cursor, int rows, float* t, float* w) noexcept {
  const std::int64_t n = plan.columns;
  const bool biased = plan.data[gating_bias] != nullptr;
  const row_block experts = block_of(plan, cursor, gating_experts, rows);
  row_terms terms;
  const row_block x = block_of(plan, cursor, gating_x, rows);
  read_columns(*plan.table, x, n, t);
  if (!plan.form.sigmoid && (biased || !plan.form.renormalise)) {
    plan.table->max_columns(t, n, terms.max);
    plan.steps->exp_sum_columns(t, nullptr, n, terms.max, terms.total);
  }
  if (biased) add_bias(plan, cursor, rows, terms, t, w);
  plan.table->columns_to_keys(t, n);
  for (std::int64_t i = 0; i < plan.chosen; ++i) {
    std::int32_t places[side_by_side];
    float* const value = w + i * side_by_side;
    plan.table->take_largest(t, n, value, places);
    write(experts, places, i);
    for (int r = 0; r < rows && biased; ++r)
      plan.table->gather[static_cast<std::size_t>(plan.type[gating_x])](x.at(r, places[r]), 1, 1, value + r);
    for (int r = rows; r < side_by_side && biased; ++r) value[r] = value[0];  // no row's, but weighed as one
  }
  weigh(plan, terms, w);
  write_columns(*plan.table, w, block_of(plan, cursor, gating_weights, rows), plan.chosen);
}

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const gating_plan*>(argument);
  alignas(64) float t[most_experts * side_by_side], w[most_experts * side_by_side];
  for_tiles(plan, begin, end, [&](const nest_cursor& cursor, int rows) { run_tile(plan, cursor, rows, t, w); });
}

}  // namespace

gating_plan plan_gating(const kernel_table& table, const const_view& x, const const_view& weights,
                        const const_view& experts, int axis, const gating_form& form, const options& how) noexcept {
  gating_plan plan{};
  describe_gating(plan, x, weights, experts, axis, form, how);
  plan.table = &table;
  plan.steps = &table.softmax[static_cast<std::size_t>(how.accuracy)];
  plan.tile = side_by_side;
  plan.split = split_rows(element_count(x) / plan.columns, plan.columns, how);
  return plan;
}

void run_gating(const gating_plan& plan, const options& how) noexcept {
  run_split(plan.split.rows, 1, how, run_rows, &plan);
}

}  // namespace sigmax
