// Every kernel over buffers between pages that nobody may touch (fenced.hpp).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <type_traits>

#include "every_call.hpp"
#include "fenced.hpp"

namespace sigmax_test {
namespace {

template <class T>
void check(const isa_info& row) {
  const fenced a(8192), b(8192), c(8192);
  for (int n = 0; n <= 4 * row.lanes + 1; ++n)
    for (bool at_end : {false, true}) {
      const auto bytes = static_cast<std::ptrdiff_t>(sizeof(T)) * n;
      const auto place = [&](const fenced& f) { return reinterpret_cast<T*>(at_end ? f.end() - bytes : f.first()); };
      std::fill(reinterpret_cast<std::uint16_t*>(place(a)), reinterpret_cast<std::uint16_t*>(place(a) + n),
                std::uint16_t{0x3c00});
      for (activation op : all_activations()) {
        for (accuracy tier : tiers)
          ASSERT_TRUE(activate(op, const_view(place(a), n), view(place(b), n), on(row, tier)).ok());
        ASSERT_TRUE(
            activation_gradient(op, const_view(place(a), n), const_view(place(b), n), view(place(c), n), on(row)).ok());
      }
      ASSERT_TRUE(softmax(const_view(place(a), n), view(place(b), n), 0, on(row)).ok());
      ASSERT_TRUE(log_softmax(const_view(place(a), n), view(place(b), n), 0, on(row)).ok());
    }
}

/// A few rows of n columns and what may come with them, all against a fence.
void check_rows(const isa_info& row) {
  const fenced a(16384), b(16384), c(16384), d(4096), e(16384);
  for (std::int64_t n : {1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100, 150})
    for (std::int64_t rows : {1, 3, 5, 17})
      for (bool at_end : {false, true}) {
        const auto place = [&](const fenced& f, std::int64_t count) {
          return at_end ? f.end() - 4 * count : f.first();
        };
        const auto matrix = [&](const fenced& f, std::int64_t columns) {
          return view(place(f, rows * columns), dtype::f32, {rows, columns});
        };
        const view x = matrix(a, n), y = matrix(b, n), mask = matrix(c, n), one_each = matrix(d, 1);
        std::fill_n(static_cast<float*>(x.data), rows * n, 0.5f);
        std::fill_n(static_cast<float*>(mask.data), rows * n, -0.5f);
        const options how = on(row);
        ASSERT_TRUE(softmax(x, y, 1, how).ok() && log_softmax(x, y, 1, how).ok());
        softmax_form form{.scale = 0.5f, .softcap = 5, .mask = mask, .causal = true, .offset = n / 2, .lse = one_each};
        ASSERT_TRUE(softmax_fused(x, y, 1, form, how).ok());
        ASSERT_TRUE(softmax_gradient(x, mask, y, 1, 2, how).ok() && log_softmax_gradient(x, mask, y, 1, 2, how).ok());
        view targets = matrix(e, 1), chosen = matrix(e, (n + 1) / 2);
        targets.type = chosen.type = dtype::i32;
        std::fill_n(static_cast<std::int32_t*>(targets.data), rows, static_cast<std::int32_t>(n - 1));
        ASSERT_TRUE(cross_entropy(x, targets, one_each, 1, {}, how).ok());
        ASSERT_TRUE(cross_entropy_gradient(one_each, x, targets, y, 1, {}, how).ok());
        view codes(b.first(), dtype::f8_e5m2, {rows, n});
        codes.data = at_end ? b.end() - rows * n : b.first();
        for (const quantisation& q : {quantisation{.scale = 0.01f}, quantisation{.row_scales = one_each}}) {
          ASSERT_TRUE(activate_gated_quantised(gate::swiglu, x, mask, codes, 1, q, how).ok());
          ASSERT_TRUE(softmax_quantised(x, codes, 1, {}, q, how).ok());
        }
        ASSERT_TRUE(top_k_gating(x, matrix(b, (n + 1) / 2), chosen, 1, {.bias = mask}, how).ok());
      }
}

TEST(guard_pages, nothing_outside_the_view_is_touched) {
  for (const isa_info& row : usable_isas()) {
    check<float>(row);
    check<float16>(row);
    check<bfloat16>(row);
    check_rows(row);
  }
}

// Each tensor of each call against a fence of its own.
TEST(guard_pages, nothing_outside_the_views_of_any_call) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t columns : {1, 7, 16, 33, 100})
      for (bool at_end : {false, true}) {
        tensors all(3, columns);
        std::deque<fenced> fences;
        for (view tensors::*member :
             {&tensors::x, &tensors::dy, &tensors::mask, &tensors::y, &tensors::z, &tensors::experts, &tensors::codes,
              &tensors::each, &tensors::targets, &tensors::max, &tensors::sum, &tensors::lse}) {
          view& v = all.*member;
          const std::size_t size = v.type == dtype::i64 ? 8 : v.type == dtype::f8_e4m3 ? 1 : 4;
          const std::size_t bytes = size * static_cast<std::size_t>(v.shape[0] * v.shape[1]);
          const fenced& f = fences.emplace_back(bytes);
          std::byte* const place = at_end ? f.end() - bytes : f.first();
          std::memcpy(place, v.data, bytes);
          v.data = place;
        }
        for (const named_call& call : every_call()) {
          const status s = call.run(all, on(row));
          ASSERT_TRUE(s.ok()) << call.name << ": " << s.message;
        }
      }
}

/// One query of several heads, which looks at keys [from, to) of n, over memory that has no more than these: behind one
/// another or with heads side by side. `in_mask`: of the mask, else of x.
template <class T>
void check_masked(const isa_info& row, std::int64_t n, bool across, bool in_mask, bool at_end) {
  constexpr std::int64_t heads = 20, to = 10, window = 7, from = to - window;
  const dtype type = *dtype_of<T>;
  const std::int64_t shape[] = {heads, 1, n}, strides[] = {across ? 1 : n, across ? 1 : n, across ? heads : 1};
  const auto place = [&](std::int64_t head, std::int64_t key) { return head * strides[0] + key * strides[2]; };
  const fenced memory(static_cast<std::size_t>(heads * n) * sizeof(T));
  const std::int64_t first = place(0, from), last = place(heads - 1, to - 1);
  T* const begin =
      at_end ? reinterpret_cast<T*>(memory.end()) - (last + 1 - first) : reinterpret_cast<T*>(memory.first());
  const auto data =
      reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(begin) - static_cast<std::uintptr_t>(first) * sizeof(T));
  T half;  // 0.5
  if constexpr (std::is_same_v<T, float>)
    half = 0.5f;
  else
    half.bits = 0x3f00;
  std::fill(begin, begin + (last + 1 - first), half);
  const std::vector<T> whole(static_cast<std::size_t>(heads * n), half);
  std::vector<float> y(whole.size()), each(heads);
  const const_view narrow(data, type, shape, strides), wide(whole.data(), type, shape);
  const view out(y.data(), dtype::f32, shape), lse(each.data(), dtype::f32, {heads, 1, 1});
  softmax_form form{.causal = true, .offset = to - 1, .window = window};
  if (in_mask) form.mask = narrow;
  const const_view& x = in_mask ? wide : narrow;
  const float score = in_mask ? 1 : 0.5f;
  const auto seen = [&](std::size_t i) {
    const std::int64_t key = static_cast<std::int64_t>(i) % n;
    return key >= from && key < to;
  };
  for (bool logarithm : {false, true}) {
    form.logarithm = logarithm;
    ASSERT_TRUE(softmax_fused(x, out, 2, form, on(row)).ok());
    for (std::size_t i = 0; i < y.size(); ++i)
      if (seen(i))
        ASSERT_NEAR(y[i], logarithm ? -std::log(7.0f) : 1.0f / 7, 1e-6f);
      else
        ASSERT_EQ(y[i], logarithm ? -std::numeric_limits<float>::infinity() : 0);
  }
  form.logarithm = false;
  form.lse = lse;
  ASSERT_TRUE(softmax_partial(x, 2, form, on(row)).ok());
  for (float v : each) ASSERT_NEAR(v, score + std::log(7.0f), 1e-5f);
}

TEST(guard_pages, what_is_masked_by_position_lies_outside) {
  for (const isa_info& row : usable_isas())
    for (std::int64_t n : {11, 12, 24, 33, 64, 100, 500, 5000})
      for (int kind = 0; kind < 8; ++kind) {
        check_masked<bfloat16>(row, n, kind & 1, kind & 2, kind & 4);
        check_masked<float>(row, n, kind & 1, kind & 2, kind & 4);
      }
}

}  // namespace
}  // namespace sigmax_test
