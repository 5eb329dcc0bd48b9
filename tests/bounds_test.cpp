// The documented bounds on every ISA row of the CPU.
#include "bounds.hpp"

namespace sigmax_test {
namespace {

struct isa_place {
  const isa_info& row;
  const char* name = row.name;
  int batches = 1500;
  options with(accuracy tier = accuracy::high) const { return on(row, tier); }
  template <class T>
  const_view in(const std::vector<T>& v, dtype t, std::span<const std::int64_t> shape) const {
    return const_view(v.data(), t, shape);
  }
  template <class T>
  view out(std::vector<T>& v, dtype t, std::span<const std::int64_t> shape) const {
    return view(v.data(), t, shape);
  }
  void fetch() const {}
};

template <class F>
void on_every_row(F expect_bounds) {
  for (const isa_info& row : usable_isas()) {
    isa_place place{row};
    expect_bounds(place);
  }
}

TEST(bounds, of_softmax) { on_every_row(expect_softmax_bounds<isa_place>); }
TEST(bounds, of_gradients) { on_every_row(expect_gradient_bounds<isa_place>); }
TEST(bounds, of_losses) { on_every_row(expect_loss_bounds<isa_place>); }
TEST(bounds, of_gating) { on_every_row(expect_gating_bounds<isa_place>); }

}  // namespace
}  // namespace sigmax_test
