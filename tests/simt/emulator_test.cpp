// The emulator on small kernels, and on their faulty versions: every fault must be seen, most by whichever schedule.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "emulator.hpp"

#include "../../cuda/simt.cuh"

namespace {

enum class fault {
  none,
  no_block_barrier,
  one_warp_at_the_barrier,
  two_places,
  no_tail,
  store_past_the_end,
  no_shuffle_partner,
  wrong_mask,
  block_barrier_for_cluster,
  no_start_barrier,
  no_exit_barrier,
  no_wait,
};

constexpr unsigned threads = 96;

/// out[block] = the sum of the block's part of x, one element a thread.
__global__ void block_sum(const int* x, int n, int* out, fault f) {
  SIGMAX_SHARED(int, part, threads / 32);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int sum = i < n || f == fault::no_tail ? x[i] : 0;
  const bool first = threadIdx.x % 32 == 0;
  if (f == fault::no_shuffle_partner && threadIdx.x == 5) return;
  const unsigned mask = f == fault::wrong_mask && threadIdx.x % 32 > 15 ? 0xffff0000u : 0xffffffffu;
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(mask, sum, step);
  if (first) part[threadIdx.x / 32] = sum;
  if (f == fault::two_places && threadIdx.x < 32)
    __syncthreads();
  else if (f == fault::one_warp_at_the_barrier && threadIdx.x < 32)
    __syncwarp(threadIdx.x < 31 ? 0xffffffffu : 0x80000000u);
  else if (f != fault::no_block_barrier)
    __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x + (f == fault::store_past_the_end ? 1 : 0)] = part[0] + part[1] + part[2];
}

/// Every block of a cluster gets the sum of all of them.
__global__ void cluster_sum(const int* x, int* out, fault f) {
  SIGMAX_SHARED(int, part, 16);
  const auto cluster_barrier = [] {
    sigmax::cluster_arrive();
    sigmax::cluster_wait();
  };
  if (f != fault::no_start_barrier) {
    sigmax::cluster_arrive();
    if (f != fault::no_wait) sigmax::cluster_wait();
  }
  if (threadIdx.x < sigmax::cluster_size())
    sigmax::store_remote(&part[sigmax::cluster_rank()], threadIdx.x, x[blockIdx.x]);
  if (f == fault::block_barrier_for_cluster)
    __syncthreads();
  else if (f != fault::no_exit_barrier)
    cluster_barrier();
  else if (sigmax::cluster_rank() != 0)
    return;
  if (threadIdx.x == 0) out[blockIdx.x] = std::accumulate(part, part + sigmax::cluster_size(), 0);
}

constexpr int guard = -12345;

/// Whether the kernel does what it should, without a complaint or a write beyond `out`.
bool block_sum_is_right(fault f, simt::schedule order, std::uint64_t seed) {
  constexpr unsigned blocks = 3;
  const int n = threads * blocks - 10;
  std::vector<int> x(threads * blocks, 1000), out(blocks + 1, guard);
  std::iota(x.begin(), x.begin() + n, 1);
  const std::string error =
      simt::run({.grid = {blocks}, .block = {threads}}, order, seed, [&] { block_sum(x.data(), n, out.data(), f); });
  return error.empty() && std::accumulate(out.begin(), out.end() - 1, 0) == n * (n + 1) / 2 && out.back() == guard;
}

bool cluster_sum_is_right(fault f, simt::schedule order, std::uint64_t seed) {
  std::vector<int> x{1, 2, 4, 8, 16, 32, 64, 128}, out(8, guard);
  const std::string error =
      simt::run({.grid = {8}, .block = {64}, .cluster = 4}, order, seed, [&] { cluster_sum(x.data(), out.data(), f); });
  return error.empty() && out == std::vector<int>{15, 15, 15, 15, 240, 240, 240, 240};
}

TEST(simt, kernels_that_are_right) {
  for (simt::schedule order : simt::schedules)
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      EXPECT_TRUE(block_sum_is_right(fault::none, order, seed));
      EXPECT_TRUE(cluster_sum_is_right(fault::none, order, seed));
    }
}

TEST(simt, faults_that_every_schedule_shows) {
  for (simt::schedule order : simt::schedules) {
    for (fault f : {fault::two_places, fault::one_warp_at_the_barrier, fault::no_tail, fault::store_past_the_end,
                    fault::no_shuffle_partner, fault::wrong_mask})
      EXPECT_FALSE(block_sum_is_right(f, order, 1)) << static_cast<int>(f);
    EXPECT_FALSE(cluster_sum_is_right(fault::no_wait, order, 1));
  }
}

/// How many of the schedules see it, with some seed.
template <class Check>
std::vector<simt::schedule> seen_by(Check is_right, fault f) {
  std::vector<simt::schedule> seen;
  for (simt::schedule order : simt::schedules)
    for (std::uint64_t seed = 0; seed < 8; ++seed)
      if (!is_right(f, order, seed)) {
        seen.push_back(order);
        break;
      }
  return seen;
}

TEST(simt, faults_that_some_schedules_show) {
  EXPECT_FALSE(seen_by(block_sum_is_right, fault::no_block_barrier).empty());
  EXPECT_FALSE(seen_by(cluster_sum_is_right, fault::no_start_barrier).empty());
  EXPECT_FALSE(seen_by(cluster_sum_is_right, fault::no_exit_barrier).empty());
  // Blocks that take turns arrive together by chance; only one that runs ahead shows that nothing holds it.
  const auto seen = seen_by(cluster_sum_is_right, fault::block_barrier_for_cluster);
  EXPECT_NE(std::find(seen.begin(), seen.end(), simt::schedule::greedy_block), seen.end());
}

TEST(simt, reports_say_what_and_where) {
  const auto error = [](fault f, bool clusters) {
    std::vector<int> x(400, 1), out(9);
    return clusters ? simt::run({.grid = {8}, .block = {64}, .cluster = 4}, simt::schedule::forward, 1,
                                [&] { cluster_sum(x.data(), out.data(), f); })
                    : simt::run({.grid = {1}, .block = {threads}}, simt::schedule::forward, 1,
                                [&] { block_sum(x.data(), 96, out.data(), f); });
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos && text.find("emulator_test.cpp:") != std::string::npos;
  };
  EXPECT_PRED2(has, error(fault::no_shuffle_partner, false), "deadlock; 31 wait for the warp");
  EXPECT_PRED2(has, error(fault::two_places, false), "divergent barrier");
  EXPECT_PRED2(has, error(fault::wrong_mask, false), "lane outside the mask");
  EXPECT_PRED2(has, error(fault::no_wait, true), "twice without waiting");
  EXPECT_PRED2(has, error(fault::no_start_barrier, true), "may not have started");
  EXPECT_NE(simt::run({.grid = {3}, .cluster = 2}, simt::schedule::forward, 0, [] {}), "");
  EXPECT_NE(simt::run({.block = {1025}}, simt::schedule::forward, 0, [] {}), "");
}

TEST(simt, shuffles_as_on_the_device) {
  const auto both = [](auto body) { EXPECT_EQ(simt::run({.block = {32}}, simt::schedule::random, 3, body), ""); };
  both([] {
    const int lane = static_cast<int>(threadIdx.x);
    EXPECT_EQ(__shfl_sync(0xffffffffu, lane, 3, 8), lane / 8 * 8 + 3);
    EXPECT_EQ(__shfl_xor_sync(0xffffffffu, lane, 4, 8), lane ^ 4);
    EXPECT_EQ(__shfl_xor_sync(0xffffffffu, lane, 8, 8), lane & 8 ? lane ^ 8 : lane);
    EXPECT_EQ(__shfl_up_sync(0xffffffffu, lane, 1, 16), lane % 16 ? lane - 1 : lane);
    EXPECT_EQ(__shfl_down_sync(0xffffffffu, lane, 2, 16), lane % 16 < 14 ? lane + 2 : lane);
    EXPECT_EQ(__ballot_sync(0xffffffffu, lane % 2), 0xaaaaaaaau);
    EXPECT_TRUE(__any_sync(0xffffffffu, lane == 7));
    EXPECT_FALSE(__all_sync(0xffffffffu, lane == 7));
    const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    EXPECT_EQ(__shfl_xor_sync(half, static_cast<double>(lane), 15), static_cast<double>(lane ^ 15));
  });
}

TEST(simt, shared_memory_starts_as_garbage) {
  for (std::uint64_t seed : {0u, 1u}) {
    EXPECT_EQ(simt::run({.grid = {2}, .dynamic_shared = 64}, simt::schedule::forward, seed,
                        [&] {
                          SIGMAX_SHARED(float, a, 4);
                          const float* b = sigmax::dynamic_shared<float>();
                          for (float v : {a[0], a[3], b[0], b[15]}) EXPECT_TRUE(seed == 0 ? std::isnan(v) : v > 1e38f);
                          a[0] = a[3] = 0;
                        }),
              "");
  }
}

TEST(simt, threads_and_blocks_have_three_dimensions) {
  std::vector<int> seen(2 * 3 * 2 * 4 * 3 * 5);
  EXPECT_EQ(simt::run({.grid = {2, 3, 2}, .block = {4, 3, 5}}, simt::schedule::reverse, 0,
                      [&] {
                        const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
                        const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
                        ++seen[block * 60 + thread];
                      }),
            "");
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), std::ssize(seen));
}

}  // namespace
