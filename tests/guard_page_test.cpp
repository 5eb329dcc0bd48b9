// Every kernel over buffers between pages that nobody may touch (fenced.hpp).
#include <algorithm>
#include <cstring>
#include <deque>

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

}  // namespace
}  // namespace sigmax_test
