// Every row with FMA computes the bits of the plain scalar definition: values, fast forms, derivatives, over every
// 97th bit pattern.
#include "harness.hpp"
#include "scalar_row.hpp"

namespace sigmax_test {
namespace {

using scalar = each_activation;

TEST_P(scalar, has_the_same_bits) {
  const activation op = GetParam();
  constexpr std::uint64_t stride = 97, all = std::uint64_t{1} << 32;
  constexpr std::size_t piece = 16384;
  std::vector<float> x(piece), expected(piece);
  int rows = 0;
  for (const isa_info& row : usable_isas()) rows += row.fma;
  if (rows == 0) GTEST_SKIP() << "no row with FMA on this machine";
  for (std::uint64_t first = 0; first < all; first += piece * stride) {
    for (std::size_t i = 0; i < piece; ++i) x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + i * stride));
    for (const scalar_form form : {scalar_form::value, scalar_form::fast, scalar_form::derivative}) {
      scalar_row(op, form, x.data(), expected.data(), std::ssize(x));
      for (const isa_info& row : usable_isas()) {
        if (!row.fma) continue;
        const options how = on(row, form == scalar_form::fast ? accuracy::fast : accuracy::high);
        const std::vector<float> got = form == scalar_form::derivative ? run_derivative(op, x, how) : run(op, x, how);
        for (std::size_t i = 0; i < piece; ++i)
          ASSERT_TRUE(same_bits(got[i], expected[i])) << row.name << " form " << static_cast<int>(form) << " at "
                                                      << x[i] << ": " << got[i] << ", " << expected[i];
      }
    }
  }
}

SIGMAX_FOR_EACH_ACTIVATION(scalar);

}  // namespace
}  // namespace sigmax_test
