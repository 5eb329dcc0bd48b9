// However the work is cut, every element is written once and with the same bits.
#include <algorithm>

#include "harness.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

std::vector<float> ramp(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(i % 4001) / 200 - 10;
  return x;
}

TEST(threading, pools_and_slices_give_the_serial_bits) {
  for (std::size_t n : {1u, 63u, 64u, 65u, 16384u, 100003u, 1000001u}) {
    const std::vector<float> x = ramp(n), expected = run(activation::gelu, x, {});
    for (int parts : {1, 2, 3, 8, 64}) {
      options how;
      how.threads = threads_of(std::min(parts, 8));
      EXPECT_TRUE(std::ranges::equal(run(activation::gelu, x, how), expected))
          << n << " elements, " << parts << " threads";
      how.threads = backwards(parts);
      EXPECT_TRUE(std::ranges::equal(run(activation::gelu, x, how), expected));
      how.threads = {};
      how.slices = parts;
      std::vector<float> y(n, -1e30f);
      for (how.slice = 0; how.slice < parts; ++how.slice)
        ASSERT_TRUE(
            activate(activation::gelu, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), how).ok());
      EXPECT_TRUE(std::ranges::equal(y, expected)) << n << " elements, " << parts << " slices";
    }
  }
}

TEST(threading, slices_are_disjoint_and_cover_everything) {
  const std::vector<float> x(100003, 0.0f);
  std::vector<float> y(x.size(), 0.0f);
  options how;
  how.slices = 7;
  for (how.slice = 0; how.slice < 7; ++how.slice) {
    std::vector<float> mine(x.size(), -1.0f);
    ASSERT_TRUE(
        activate(activation::exp, const_view(x.data(), std::ssize(x)), view(mine.data(), std::ssize(mine)), how).ok());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += mine[i] == 1.0f ? 1.0f : 0.0f;
  }
  EXPECT_EQ(std::ranges::count(y, 1.0f), std::ssize(y));
}

TEST(threading, strided_views_are_cut_anywhere) {
  const std::vector<float> x = ramp(300 * 400);
  const std::int64_t shape[] = {300, 399}, in[] = {1, 300}, out[] = {400, 1};
  std::vector<float> expected(300 * 400, -7), y = expected;
  ASSERT_TRUE(activate(activation::mish, const_view(x.data(), dtype::f32, shape, in),
                       view(expected.data(), dtype::f32, shape, out))
                  .ok());
  options how;
  how.threads = threads_of(5);
  ASSERT_TRUE(activate(activation::mish, const_view(x.data(), dtype::f32, shape, in),
                       view(y.data(), dtype::f32, shape, out), how)
                  .ok());
  EXPECT_TRUE(std::ranges::equal(y, expected));
}

TEST(threading, calls_from_many_threads_at_once) {
  const std::vector<float> x = ramp(5000), expected = run(activation::silu, x, {});
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> results(16);
  for (auto& result : results)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) result = run(activation::silu, x, {});
      float one = 0;
      const status s = activate(activation::silu, const_view(&one, 1), view(&one, 2));  // messages are per thread
      EXPECT_EQ(s.code, status_code::shape_mismatch);
    });
  for (auto& t : threads) t.join();
  for (const auto& result : results) EXPECT_TRUE(std::ranges::equal(result, expected));
}

// Under ctest these calls are the first of their process: what is asked once is asked by all of them.
TEST(threading, first_calls_from_many_threads_at_once) {
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> results(16, std::vector<float>(100));
  for (auto& result : results)
    threads.emplace_back([&result] {
      explanation e;
      const view y(result.data(), std::ssize(result));
      EXPECT_TRUE(explain(activation::silu, y, y, {}, e).ok());
      EXPECT_TRUE(activate(activation::silu, y, y).ok());
      EXPECT_TRUE(softmax(y, y).ok());
    });
  for (auto& t : threads) t.join();
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

// A call weighs one set of figures or the other, and has the same bits.
TEST(threading, calls_go_on_while_another_thread_sets_the_calibration) {
  const std::vector<float> x = ramp(5000), expected = run(activation::silu, x, {});
  const std::vector<float> ns(all_activations().size(), 2.0f);
  std::vector<float> y(x.size());
  const const_view in(x.data(), std::ssize(x));
  const view out(y.data(), std::ssize(y));
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(set_calibration({ns, 10e9, 20e9, 25e9, 20e9, 1e12, 10000}).ok());
  });
  for (int i = 0; i < 200; ++i) {
    explanation e;  // which weighs them whether there is CUDA or not
    EXPECT_TRUE(explain(activation::silu, in, out, {}, e).ok() && activate(activation::silu, in, out).ok());
    EXPECT_EQ(y, expected);
  }
  other.join();
  EXPECT_TRUE(set_calibration({}).ok());
}

}  // namespace
}  // namespace sigmax_test
