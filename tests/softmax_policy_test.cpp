// Which tier a row takes, and the arithmetic of its launch, up to 2^40 columns and rows.
#include <gtest/gtest.h>

#include "../cuda/softmax_policy.hpp"

namespace sigmax {
namespace {

constexpr device_limits hopper{90, 132, 227 * 1024}, turing{75, 40, 64 * 1024}, ada{89, 142, 99 * 1024},
    blackwell_consumer{120, 170, 99 * 1024};

TEST(softmax_policy, every_row_fits_its_tier) {
  for (const device_limits& device : {hopper, turing, ada, blackwell_consumer})
    for (std::int64_t n = 1; n < std::int64_t{1} << 40; n += 1 + n / 37) {
      const softmax_choice c = choose_softmax(n, device);
      EXPECT_GE(c.span * c.cluster, n);
      EXPECT_LE(c.cluster, device.architecture >= 90 ? 8 : 1);
      EXPECT_LE(c.shared_bytes + exchange_bytes, device.shared_bytes);
      EXPECT_EQ(c.span % (c.cluster > 1 ? chunk_size : 1), 0) << "vectors begin at whole chunks";
      if (c.tier == softmax_tier::rows) {
        const row_config& config = row_configs[c.config];
        EXPECT_LE(c.span, config.columns());
        EXPECT_TRUE(c.cluster == 1 || config.lanes == most_lanes);
      } else {
        EXPECT_EQ(c.span % long_columns, 0);
        EXPECT_EQ(c.shared_bytes, c.tier == softmax_tier::staged ? c.span * 4 : 0);
      }
      const softmax_choice g = choose_gradient(n, device);
      EXPECT_GE(g.span * g.cluster, n);
      EXPECT_TRUE(g.tier != softmax_tier::rows || g.span <= gradient_configs[g.config].columns());
    }
}

TEST(softmax_policy, words_of_a_row_have_their_slots) {
  for (const device_limits& device : {hopper, turing, ada, blackwell_consumer})
    for (std::int64_t size : {2, 4})
      for (std::int64_t rows : {std::int64_t{1}, std::int64_t{20}, std::int64_t{1} << 40}) {
        bool held = true;
        for (std::int64_t n = 1; n < std::int64_t{1} << 40; n += 1 + n / 37) {
          softmax_choice c{};
          const bool fits = choose_words(n, size, rows, device, c);
          EXPECT_TRUE(held || !fits) << "what does not fit at " << n << " must not fit beyond";
          held = fits;
          if (!fits) continue;
          const staged_config& config = staged_configs[c.config];
          const std::int64_t slots = c.shared_bytes / (config.threads * vector_bytes),
                             each = divide_up(c.span, config.lanes);
          EXPECT_GE(c.span * c.cluster, n);
          EXPECT_EQ(c.held, each <= slots ? each : slots - ring_slots);
          EXPECT_GT(c.held, 0);
          EXPECT_LE(each * vector_bytes / size, most_summands);
          EXPECT_LE(c.shared_bytes + exchange_bytes, device.shared_bytes);
          EXPECT_TRUE(c.cluster == 1 || (config.lanes == most_staged_lanes && device.architecture >= 90));
        }
      }
}

TEST(softmax_policy, tiers_by_length) {
  const auto words = [](std::int64_t n, const device_limits& d, std::int64_t rows = 1000) {
    softmax_choice c{};
    EXPECT_TRUE(choose_words(n, 2, rows, d, c)) << n;
    return c;
  };
  const auto lanes = [&](std::int64_t n) { return staged_configs[words(n, hopper).config].lanes; };
  EXPECT_EQ(lanes(1), 1);
  EXPECT_EQ(lanes(2), 1);
  EXPECT_EQ(lanes(3), 2);
  EXPECT_EQ(lanes(17), 4);
  EXPECT_EQ(lanes(128), 16);
  EXPECT_EQ(lanes(256), 32);
  EXPECT_EQ(lanes(257), 64);
  EXPECT_EQ(lanes(1024), 128);
  EXPECT_EQ(lanes(2049), 512);
  EXPECT_EQ(words(4096, hopper).cluster, 1);
  EXPECT_EQ(words(4096, hopper).shared_bytes, 64 * 1024);
  EXPECT_EQ(words(4097, hopper).cluster, 2);
  EXPECT_EQ(words(32768, hopper).cluster, 8);
  EXPECT_EQ(words(100000, hopper).cluster, 8);
  EXPECT_EQ(words(3000, turing).cluster, 1);
  EXPECT_EQ(words(4096, turing).held, 1) << "a part of the row";
  EXPECT_EQ(words(110592, hopper).held, 27);
  EXPECT_EQ(words(110593, hopper).held, 21);
  EXPECT_EQ(words(3000, hopper, 66).cluster, 2) << "few rows have more blocks";
  EXPECT_EQ(words(3000, hopper, 67).cluster, 1);
  EXPECT_EQ(words(8192, hopper, 1).cluster, 4);
  EXPECT_EQ(words(8193, hopper, 1).cluster, 8);
  EXPECT_EQ(words(8193, ada, 1).cluster, 1);
  softmax_choice c{};
  EXPECT_FALSE(choose_words(262145, 2, 1, hopper, c)) << "too many numbers for a thread";
  EXPECT_EQ(choose_softmax(1025, hopper).cluster, 1);
  EXPECT_EQ(choose_softmax(65536, hopper).cluster, 8);
  EXPECT_EQ(choose_softmax(65537, hopper).tier, softmax_tier::staged);
  EXPECT_EQ(choose_softmax(393217, hopper).tier, softmax_tier::passes);
  EXPECT_EQ(choose_softmax(16385, turing).tier, softmax_tier::passes);
}

TEST(softmax_policy, launches_of_any_number_of_rows) {
  for (std::int64_t rows : {std::int64_t{1}, std::int64_t{31}, std::int64_t{1} << 31, std::int64_t{1} << 40})
    for (int together : {1, 4, 32})
      for (int cluster : {1, 2, 8}) {
        const launch_shape s = row_shape(rows, together, 512, cluster);
        EXPECT_EQ(s.tiles, (rows + together - 1) / together);
        EXPECT_EQ(s.blocks % s.cluster, 0u);
        EXPECT_LE(s.blocks, (1u << 31) - 1);
        EXPECT_TRUE(s.blocks == s.tiles * cluster || s.blocks > (1u << 31) - 1 - s.cluster);
      }
}

TEST(softmax_policy, rows_of_a_nest_in_bytes) {
  loop_nest nest;
  nest.rank = 2;
  nest.views = 2;
  nest.extent[0] = 7, nest.extent[1] = std::int64_t{1} << 33;
  nest.stride[0][0] = 3, nest.stride[0][1] = 0, nest.stride[1][0] = std::int64_t{1} << 35, nest.stride[1][1] = -1;
  const std::int64_t size[] = {2, 4};
  const row_nest<2> rows = make_row_nest(nest, size, 5, std::int64_t{7} << 33);
  EXPECT_FALSE(rows.narrow);
  EXPECT_EQ(rows.stride[0][0], 6);
  EXPECT_EQ(rows.stride[1][0], std::int64_t{1} << 37);
  EXPECT_EQ(rows.stride[1][1], -4);
  EXPECT_EQ(rows.end, std::int64_t{7} << 33);
}

}  // namespace
}  // namespace sigmax
