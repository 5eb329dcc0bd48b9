// The ISA rows: the same bits on all that have FMA, and what the public tables say about activations and rows.
#include "harness.hpp"

namespace sigmax_test {
namespace {

using isa = each_activation;

TEST_P(isa, same_bits_on_every_row_with_fma) {
  std::vector<isa_info> rows;
  for (const isa_info& row : usable_isas())
    if (row.fma) rows.push_back(row);
  if (rows.size() < 2) GTEST_SKIP() << "this machine has one row with FMA";
  const std::vector<float> x = sample(4093);
  const std::vector<float> y = run(GetParam(), x, on(rows[0])), d = run_derivative(GetParam(), x, on(rows[0]));
  for (const isa_info& row : rows) {
    const std::vector<float> z = run(GetParam(), x, on(row)), e = run_derivative(GetParam(), x, on(row));
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(same_bits(y[i], z[i])) << row.name << " at " << x[i] << ": " << z[i] << ", not " << y[i];
      ASSERT_TRUE(same_bits(d[i], e[i])) << row.name << "' at " << x[i] << ": " << e[i] << ", not " << d[i];
    }
  }
}

SIGMAX_FOR_EACH_ACTIVATION(isa);

TEST(tables, rows_are_listed_best_first_and_one_is_usable) {
  ASSERT_FALSE(cpu_isas().empty());
  EXPECT_TRUE(cpu_isas().back().usable);  // the baseline
  explanation e;
  float x = 0;
  ASSERT_TRUE(explain(activation::relu, const_view(&x, 1), view(&x, 1), {}, e).ok());
  EXPECT_STREQ(e.isa, usable_isas().front().name);
  EXPECT_EQ(e.where, backend::cpu);
  EXPECT_NE(std::string(e.reason), "");
}

TEST(tables, activations_are_found_by_name) {
  for (activation op : all_activations()) {
    EXPECT_EQ(find_activation(describe(op).name), op);
    EXPECT_FALSE(describe(op).formula.empty());
    EXPECT_FALSE(describe(op).source.empty());
    EXPECT_LE(describe(op).parameters.size(), 2u);
  }
  EXPECT_FALSE(find_activation("no such activation").has_value());
  EXPECT_EQ(describe(static_cast<activation>(-1)).name, "unknown");
  EXPECT_EQ(static_cast<int>(activation::linear), 0);  // values are ABI
  EXPECT_EQ(static_cast<int>(activation::exp), 26);
}

TEST(tables, explain_tells_whether_a_fast_form_runs) {
  float x = 0;
  options how;
  how.accuracy = accuracy::fast;
  explanation e;
  ASSERT_TRUE(explain(activation::silu, const_view(&x, 1), view(&x, 1), how, e).ok());
  EXPECT_EQ(e.accuracy, accuracy::fast);
  ASSERT_TRUE(explain(activation::relu, const_view(&x, 1), view(&x, 1), how, e).ok());
  EXPECT_EQ(e.accuracy, accuracy::high);
}

TEST(tables, explain_tells_layout_and_tasks) {
  std::vector<float> x(1 << 20), y(1 << 20);
  options how;
  how.threads.run = [](void*, std::int64_t, void (*)(void*, std::int64_t), void*) {};
  how.threads.concurrency = 4;
  explanation e;
  ASSERT_TRUE(explain(activation::relu, const_view(x.data(), 1 << 20), view(y.data(), 1 << 20), how, e).ok());
  EXPECT_STREQ(e.kernel, "contiguous");
  EXPECT_EQ(e.tasks, 4);
  const std::int64_t shape[] = {1024, 512}, strides[] = {1, 1024};
  ASSERT_TRUE(explain(activation::relu, const_view(x.data(), dtype::f32, shape, strides),
                      view(y.data(), dtype::f32, shape), {}, e)
                  .ok());
  EXPECT_STREQ(e.kernel, "blocks");
  ASSERT_TRUE(
      explain_softmax(const_view(x.data(), dtype::f32, shape), view(y.data(), dtype::f32, shape), 0, {}, e).ok());
  EXPECT_STREQ(e.kernel, "columns");
  ASSERT_TRUE(
      explain_softmax(const_view(x.data(), dtype::f32, shape), view(y.data(), dtype::f32, shape), 1, {}, e).ok());
  EXPECT_STREQ(e.kernel, "rows");
}

}  // namespace
}  // namespace sigmax_test
