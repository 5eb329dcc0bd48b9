// Top-k gating on the CPU: a row's k largest entries are held in a heap while the row goes by, then weighted with the
// steps of softmax and sigmoid.
#include <functional>

#include "softmax_rows.hpp"

namespace sigmax {
namespace {

constexpr std::int64_t gating_block = 2048;  // entries at a time
static_assert(smallest_chunk % gating_block == 0);

/// Orders as floats do, -0 like +0 and NaN above all; of equal values the lower index is the larger.
std::uint64_t key_of(float value, std::int64_t index) noexcept {
  auto bits = __builtin_bit_cast(std::uint32_t, value + 0.0f);
  bits = value != value ? ~std::uint32_t{0} : bits >> 31 != 0 ? ~bits : bits | std::uint32_t{1} << 31;
  return std::uint64_t{bits} << 32 | static_cast<std::uint32_t>(~index);
}
std::int64_t index_of(std::uint64_t key) noexcept { return static_cast<std::uint32_t>(~key); }

struct gating_row {
  const gating_plan& plan;
  const nest_cursor& cursor;
  int row;
  float* scratch;

  std::byte* at(gating_operand which, std::int64_t i) const noexcept {
    const std::int64_t step = plan.rows.stride[which][plan.rows.rank - 1];
    return plan.data[which] + (cursor.offset(which) + row * step + i * plan.stride[which]) * size_of(plan.type[which]);
  }
  const float* fetch(gating_operand which, std::int64_t start, std::int64_t count, float* buffer) const noexcept {
    if (plan.type[which] == dtype::f32 && (plan.stride[which] == 1 || count == 1))
      return reinterpret_cast<const float*>(at(which, start));
    plan.table->gather[static_cast<std::size_t>(plan.type[which])](at(which, start), plan.stride[which], count, buffer);
    return buffer;
  }
  template <class F>
  void blocks(F work) const noexcept {
    for (std::int64_t start = 0; start < plan.columns; start += gating_block) {
      const std::int64_t count = std::min(gating_block, plan.columns - start);
      work(start, count, fetch(gating_x, start, count, scratch));
    }
  }

  /// The maximum of the whole row, and 1 / sum of its exponentials.
  struct softmax_terms {
    float max;
    double reciprocal;
  };
  softmax_terms over_row() const noexcept {
    const kernel_table& k = *plan.table;
    softmax_terms t{-std::numeric_limits<float>::infinity(), 0};
    blocks([&](std::int64_t, std::int64_t count, const float* x) { t.max = k.row_max(x, count, t.max); });
    double total = 0;
    softmax_sum sum;
    blocks([&](std::int64_t start, std::int64_t count, const float* x) {
      if (start % plan.split.chunk == 0) sum = {};
      plan.steps->exp_sum(x, nullptr, count, t.max, sum);
      if ((start + count) % plan.split.chunk == 0 || start + count == plan.columns) total += k.row_total(sum);
    });
    t.reciprocal = 1 / total;
    return t;
  }

  /// The scores that a softmax or a sigmoid gives to count entries.
  void score(const float* x, float* y, std::int64_t count, const softmax_terms& terms) const noexcept {
    if (plan.form.sigmoid) return sigmoid(x, y, count);
    const factors f = two_parts(terms.reciprocal);
    plan.steps->exp_scale(x, y, count, terms.max, f.high, f.low, false);
  }
  void sigmoid(const float* x, float* y, std::int64_t count) const noexcept {
    plan.table->forward[static_cast<std::size_t>(plan.tier)][static_cast<std::size_t>(activation::sigmoid)]
                       [static_cast<std::size_t>(dtype::f32)](x, y, count, {}, false);
  }

  /// The keys of the k largest, in falling order.
  void select(const softmax_terms& terms, std::uint64_t* keys) const noexcept {
    const std::int64_t k = plan.chosen;
    const std::greater<> above;
    float* const scores = scratch + gating_block;
    blocks([&](std::int64_t start, std::int64_t count, const float* v) {
      if (plan.data[gating_bias] != nullptr) {
        score(v, scores, count, terms);
        const float* const bias = fetch(gating_bias, start, count, scratch);
        for (std::int64_t i = 0; i < count; ++i) scores[i] += bias[i];
        v = scores;
      }
      std::int64_t i = 0;
      for (; i < count && start + i < k; ++i) {
        keys[start + i] = key_of(v[i], start + i);
        std::push_heap(keys, keys + start + i + 1, above);
      }
      for (; i < count; ++i) {
        const std::uint64_t key = key_of(v[i], start + i);
        if (key < keys[0]) continue;
        std::pop_heap(keys, keys + k, above);
        keys[k - 1] = key;
        std::push_heap(keys, keys + k, above);
      }
    });
    std::sort_heap(keys, keys + k, above);
  }

  /// Of all chosen entries x, in place.
  void weigh(float* x, const softmax_terms& terms) const noexcept {
    const kernel_table& table = *plan.table;
    const std::int64_t k = plan.chosen;
    const auto scale = static_cast<double>(plan.form.scale);
    if (!plan.form.renormalise) {
      if (plan.form.sigmoid) {
        sigmoid(x, x, k);
        if (scale != 1) plan.steps->scale(x, x, k, plan.form.scale, 0, false);
      } else {
        const factors f = two_parts(scale * terms.reciprocal);
        plan.steps->exp_scale(x, x, k, terms.max, f.high, f.low, false);
      }
      return;
    }
    const float max = table.row_max(x, k, -std::numeric_limits<float>::infinity());
    softmax_sum sum{};
    // From here down sigmoid(x) is e^x to 2^-28, and may underflow where the quotients do not.
    const bool exponentials = !plan.form.sigmoid || max < -20;
    if (exponentials) {
      plan.steps->exp_sum(x, x, k, max, sum);
    } else {
      sigmoid(x, x, k);
      table.row_dot(x, nullptr, k, sum);
    }
    const factors f = two_parts(scale / table.row_total(sum));
    plan.steps->scale(x, x, k, f.high, f.low, false);
  }

  void run(std::uint64_t* keys, float* chosen) const noexcept {
    const bool scored = plan.data[gating_bias] != nullptr || !plan.form.renormalise;
    const softmax_terms terms = scored && !plan.form.sigmoid ? over_row() : softmax_terms{};
    select(terms, keys);
    for (std::int64_t i = 0; i < plan.chosen; ++i) {
      chosen[i] = *fetch(gating_x, index_of(keys[i]), 1, chosen + i);
      if (plan.type[gating_experts] == dtype::i32)
        *reinterpret_cast<std::int32_t*>(at(gating_experts, i)) = static_cast<std::int32_t>(index_of(keys[i]));
      else
        *reinterpret_cast<std::int64_t*>(at(gating_experts, i)) = index_of(keys[i]);
    }
    weigh(chosen, terms);
    plan.table->scatter[static_cast<std::size_t>(plan.type[gating_weights])](chosen, at(gating_weights, 0),
                                                                             plan.stride[gating_weights], plan.chosen);
  }
};

void run_rows(const void* argument, std::int64_t begin, std::int64_t end) noexcept {
  const auto& plan = *static_cast<const gating_plan*>(argument);
  alignas(64) float scratch[2 * gating_block], chosen[most_chosen];
  std::uint64_t keys[most_chosen];
  for_tiles(plan, begin, end, [&](const nest_cursor& cursor, int rows) {
    for (int r = 0; r < rows; ++r) gating_row{plan, cursor, r, scratch}.run(keys, chosen);
  });
}

}  // namespace

gating_plan plan_gating(const kernel_table& table, const const_view& x, const const_view& weights,
                        const const_view& experts, int axis, const gating_form& form, const options& how) noexcept {
  gating_plan plan{};
  plan.table = &table;
  plan.tier = how.accuracy;
  plan.steps = &table.softmax[static_cast<std::size_t>(how.accuracy)];
  plan.form = form;
  plan.columns = x.shape[axis];
  plan.chosen = weights.shape[axis];
  const_view bias = form.bias;
  if (bias.data == nullptr) bias = x, bias.data = nullptr;
  const const_view* const views[] = {&x, &bias, &weights, &experts};
  plan.rows = make_nest(views, gating_operands, gating_weights, axis);
  for (int v = 0; v < gating_operands; ++v) {
    plan.data[v] = static_cast<std::byte*>(const_cast<void*>(views[v]->data));
    plan.type[v] = views[v]->type;
    plan.stride[v] = views[v]->strides[axis];
  }
  plan.tile = widest_tile;
  plan.split = split_rows(element_count(x) / plan.columns, plan.columns, how);
  return plan;
}

void run_gating(const gating_plan& plan, const options& how) noexcept {
  run_split(plan.split.rows, 1, how, run_rows, &plan);
}

}  // namespace sigmax
