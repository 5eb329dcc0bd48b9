// Estimates and chunks, from made-up figures.
#include "../kernels/estimate.hpp"

#include "harness.hpp"

namespace sigmax_test {
namespace {

TEST(chunks, cover_everything_and_fit_a_slot) {
  for (const std::int64_t units : {std::int64_t{1}, std::int64_t{63}, std::int64_t{64}, std::int64_t{65},
                                   std::int64_t{100000}, (std::int64_t{1} << 31) + 12345, std::int64_t{1} << 40})
    for (const std::int64_t bytes : {4, 6, 8, 12})
      for (const std::int64_t slot : {least_slot, default_slot, std::int64_t{1} << 33}) {
        const chunk_plan p = cut_into_chunks(units, bytes, 64, slot);
        ASSERT_GT(p.chunks, 0);
        EXPECT_EQ(p.per_chunk % 64, 0);
        EXPECT_LE(p.per_chunk * bytes + staging_operands * staging_align, slot);
        EXPECT_EQ(p.begin(p.chunks - 1) + p.length(p.chunks - 1), units);
        EXPECT_GE(p.length(p.chunks - 1), 1);
        EXPECT_TRUE(units <= 2 * p.per_chunk || p.chunks >= staging_slots) << "nothing would overlap";
      }
  static_assert(cut_into_chunks(1000, 8, 64, default_slot).chunks == 1);
  static_assert(cut_into_chunks(std::int64_t{1} << 20, 8, 64, default_slot).chunks == 6);
}

TEST(chunks, rows_that_do_not_fit_are_told) {
  EXPECT_EQ(cut_into_chunks(5, default_slot, 1, default_slot).chunks, 0);
  EXPECT_EQ(cut_into_chunks(5, default_slot - staging_operands * staging_align, 1, default_slot).chunks, 5);
  EXPECT_EQ(cut_into_chunks(0, 8, 1, default_slot).chunks, 0);
}

constexpr cost_figures figures{1, 10e9, 20e9, 25e9, 20e9, 1e12, 10000};

TEST(estimates, cpu_is_bound_by_arithmetic_or_memory) {
  EXPECT_DOUBLE_EQ(estimate_cpu(figures, {1000000, 4, 4, 1, false}), 1e6);
  EXPECT_DOUBLE_EQ(estimate_cpu(figures, {1000000, 4, 4, 2, false}), 5e5);
  EXPECT_DOUBLE_EQ(estimate_cpu(figures, {1000000, 4, 4, 8, false}), 4e5);  // 8 MB at 20 GB/s
  cost_figures missing = figures;
  missing.cpu_ns_per_element = 0;
  EXPECT_EQ(estimate_cpu(missing, {1000000, 4, 4, 1, false}), 0);
}

TEST(estimates, cuda_is_bound_by_its_slowest_stage) {
  // 1 Mi elements: 6 chunks; staging 16 MiB at 10 GB/s, in 4 MiB at 25, kernel 8 MiB at 1000, out 4 MiB at 20.
  const double mi = 1 << 20, staging = 1.6 * mi, others = mi * (4.0 / 25 + 8.0 / 1000 + 4.0 / 20);
  EXPECT_DOUBLE_EQ(estimate_cuda(figures, {1 << 20, 4, 4, 1, false}), 60000 + staging + others / 6);
  EXPECT_DOUBLE_EQ(estimate_cuda(figures, {1 << 20, 4, 4, 1, true}), 10000 + others);  // managed: no staging
  for (double cost_figures::*figure :
       {&cost_figures::host_bytes_per_second, &cost_figures::host_bytes_per_second_at_most,
        &cost_figures::bytes_per_second_to_device, &cost_figures::bytes_per_second_from_device,
        &cost_figures::device_bytes_per_second, &cost_figures::launch_ns}) {
    cost_figures missing = figures;
    missing.*figure = 0;
    EXPECT_EQ(estimate_cuda(missing, {1 << 20, 4, 4, 1, false}), 0);
  }
}

TEST(estimates, figures_are_checked) {
  const float wrong[] = {1, -1};
  EXPECT_EQ(set_calibration({.cpu_ns_per_element = wrong}).code, status_code::invalid_argument);
  EXPECT_EQ(set_calibration({.launch_ns = -1}).code, status_code::invalid_argument);
  EXPECT_EQ(set_calibration({.launch_ns = std::numeric_limits<double>::quiet_NaN()}).code,
            status_code::invalid_argument);
}

TEST(estimates, explain_tells_them_where_there_is_no_cuda) {
  if (cuda_available().ok()) GTEST_SKIP() << "there is CUDA";
  const std::vector<float> ns(all_activations().size(), 2.0f);
  ASSERT_TRUE(set_calibration({ns, 10e9, 20e9, 25e9, 20e9, 1e12, 10000}).ok());
  std::vector<float> x(1 << 20);
  const view v(x.data(), 1 << 20);
  explanation e;
  ASSERT_TRUE(explain(activation::gelu, v, v, {}, e).ok());
  EXPECT_EQ(e.where, backend::cpu);
  EXPECT_DOUBLE_EQ(e.cpu_ns, 2 * 1048576.0);
  EXPECT_GT(e.cuda_ns, 0);
  const bool fma =
      std::any_of(cpu_isas().begin(), cpu_isas().end(), [](const isa_info& i) { return i.usable && i.fma; });
  EXPECT_NE(std::string(e.reason).find(fma ? "CUDA cannot be used" : "without FMA"), std::string::npos) << e.reason;
  EXPECT_EQ(warm_up().code, status_code::unavailable);
  EXPECT_TRUE(cool_down().ok());
  ASSERT_TRUE(set_calibration({}).ok());
}

}  // namespace
}  // namespace sigmax_test
