// Few long rows, which the threads of a call share: the bits of one thread, for every call of the softmax family.
#include <algorithm>
#include <functional>
#include <random>

#include "harness.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

/// `rows` x `columns`, dense along the rows or, transposed, along the columns.
struct matrix {
  std::int64_t shape[2], strides[2];
  std::vector<float> data;
  matrix(std::int64_t rows, std::int64_t columns, bool transposed, unsigned seed = 0)
      : shape{rows, columns},
        strides{transposed ? 1 : columns, transposed ? rows : 1},
        data(static_cast<std::size_t>(rows * columns), -7) {
    if (seed == 0) return;
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 5);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < columns; ++i)
        data[static_cast<std::size_t>(r * strides[0] + i * strides[1])] = normal(random);
  }
  operator const_view() const { return {data.data(), dtype::f32, shape, strides}; }
  operator view() { return {data.data(), dtype::f32, shape, strides}; }
};

struct call {
  const char* name;
  /// Runs on x, and y that holds some softmax of it; row is there for one value a row.
  std::function<status(const matrix& x, const matrix& y, matrix& out, matrix& row, const options& how)> run;
};

std::vector<call> calls() {
  std::vector<call> list{
      {"softmax", [](auto& x, auto&, auto& out, auto&, auto& how) { return softmax(x, out, 1, how); }},
      {"in place",
       [](auto& x, auto&, auto& out, auto&, auto& how) {
         out = x;
         return softmax(out, out, 1, how);
       }},
      {"log_softmax", [](auto& x, auto&, auto& out, auto&, auto& how) { return log_softmax(x, out, 1, how); }},
      {"softmax_gradient",
       [](auto& x, auto& y, auto& out, auto&, auto& how) { return softmax_gradient(x, y, out, 1, 0.5f, how); }},
      {"log_softmax_gradient",
       [](auto& x, auto& y, auto& out, auto&, auto& how) { return log_softmax_gradient(y, x, out, 1, 0.5f, how); }},
      {"partial and finish", [](auto& x, auto&, auto& out, auto& row, auto& how) {
         matrix max = row;
         softmax_form form{.scale = 0.75f, .max = max, .sum = row};
         if (status s = softmax_partial(x, 1, form, how); !s) return s;
         return softmax_finish(x, out, 1, form, how);
       }}};
  for (bool logarithm : {false, true})
    list.push_back({"fused", [=](auto& x, auto& y, auto& out, auto& row, auto& how) {
                      const std::int64_t n = x.shape[1], once[] = {0, 1};
                      std::vector<std::uint8_t> bits(static_cast<std::size_t>(n));
                      for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = i % 7 != 0;
                      const float sink = 3;
                      const std::int64_t one_each[] = {x.shape[0], 1}, zero[] = {0, 0};
                      softmax_form form{.logarithm = logarithm,
                                        .scale = 0.3f,
                                        .slopes = const_view(y.data.data(), dtype::f32, one_each, zero),
                                        .mask = const_view(bits.data(), dtype::boolean, x.shape, once),
                                        .causal = true,
                                        .offset = n - 20000,
                                        .window = n - 25000,
                                        .sinks = const_view(&sink, dtype::f32, one_each, zero),
                                        .lse = row};
                      return softmax_fused(x, out, 1, form, how);
                    }});
  for (bool from_lse : {false, true})
    list.push_back({"cross_entropy", [=](auto& x, auto&, auto& out, auto& row, auto& how) {
                      const std::vector<std::int32_t> targets(static_cast<std::size_t>(x.shape[0]), 40000);
                      const const_view indices(targets.data(), dtype::i32, {x.shape[0], 1});
                      matrix lse = row;
                      cross_entropy_form form{.label_smoothing = 0.1f, .lse = lse};
                      if (status s = cross_entropy(x, indices, row, 1, form, how); !s) return s;
                      if (!from_lse) form.lse = {};
                      return cross_entropy_gradient(row, x, indices, out, 1, form, how);
                    }});
  return list;
}

bool equal(const matrix& a, const matrix& b) { return std::ranges::equal(a.data, b.data, same_bits); }

TEST(long_rows, shared_by_threads_have_the_serial_bits) {
  for (const call& c : calls())
    for (std::int64_t columns : {65536, 70001, 300001})
      for (std::int64_t rows : {1, 2})
        for (bool transposed : {false, true}) {
          const matrix x(rows, columns, transposed, 1);
          matrix y(rows, columns, transposed);
          ASSERT_TRUE(softmax(x, y, 1).ok());
          matrix expected(rows, columns, transposed), expected_row(rows, 1, false);
          const status serial = c.run(x, y, expected, expected_row, {});
          ASSERT_TRUE(serial.ok()) << c.name << ": " << serial.message;
          const auto check = [&](const options& how, const std::string& what) {
            matrix out(rows, columns, transposed), row(rows, 1, false);
            ASSERT_TRUE(c.run(x, y, out, row, how).ok());
            EXPECT_TRUE(equal(out, expected) && equal(row, expected_row))
                << c.name << ", " << rows << " x " << columns << (transposed ? " transposed, " : ", ") << what;
          };
          for (int threads : {2, 3, 8}) {
            options how;
            how.threads = threads_of(threads);
            check(how, std::to_string(threads) + " threads");
          }
          options how;
          how.threads = backwards(64);
          check(how, "backwards");
          for (const isa_info& row : usable_isas()) {
            if (!row.fma) continue;
            options on_row = on(row);
            on_row.threads = backwards(3);
            check(on_row, row.name);
          }
        }
}

TEST(long_rows, explain_tells_who_shares_them) {
  const auto tasks = [](std::int64_t rows, std::int64_t columns, int threads) {
    const matrix x(rows, columns, false);
    matrix y = x;
    options how;
    how.threads = threads_of(threads);
    explanation e;
    EXPECT_TRUE(explain_softmax(x, y, 1, how, e).ok());
    return e.tasks;
  };
  EXPECT_EQ(tasks(1, 1000000, 1), 1);
  EXPECT_EQ(tasks(1, 1000000, 8), 8);
  EXPECT_EQ(tasks(1, 65536, 8), 2);  // two chunks each
  EXPECT_EQ(tasks(1, 40000, 8), 1);
  EXPECT_EQ(tasks(2, 1000000, 8), 8);
  EXPECT_EQ(tasks(8, 100000, 8), 8);
}

}  // namespace
}  // namespace sigmax_test
