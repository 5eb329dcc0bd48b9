// Rows that lie side by side in memory, along an axis that is not the last: softmax, log_softmax and their gradients
// give the bits of each row alone, in place and past the caches, and write nothing between the rows.
#include <algorithm>
#include <cstring>
#include <string>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;

/// A function of one tensor, or of two for gradients.
struct row_function {
  const char* name;
  int inputs;
  status (*call)(const const_view* in, const view& out, int axis, const options& how) noexcept;
};
constexpr row_function functions[] = {
    {"softmax", 1,
     [](const const_view* in, const view& out, int axis, const options& how) noexcept {
       return softmax(in[0], out, axis, how);
     }},
    {"log_softmax", 1,
     [](const const_view* in, const view& out, int axis, const options& how) noexcept {
       return log_softmax(in[0], out, axis, how);
     }},
    {"softmax_gradient", 2,
     [](const const_view* in, const view& out, int axis, const options& how) noexcept {
       return softmax_gradient(in[0], in[1], out, axis, -3, how);
     }},
    {"log_softmax_gradient", 2, [](const const_view* in, const view& out, int axis, const options& how) noexcept {
       return log_softmax_gradient(in[0], in[1], out, axis, 0.1f, how);
     }}};

/// The columns of `rows` rows of n numbers, side by side.
template <class T>
std::vector<T> turned(const std::vector<T>& x, std::int64_t rows, std::int64_t n) {
  std::vector<T> t(x.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < n; ++c)
      t[static_cast<std::size_t>(c * rows + r)] = x[static_cast<std::size_t>(r * n + c)];
  return t;
}

/// How numbers are stored.
template <class T, class Format>
struct storage {
  static T stored(float v) {
    if constexpr (std::is_same_v<T, float>)
      return v;
    else
      return T{Format::encode(v)};
  }
  static float number(T v) {
    if constexpr (std::is_same_v<T, float>)
      return v;
    else
      return static_cast<float>(Format::decode(v.bits));
  }
  static bool same(T a, T b) { return std::memcmp(&a, &b, sizeof(T)) == 0 || same_bits(number(a), number(b)); }
};
using f32 = storage<float, void>;
using f16 = storage<float16, reference::float16_format>;
using bf16 = storage<bfloat16, reference::bfloat16_format>;

/// Rows of n logits, or of values beside a gradient; some of them are not like the others.
std::vector<float> inputs(std::int64_t rows, std::int64_t n, unsigned seed, float large) {
  std::vector<float> x = logits(static_cast<std::size_t>(rows * n), 3, seed);
  const auto at = [&](std::int64_t r) { return x.begin() + r % rows * n; };
  *(at(3) + n / 2) = NAN;
  *(at(5) + n - 1) = INFINITY;
  std::fill_n(at(8), n, -INFINITY);
  for (std::int64_t c = 0; c < n; ++c) *(at(9) + c) += large;
  *(at(10) + n / 3) = 30;  // what dominates leaves the others to the low parts
  return x;
}

/// `times` the same rows in slices and with a gap behind every column of the result, and once in place.
template <class T, class Format>
void check(storage<T, Format> as, const row_function& f, options how, std::int64_t rows, std::int64_t n,
           std::int64_t times, std::int64_t gap) {
  SCOPED_TRACE(std::string(how.isa) + " " + f.name + " of " + std::to_string(sizeof(T)) + " bytes, rows " +
               std::to_string(rows) + ", n " + std::to_string(n));
  const dtype type = *dtype_of<T>;
  std::vector<float> wide[2];
  std::vector<T> across[2];
  for (int i = 0; i < f.inputs; ++i) {
    wide[i] = inputs(rows, n, 11 + static_cast<unsigned>(i), sizeof(T) == 2 ? 0x1p15f : 0x1p17f);
    std::vector<T> narrow(wide[i].size());
    std::transform(wide[i].begin(), wide[i].end(), narrow.begin(), as.stored);
    std::transform(narrow.begin(), narrow.end(), wide[i].begin(), as.number);
    across[i] = turned(narrow, rows, n);
  }
  std::vector<T> expected(across[0].size());
  std::vector<float> alone(static_cast<std::size_t>(n));
  for (std::int64_t r = 0; r < rows; ++r) {
    const const_view in[] = {{wide[0].data() + r * n, n}, {wide[f.inputs - 1].data() + r * n, n}};
    ASSERT_TRUE(f.call(in, view(alone.data(), n), 0, how).ok());
    std::transform(alone.begin(), alone.end(), expected.begin() + r * n, as.stored);
  }
  expected = turned(expected, rows, n);

  const std::int64_t once[] = {n, rows};
  for (int over = 0; over < f.inputs; ++over) {
    std::vector<T> both = across[over];
    const view out(both.data(), type, once);
    const_view in[] = {{across[0].data(), type, once}, {across[1].data(), type, once}};
    in[over] = out;
    ASSERT_TRUE(f.call(in, out, 0, how).ok());
    EXPECT_TRUE(std::equal(both.begin(), both.end(), expected.begin(), as.same)) << "in place of input " << over;
  }

  const std::int64_t shape[] = {times, n, rows}, again[] = {0, rows, 1}, step = rows + gap,
                     apart[] = {n * step, step, 1};
  const T guard = as.stored(7);
  std::vector<T> memory(static_cast<std::size_t>(times * n * step) + 64 / sizeof(T), guard);
  T* const y = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64 / sizeof(T);
  const const_view in[] = {{across[0].data(), type, shape, again}, {across[1].data(), type, shape, again}};
  for (how.slices = 3, how.slice = 2; how.slice >= 0; --how.slice)
    ASSERT_TRUE(f.call(in, view(y, type, shape, apart), 1, how).ok());
  for (std::int64_t c = 0; c < times * n; ++c) {
    const auto column = expected.begin() + c % n * rows;
    ASSERT_TRUE(std::equal(column, column + rows, y + c * step, as.same)) << "column " << c;
    for (std::int64_t g = 0; g < gap; ++g) ASSERT_TRUE(as.same(y[c * step + rows + g], guard)) << "column " << c;
  }
}

template <class F>
void for_functions(F work) {
  for (const isa_info& row : usable_isas())
    for (const sigmax::accuracy tier : tiers)
      for (const row_function& f : functions)
        if (f.inputs == 1 || tier == sigmax::accuracy::high) work(f, on(row, tier));  // gradients have one tier
}

TEST(across, rows_have_the_bits_of_each_alone) {
  for_functions([](const row_function& f, const options& how) {
    for (std::int64_t n : {2, 31, 33, 63, 64, 65, 100, 1000})
      for (std::int64_t rows : {16, 47, 130}) check(f32(), f, how, rows, n, 2, 3);
    for (std::int64_t n : {16384, 16385}) check(f32(), f, how, 16, n, 1, 0);
  });
}

TEST(across, rows_of_16_bits_have_the_bits_of_each_alone) {
  for_functions([](const row_function& f, const options& how) {
    for (std::int64_t n : {2, 32, 33, 64, 65, 1000})
      for (std::int64_t rows : {16, 130}) {
        check(f16(), f, how, rows, n, 2, 3);
        check(bf16(), f, how, rows, n, 2, 3);
      }
  });
}

/// Every NaN as the second number of a row of its own.
template <class T, class Format>
void check_nan(storage<T, Format> as, const row_function& f, const options& how, std::int64_t n) {
  std::vector<T> nan;
  for (unsigned u = 0; u < 0x10000; ++u) {
    const T v{static_cast<std::uint16_t>(u)};
    if (std::isnan(as.number(v))) nan.push_back(v);
  }
  const std::int64_t rows = std::ssize(nan), shape[] = {n, rows};
  std::vector<T> x(static_cast<std::size_t>(rows * n), as.stored(0.5f)), y(x.size());
  std::copy(nan.begin(), nan.end(), x.begin() + rows);
  const const_view in[] = {{x.data(), *dtype_of<T>, shape}, {x.data(), *dtype_of<T>, shape}};
  ASSERT_TRUE(f.call(in, view(y.data(), *dtype_of<T>, shape), 0, how).ok());
  EXPECT_TRUE(std::all_of(y.begin(), y.end(), [&](T v) { return std::isnan(as.number(v)); })) << how.isa << f.name << n;
}
TEST(across, every_nan_of_16_bits_makes_its_row_nan) {
  for_functions([](const row_function& f, const options& how) {
    for (std::int64_t n : {2, 33, 65}) {
      check_nan(f16(), f, how, n);
      check_nan(bf16(), f, how, n);
    }
  });
}

// Beyond 32 MiB, where results go past the caches: in whole lines, also of rows that are left over, or not.
TEST(across, rows_in_memory_have_the_bits_of_each_alone) {
  for_functions([](const row_function& f, const options& how) {
    check(f32(), f, how, 144, 90, 800, 0);
    check(f32(), f, how, 96, 130, 700, 16);
    check(f32(), f, how, 90, 130, 760, 6);
    check(f32(), f, how, 80, 130, 830, 1);
    check(f16(), f, how, 144, 40, 3000, 16);
    check(bf16(), f, how, 144, 40, 3000, 16);
  });
}

}  // namespace
}  // namespace sigmax_test
