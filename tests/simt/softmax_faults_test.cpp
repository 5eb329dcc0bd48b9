// The kernels for rows with one barrier taken away or weakened: the results, or the emulator, must tell.
#include <gtest/gtest.h>

#include <vector>

#include "cuda_backend.hpp"
#include "sigmax/sigmax.hpp"

namespace sigmax_test {
namespace {

using namespace sigmax;

std::vector<float> row_of(std::int64_t n, std::int64_t shift) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>((i * 2654435761u + static_cast<std::size_t>(shift)) % 4096) / 512;
  return x;
}

/// Whether `call` gives what the CPU gives, in every order of execution.
template <class Call>
bool shows(Call call) {
  std::vector<float> expected;
  for (simt::schedule order : simt::schedules)
    for (std::uint64_t seed = 0; seed < 8; seed += 2) {  // even: garbage whose sums do not overflow
      device.order = order;
      device.seed = seed;
      std::vector<float> cpu, cuda;
      EXPECT_TRUE(call(memory::host, cpu).ok());
      if (!call(memory::cuda, cuda).ok()) return true;
      for (std::size_t i = 0; i < cpu.size(); ++i)
        if (!(std::fabs(cuda[i] - cpu[i]) <= 1e-5f * std::fabs(cpu[i]))) return true;
    }
  return false;
}

/// Two rows, so that the second one's exchanges follow the first one's.
auto softmax_call(std::int64_t n, bool columns) {
  return [=](memory where, std::vector<float>& y) {
    std::vector<float> x = row_of(n, 0), second = row_of(n, 999);
    x.insert(x.end(), second.begin(), second.end());
    y.assign(x.size(), -1);
    const std::int64_t by_rows[] = {2, n}, by_columns[] = {n, 2};
    const_view in(x.data(), dtype::f32, columns ? by_columns : by_rows);
    view out(y.data(), dtype::f32, columns ? by_columns : by_rows);
    in.where = out.where = where;
    return softmax(in, out, columns ? 0 : 1);
  };
}

/// Scales of rows of 8-bit logarithms, which take a third exchange.
auto scales_call(std::int64_t n, bool columns) {
  return [=](memory where, std::vector<float>& scales) {
    std::vector<float> x = row_of(n, 0), second = row_of(n, 999);
    for (float& v : second) v *= 3;
    if (columns)
      for (std::size_t i = 0; i < second.size(); ++i)
        x.insert(x.begin() + static_cast<std::ptrdiff_t>(2 * i + 1), second[i]);
    else
      x.insert(x.end(), second.begin(), second.end());
    std::vector<std::uint8_t> codes(x.size());
    scales.assign(2, -1);
    const std::int64_t by_rows[] = {2, n}, by_columns[] = {n, 2}, each[] = {2, 1}, each_column[] = {1, 2};
    const_view in(x.data(), dtype::f32, columns ? by_columns : by_rows);
    view out(codes.data(), dtype::i8, columns ? by_columns : by_rows);
    view of_rows(scales.data(), dtype::f32, columns ? each_column : each);
    in.where = out.where = of_rows.where = where;
    return softmax_quantised(in, out, columns ? 0 : 1, {.logarithm = true}, {.row_scales = of_rows});
  };
}

class softmax_faults : public testing::Test {
 protected:
  void SetUp() override {
    before_ = device;
    device.most_blocks = 8;
  }
  void TearDown() override {
    device = before_;
    missing_barrier = row_barrier::none;
    block_barrier_for_cluster = false;
  }

 private:
  emulated_device before_;
};

// One block or one cluster does both rows.
TEST_F(softmax_faults, none) {
  for (std::int64_t n : {100, 3000, 20000, 120000, 150000}) EXPECT_FALSE(shows(softmax_call(n, false))) << n;
  for (std::int64_t n : {100, 3000, 20000, 150000}) EXPECT_FALSE(shows(scales_call(n, false))) << n;
  EXPECT_FALSE(shows(softmax_call(300, true)));
  EXPECT_FALSE(shows(scales_call(300, true)));
}

TEST_F(softmax_faults, a_missing_barrier) {
  for (row_barrier which : {row_barrier::maximum, row_barrier::total}) {
    missing_barrier = which;
    EXPECT_TRUE(shows(softmax_call(3000, false))) << static_cast<int>(which);
    EXPECT_TRUE(shows(softmax_call(40000, false))) << static_cast<int>(which);
    EXPECT_TRUE(shows(softmax_call(150000, false))) << static_cast<int>(which);
    EXPECT_TRUE(shows(softmax_call(300, true))) << static_cast<int>(which);
    for (std::int64_t n : {3000, 20000, 150000}) EXPECT_TRUE(shows(scales_call(n, false))) << static_cast<int>(which);
    EXPECT_TRUE(shows(scales_call(300, true))) << static_cast<int>(which);
  }
}

TEST_F(softmax_faults, nobody_waits_for_the_copies) {
  missing_barrier = row_barrier::copies;
  for (std::int64_t n : {100, 3000, 40000}) EXPECT_TRUE(shows(softmax_call(n, false))) << n;
  device.shared_bytes = 64 * 1024;  // which holds a part of the row
  missing_barrier = row_barrier::none;
  EXPECT_FALSE(shows(softmax_call(150000, false)));
  missing_barrier = row_barrier::passing_copies;
  EXPECT_TRUE(shows(softmax_call(150000, false)));
}

TEST_F(softmax_faults, what_only_clusters_have) {
  missing_barrier = row_barrier::cluster_start;
  EXPECT_TRUE(shows(softmax_call(40000, false)));
  EXPECT_TRUE(shows(softmax_call(150000, false)));
  missing_barrier = row_barrier::none;
  block_barrier_for_cluster = true;
  EXPECT_TRUE(shows(softmax_call(40000, false)));
  EXPECT_TRUE(shows(softmax_call(150000, false)));
}

}  // namespace
}  // namespace sigmax_test
