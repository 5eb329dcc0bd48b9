// Softmax on CUDA: against the oracle, against the CPU, and against itself: a row has the same bits in every tier, at
// every address, in every batch, on every device. The same tests run on a GPU and, with the kernels in the SIMT
// emulator, without one; there the orders of execution take turns.
#include "cuda_tensor.hpp"

namespace sigmax_test {
namespace {

std::string describe_case(std::int64_t n, dtype x, dtype y, bool logarithm) {
  return "n " + std::to_string(n) + ", types " + std::to_string(static_cast<int>(x)) + " to " +
         std::to_string(static_cast<int>(y)) + (logarithm ? ", logarithm" : "");
}

status call(bool logarithm, const const_view& x, const view& y, int axis = -1) {
  return logarithm ? log_softmax(x, y, axis) : sigmax::softmax(x, y, axis);
}

std::vector<float> run_there(bool logarithm, tensor& x, tensor& y, const emulated& d, int axis = -1) {
  use(d);
  const status s = call(logarithm, x.there(), y.there(), axis);
  EXPECT_TRUE(s.ok()) << s.message;
  const std::vector<std::byte> before = y.image;
  y.download();
  // What lies between the elements is nobody's.
  std::vector<std::byte> after = y.image;
  y.for_each([&](std::size_t at) {
    std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(at), size_of(y.type),
                after.begin() + static_cast<std::ptrdiff_t>(at));
  });
  EXPECT_TRUE(after == before) << "writes between the elements";
  return y.values();
}

constexpr std::int64_t lengths[] = {1,     2,     3,     7,     8,     31,     32,     33,    64,   65,
                                    100,   128,   129,   255,   256,   257,    500,    512,   513,  1000,
                                    1024,  1025,  2048,  2049,  4095,  4096,   4097,   8192,  8193, 16384,
                                    16385, 20001, 32768, 40000, 65540, 131072, 131073, 200000};
/// Rows of which shared memory holds a part.
constexpr std::int64_t huge_lengths[] = {600000, 600005, 1048581};

double bound(bool logarithm) { return logarithm ? 1.5 : 2.5; }

/// Units in the last place of the result's type.
double error_of(dtype t, float got, long double exact, bool logarithm) {
  if (logarithm && exact >= -0x1p-22L && std::fabs(got - exact) <= 0x1p-46L) return 0;
  if (t == dtype::f32) return reference::ulp_error(got, exact);
  const int fraction = t == dtype::f16 ? 10 : 7, least = t == dtype::f16 ? -14 : -126;
  if (std::isinf(exact) || std::isnan(exact)) return reference::ulp_error(got, exact);
  const long double unit = std::scalbn(1.0L, std::max(exact == 0 ? least : std::ilogb(exact), least) - fraction);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / unit);
}

void check_accuracy(std::int64_t n, dtype x_type, dtype y_type, bool logarithm, double& worst) {
  const std::int64_t rows = n > 10000 ? 1 : 3;
  tensor x(x_type, {rows, n}), y(y_type, {rows, n});
  std::vector<float> v;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::vector<float> row =
        logits(static_cast<std::size_t>(n), r == 1 ? 30.0f : 3.0f, static_cast<unsigned>(n + r));
    v.insert(v.end(), row.begin(), row.end());
  }
  x.set(v);
  v = x.values();
  const std::vector<float> got = run_there(logarithm, x, y, devices[static_cast<std::size_t>(n) % 3]);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto exact = reference::softmax({v.begin() + r * n, v.begin() + (r + 1) * n});
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const long double e = logarithm ? exact.logarithm[at] : exact.probability[at];
      if (!logarithm && y_type == dtype::f32 && e < 0x1p-126L) continue;
      const double error = error_of(y_type, got[static_cast<std::size_t>(r * n + i)], e, logarithm);
      if (y_type == dtype::f32) worst = std::max(worst, error);
      ASSERT_LE(error, y_type == dtype::f32 ? bound(logarithm) : 0.51)
          << describe_case(n, x_type, y_type, logarithm) << " row " << r << " at " << i << ": "
          << got[static_cast<std::size_t>(r * n + i)] << " for " << static_cast<double>(e);
    }
  }
}

TEST(cuda_softmax, accuracy) {
  for (bool logarithm : {false, true}) {
    double worst = 0;
    std::size_t turn = 0;
    for (std::int64_t n : lengths)
      for (std::size_t k = 0; k < (n > 5000 ? 3u : 9u); ++k, ++turn) {
        const dtype x = types[(n > 5000 ? turn : k) % 3], y = types[(n > 5000 ? turn : k) / 3 % 3];
        check_accuracy(n, x, y, logarithm, worst);
        if (HasFatalFailure()) return;
      }
    std::printf("  %s %.3g ULP\n", logarithm ? "log_softmax" : "softmax", worst);
  }
}

TEST(cuda_softmax, rows_longer_than_shared_memory) {
  for (std::int64_t n : huge_lengths) {
    double worst = 0;
    for (dtype t : {dtype::f32, dtype::bf16}) check_accuracy(n, t, t, n == 600005, worst);
    check_accuracy(n, dtype::bf16, dtype::f32, n == 600000, worst);
  }
}

// The sum of as many of the largest numerators as these kernels take leaves 64 bits of units.
TEST(cuda_softmax, a_long_row_of_equal_scores) {
  constexpr std::int64_t n = 1 << 21;
  tensor x(dtype::bf16, {n}), y(dtype::bf16, {n});
  x.set(std::vector<float>(n, 1.0f));
  for (float v : run_there(false, x, y, devices[0])) ASSERT_EQ(v, 0x1p-21f);
}

// Where there are clusters a row waits in part, elsewhere it is read three times, and where it is longer still
// everywhere.
TEST(cuda_softmax, long_rows_have_the_same_bits_everywhere) {
  for (const auto& [n, t] : {std::pair{600005, dtype::f32}, {1048581, dtype::bf16}, {2097153, dtype::f16}})
    for (bool logarithm : {false, true}) {
      tensor x(t, {n}, {}, static_cast<std::size_t>(size_of(t))), y(t, {n});
      x.set(logits(static_cast<std::size_t>(n), 5, 1));
      const std::vector<float> expected = run_there(logarithm, x, y, devices[0]);
      const std::vector<float> other = run_there(logarithm, x, y, devices[1]);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), other.begin(), same_bits)) << n;
      const std::vector<float> in_place = run_there(logarithm, x, x, devices[0]);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), in_place.begin(), same_bits)) << n << " in place";
    }
}

// Results of 16 bits round the largest score's product with log2(e), and take another way where that is too large.
TEST(cuda_softmax, rows_far_from_zero) {
  double worst = 0;
  for (dtype x_type : {dtype::f32, dtype::f16, dtype::bf16})
    for (dtype y_type : {dtype::f16, dtype::bf16})
      for (float at : {4097.3f, 8190.0f, 8192.0f, 8200.0f, 65000.0f, 1e6f, 1e30f})
        for (float sign : {1.0f, -1.0f})
          for (std::int64_t n : {2, 100, 3000, 20000}) {
            if (x_type == dtype::f16 && at > 65504) continue;
            tensor x(x_type, {n}), y(y_type, {n});
            std::vector<float> v = logits(static_cast<std::size_t>(n), 3, static_cast<unsigned>(n));
            for (float& e : v) e += sign * at;
            x.set(v);
            v = x.values();
            const std::vector<float> got = run_there(false, x, y, devices[static_cast<std::size_t>(n) % 3]);
            const auto exact = reference::softmax(v);
            for (std::size_t i = 0; i < v.size(); ++i)
              worst = std::max(worst, error_of(y_type, got[i], exact.probability[i], false));
            ASSERT_LE(worst, 0.503) << describe_case(n, x_type, y_type, false) << " at " << sign * at;
          }
  std::printf("  %.4f ULP\n", worst);
}

// Alone and aligned on one device; in a batch, at other addresses, with gaps, in place, on others.
TEST(cuda_softmax, a_row_has_the_same_bits_everywhere) {
  for (std::int64_t n : lengths)
    for (dtype t : types) {
      const std::vector<float> v = logits(static_cast<std::size_t>(n), 5, static_cast<unsigned>(n));
      const bool logarithm = n % 2 != 0;
      tensor alone(t, {n}), result(t, {n});
      alone.set(v);
      const std::vector<float> expected = run_there(logarithm, alone, result, devices[0]);
      const auto check = [&](const std::vector<float>& got, const char* what) {
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), got.begin(), same_bits))
            << what << ", " << describe_case(n, t, t, logarithm);
      };
      check(run_there(logarithm, alone, result, devices[1]), "without clusters");
      check(run_there(logarithm, alone, result, devices[2]), "less shared memory");
      check(run_there(logarithm, alone, alone, devices[n > 10000 ? 0 : 1]), "in place");
      const std::int64_t rows = n < 100 ? 37 : n < 3000 ? 5 : 2;
      tensor batch(t, {rows, n}, {n + 3, 1}, static_cast<std::size_t>(size_of(t))), results(t, {rows, n}, {n + 1, 1});
      std::vector<float> many;
      for (std::int64_t r = 0; r < rows; ++r) many.insert(many.end(), v.begin(), v.end());
      batch.set(many);
      const std::vector<float> got = run_there(logarithm, batch, results, devices[0]);
      for (std::int64_t r = 0; r < rows; ++r) check({got.begin() + r * n, got.begin() + (r + 1) * n}, "in a batch");
      if (n > 5000) continue;
      tensor columns(t, {n, rows}), column_results(t, {n, rows});
      std::vector<float> across;
      for (float e : v) across.insert(across.end(), static_cast<std::size_t>(rows), e);
      columns.set(across);
      const std::vector<float> down = run_there(logarithm, columns, column_results, devices[0], 0);
      for (std::int64_t r = 0; r < rows; ++r) {
        std::vector<float> column;
        for (std::int64_t i = 0; i < n; ++i) column.push_back(down[static_cast<std::size_t>(i * rows + r)]);
        check(column, "as a column");
      }
    }
}

}  // namespace
}  // namespace sigmax_test
