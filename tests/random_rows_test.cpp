// Rows of tensors that lie anywhere, of any dtypes, in any form, in place, by any pool and ISA: the bits are those of
// the same rows as contiguous f32 along the last axis, rounded, and nothing is written between the elements. What is
// drawn is the same in every run; with --gtest_repeat each repetition draws on.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "harness.hpp"
#include "pools.hpp"
#include "reference.hpp"

namespace sigmax_test {
namespace {

namespace reference = sigmax_reference;

using extents = std::vector<std::int64_t>;
constexpr float inf = INFINITY;

std::int64_t product(const extents& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies{});
}

class dice {
 public:
  explicit dice(unsigned seed) : engine_(seed) {}
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
  }
  bool one_in(int n) { return between(1, n) == 1; }
  float normal(float deviation) { return std::normal_distribution<float>(0, deviation)(engine_); }
  template <class T>
  T any(std::initializer_list<T> of) {
    return of.begin()[between(0, std::ssize(of) - 1)];
  }
  std::mt19937& engine() { return engine_; }

 private:
  std::mt19937 engine_;
};

/// A tensor in a buffer of its own. Elements are numbered in the order of the shape, wherever they lie.
class placed {
 public:
  placed() = default;
  /// Contiguous.
  placed(const extents& shape, dtype type) : type_(type), shape_(shape), strides_(shape.size()) {
    std::int64_t step = 1;
    for (std::size_t d = shape.size(); d-- > 0; step *= shape[d]) strides_[d] = step;
    bytes_.resize(static_cast<std::size_t>(step) * size());
  }
  /// Anywhere; if it is only read, with the same element in several places, too.
  placed(const extents& shape, dtype type, bool read_only, dice& random)
      : type_(type), shape_(shape), strides_(shape.size()) {
    std::vector<std::size_t> order(shape.size());
    std::iota(order.begin(), order.end(), 0u);
    std::reverse(order.begin(), order.end());  // the last dimension is the innermost
    if (random.one_in(2)) std::shuffle(order.begin(), order.end(), random.engine());
    std::int64_t step = random.one_in(4) ? random.between(2, 3) : 1;
    offset_ = random.between(0, 5);
    std::int64_t room = offset_ + 5;
    for (std::size_t d : order) {
      strides_[d] = read_only && random.one_in(4) ? 0 : step;
      room += (shape[d] - 1) * strides_[d];
      if (strides_[d] != 0) step = step * shape[d] + (random.one_in(2) ? random.between(0, 40) : 0);
      if (random.one_in(8)) {
        offset_ += (shape[d] - 1) * strides_[d];
        strides_[d] = -strides_[d];
      }
    }
    bytes_.resize(static_cast<std::size_t>(room) * size());
    for (std::byte& b : bytes_) b = static_cast<std::byte>(random.between(0, 255));
  }

  explicit operator bool() const { return !bytes_.empty(); }
  operator const_view() const { return {bytes_.data() + at(0), type_, shape_, strides_}; }
  operator view() { return {bytes_.data() + at(0), type_, shape_, strides_}; }
  std::int64_t count() const { return product(shape_); }

  float get(std::int64_t e) const {
    const std::byte* const p = bytes_.data() + at(e);
    switch (type_) {
      case dtype::f32: return read<float>(p);
      case dtype::f16: return static_cast<float>(reference::float16_format::decode(read<std::uint16_t>(p)));
      case dtype::bf16: return static_cast<float>(reference::bfloat16_format::decode(read<std::uint16_t>(p)));
      case dtype::boolean: return read<std::uint8_t>(p) != 0 ? 0.0f : -inf;  // as it is added to a score
      case dtype::i32: return static_cast<float>(read<std::int32_t>(p));
      default: return static_cast<float>(read<std::int64_t>(p));
    }
  }
  void set(std::int64_t e, float v) {
    std::byte* const p = bytes_.data() + at(e);
    switch (type_) {
      case dtype::f32: return write(p, v);
      case dtype::f16: return write(p, reference::float16_format::encode(v));
      case dtype::bf16: return write(p, reference::bfloat16_format::encode(v));
      case dtype::boolean: return write(p, static_cast<std::uint8_t>(v == -inf ? 0 : 1));
      case dtype::i32: return write(p, static_cast<std::int32_t>(v));
      default: return write(p, static_cast<std::int64_t>(v));
    }
  }
  template <class F>
  void fill(F value) {
    for (std::int64_t e = 0; e < count(); ++e) set(e, value());
  }

  void take(const placed& from) {
    for (std::int64_t e = 0; e < count(); ++e) set(e, from.get(e));
  }

  /// Element i of the result is element order[i] of this one, as f32 or an integer.
  placed copy(const extents& shape, const extents& order) const {
    placed p(shape, type_ == dtype::i32 || type_ == dtype::i64 ? dtype::i64 : dtype::f32);
    for (std::int64_t i = 0; i < p.count(); ++i) p.set(i, get(order[static_cast<std::size_t>(i)]));
    return p;
  }

  /// Compares what was `before` and has been written with the contiguous results.
  void expect(const placed& before, const placed& results, const extents& order, const char* what) const {
    placed expected = before;
    for (std::int64_t i = 0; i < count(); ++i) {
      const std::int64_t e = order[static_cast<std::size_t>(i)];
      expected.set(e, results.get(i));
      ASSERT_TRUE(same_bits(get(e), expected.get(e)))
          << what << ", element " << i << ": " << get(e) << ", expected " << expected.get(e);
      std::memcpy(expected.bytes_.data() + at(e), bytes_.data() + at(e), size());  // NaN has many forms
    }
    ASSERT_EQ(expected.bytes_, bytes_) << what << ": something was written between the elements";
  }

 private:
  template <class T>
  static T read(const std::byte* p) {
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  template <class T>
  static void write(std::byte* p, T v) {
    std::memcpy(p, &v, sizeof v);
  }
  std::size_t size() const {
    return type_ == dtype::i64                           ? 8
           : type_ == dtype::f32 || type_ == dtype::i32  ? 4
           : type_ == dtype::f16 || type_ == dtype::bf16 ? 2
                                                         : 1;
  }
  std::size_t at(std::int64_t e) const {
    std::int64_t place = offset_;
    for (std::size_t d = shape_.size(); d-- > 0; e /= shape_[d]) place += e % shape_[d] * strides_[d];
    return static_cast<std::size_t>(place) * size();
  }

  dtype type_ = dtype::f32;
  extents shape_, strides_;
  std::int64_t offset_ = 0;
  std::vector<std::byte> bytes_;
};

/// A shape, an axis of it, and the same rows along the last axis. The dimension that counts queries comes before it.
struct geometry {
  extents shape, row_shape, last_shape, last_row_shape;
  extents order, row_order;  ///< which element, and which row, is where
  int axis;

  explicit geometry(dice& random) {
    const std::int64_t kind = random.between(0, 15);
    std::int64_t columns = kind < 6    ? random.between(1, 40)
                           : kind < 10 ? random.between(41, 300)
                           : kind < 13 ? random.between(301, 3000)
                           : kind < 14 ? random.between(4000, 9000)
                                       : random.between(16385, 40000);
    if (columns > 4 && random.one_in(2)) columns = columns / 4 * 4;
    const auto rank = random.between(1, 4);
    std::int64_t rows = std::max<std::int64_t>(1, 8000 / columns);
    for (std::int64_t d = 0; d + 1 < rank; ++d) {
      const std::int64_t extent = random.between(1, std::min<std::int64_t>(rows, random.one_in(3) ? 40 : 5));
      shape.push_back(extent);
      rows /= extent;
    }
    axis = static_cast<int>(random.between(0, rank - 1));
    shape.insert(shape.begin() + axis, columns);
    row_shape = shape;
    row_shape[static_cast<std::size_t>(axis)] = 1;

    std::vector<int> dimensions;  // -1: one of extent 1
    for (int d = 0; d < std::ssize(shape); ++d)
      if (d != axis && d != axis - 1) dimensions.push_back(d);
    dimensions.push_back(axis - 1);
    dimensions.push_back(axis);
    for (int d : dimensions) last_shape.push_back(d < 0 ? 1 : shape[static_cast<std::size_t>(d)]);
    last_row_shape = last_shape;
    last_row_shape.back() = 1;
    order = moved(dimensions, shape, last_shape);
    row_order = moved(dimensions, row_shape, last_row_shape);
  }

  static extents moved(const std::vector<int>& dimensions, const extents& from, const extents& to) {
    extents step(from.size(), 1);
    for (std::size_t d = from.size(); d-- > 1;) step[d - 1] = step[d] * from[d];
    extents places(static_cast<std::size_t>(product(to)));
    for (std::size_t i = 0; i < places.size(); ++i) {
      auto rest = static_cast<std::int64_t>(i);
      for (std::size_t d = to.size(); d-- > 0; rest /= to[d])
        if (dimensions[d] >= 0) places[i] += rest % to[d] * step[static_cast<std::size_t>(dimensions[d])];
    }
    return places;
  }
  std::int64_t column(std::int64_t e) const {
    for (std::int64_t d = std::ssize(shape) - 1; d > axis; --d) e /= shape[static_cast<std::size_t>(d)];
    return e % columns();
  }
  std::int64_t columns() const { return shape[static_cast<std::size_t>(axis)]; }
  placed last(const placed& p) const { return p.copy(last_shape, order); }
  placed last_rows(const placed& p) const { return p.copy(last_row_shape, row_order); }
};

dtype any_float(dice& random) { return random.any({dtype::f32, dtype::f32, dtype::f16, dtype::bf16}); }

/// Logits. Where one column is far above the others, logarithms show in which order these add up; where none is above
/// zero, zeros of both signs are the largest.
placed any_scores(const geometry& g, dice& random) {
  placed x(g.shape, any_float(random), true, random);
  const float deviation = random.any({0.5f, 3.0f, 30.0f});
  const bool masked = random.one_in(3), below_zero = random.one_in(6);
  const std::int64_t above = random.one_in(2) ? random.between(0, random.one_in(2) ? 0 : g.columns() - 1) : -1;
  for (std::int64_t e = 0; e < x.count(); ++e) {
    float v = random.normal(deviation);
    if (g.column(e) == above) v = 24;
    if (below_zero) v = random.one_in(4) ? std::copysign(0.0f, v) : -std::fabs(v);
    if (masked && random.one_in(10)) v = random.one_in(50) ? NAN : -inf;
    x.set(e, v);
  }
  return x;
}

/// The call and the same one over contiguous rows.
struct both_calls {
  options how, plain;
  explicit both_calls(dice& random) {
    std::vector<isa_info> rows = usable_isas();
    std::erase_if(rows, [](const isa_info& row) { return !row.fma; });
    if (rows.empty()) return;
    how.isa = rows[static_cast<std::size_t>(random.between(0, std::ssize(rows) - 1))].name;
    plain.isa = rows[static_cast<std::size_t>(random.between(0, std::ssize(rows) - 1))].name;
    how.accuracy = plain.accuracy = random.any({accuracy::high, accuracy::fast});
    if (random.one_in(3)) how.threads = backwards(static_cast<int>(random.between(2, 5)));
    if (random.one_in(4)) how.slices = static_cast<int>(random.between(2, 4));
  }
  template <class F>
  void in_slices(F call) {
    for (how.slice = 0; how.slice < how.slices; ++how.slice) {
      const status s = call(how);
      ASSERT_TRUE(s.ok()) << s.message;
    }
  }
};

class random_rows : public testing::Test {
 protected:
  static constexpr int rounds = 200;
  static unsigned next_seed() {
    static unsigned seed = 0;
    return ++seed;
  }
  template <class F>
  void each_round(F round) {
    if (both_calls(random_).how.isa == nullptr) GTEST_SKIP() << "no ISA with FMA";
    for (int i = 0; i < rounds && !HasFatalFailure(); ++i) {
      const geometry g(random_);
      SCOPED_TRACE(testing::Message() << "round " << i << ", axis " << g.axis << " of "
                                      << testing::PrintToString(g.shape));
      round(g);
    }
  }
  dice random_{next_seed()};
};

/// A form and what it points at: drawn, or another's along the last axis.
struct any_form {
  placed row_scale, slopes, mask, sinks, max, sum, lse;
  softmax_form form;

  any_form(const geometry& g, dice& random) {
    const auto rows = [&](float deviation) {
      placed p(g.row_shape, any_float(random), true, random);
      p.fill([&] { return random.normal(deviation); });
      return p;
    };
    const auto result = [&] { return placed(g.row_shape, any_float(random), false, random); };
    form.logarithm = random.one_in(2);
    if (random.one_in(3)) form.scale = random.any({0.125f, -1.0f, 0.7f});
    if (random.one_in(6)) row_scale = rows(1);
    if (random.one_in(6)) form.softcap = 20;
    if (random.one_in(6)) slopes = rows(0.125f);
    if (random.one_in(3)) {
      mask = placed(g.shape, random.one_in(3) ? dtype::boolean : any_float(random), true, random);
      mask.fill([&] { return random.one_in(4) ? -inf : random.normal(2); });
    }
    if (random.one_in(4)) {
      form.causal = true;
      form.offset = random.between(-3, random.one_in(2) ? 40 : g.columns());
      if (random.one_in(2)) form.window = random.between(1, g.columns());
    }
    if (random.one_in(6)) sinks = rows(3);
    form.nan_if_masked = random.one_in(4);
    if (!form.logarithm && random.one_in(4)) form.output_scale = random.any({0.5f, 3.0f, 0x1p-70f});
    if (random.one_in(4)) max = result();
    if (random.one_in(4)) sum = result();
    if (random.one_in(4)) lse = result();
    point();
  }
  any_form(const geometry& g, const any_form& of) : form(of.form) {
    if (of.mask) mask = g.last(of.mask);
    for (const auto member :
         {&any_form::row_scale, &any_form::slopes, &any_form::sinks, &any_form::max, &any_form::sum, &any_form::lse})
      if (of.*member) this->*member = g.last_rows(of.*member);
    point();
  }
  any_form(const any_form&) = delete;

 private:
  void point() {
    if (row_scale) form.row_scale = row_scale;
    if (slopes) form.slopes = slopes;
    if (mask) form.mask = mask;
    if (sinks) form.sinks = sinks;
    if (max) form.max = max;
    if (sum) form.sum = sum;
    if (lse) form.lse = lse;
  }
};

TEST_F(random_rows, in_every_form_have_the_bits_of_contiguous_ones) {
  each_round([&](const geometry& g) {
    both_calls calls(random_);
    any_form any(g, random_), last(g, any);
    const placed x = any_scores(g, random_), max = any.max, sum = any.sum, lse = any.lse;
    placed y(g.shape, any_float(random_), false, random_), expected(g.last_shape, dtype::f32);
    const bool part = (any.max || any.sum || any.lse) && random_.one_in(3), in_place = !part && random_.one_in(3);
    if (in_place) y.take(x);
    const const_view in = in_place ? y : x;
    const placed t = g.last(in_place ? y : x), before = y;
    calls.in_slices([&](const options& how) {
      return part ? softmax_partial(in, g.axis, any.form, how) : softmax_fused(in, y, g.axis, any.form, how);
    });
    const status s =
        part ? softmax_partial(t, -1, last.form, calls.plain) : softmax_fused(t, expected, -1, last.form, calls.plain);
    ASSERT_TRUE(s.ok()) << s.message;
    if (!part) y.expect(before, expected, g.order, "y");
    if (max) any.max.expect(max, last.max, g.row_order, "max");
    if (sum) any.sum.expect(sum, last.sum, g.row_order, "sum");
    if (lse) any.lse.expect(lse, last.lse, g.row_order, "lse");
  });
}

TEST_F(random_rows, with_a_loss_have_the_bits_of_contiguous_ones) {
  each_round([&](const geometry& g) {
    both_calls calls(random_);
    placed targets(g.row_shape, random_.any({dtype::i32, dtype::i64}), true, random_);
    targets.fill([&] { return random_.one_in(4) ? -100.0f : static_cast<float>(random_.between(0, g.columns() - 1)); });
    placed dloss(g.row_shape, any_float(random_), true, random_);
    dloss.fill([&] { return random_.normal(random_.one_in(4) ? 1e-20f : 1); });
    const placed x = any_scores(g, random_), t = g.last(x), classes = g.last_rows(targets);
    placed loss(g.row_shape, any_float(random_), false, random_), lse(g.row_shape, dtype::f32, false, random_);
    placed dx(g.shape, any_float(random_), false, random_), expected(g.last_shape, dtype::f32);
    placed expected_loss(g.last_row_shape, dtype::f32), expected_lse = expected_loss;
    const placed loss_before = loss, lse_before = lse, before = dx;
    cross_entropy_form form;
    if (random_.one_in(3)) form.scale = 0.7f;
    if (random_.one_in(3)) form.label_smoothing = 0.125f;
    cross_entropy_form last = form;
    if (random_.one_in(2)) form.lse = lse, last.lse = expected_lse;
    calls.in_slices([&](const options& how) { return cross_entropy(x, targets, loss, g.axis, form, how); });
    calls.in_slices(
        [&](const options& how) { return cross_entropy_gradient(dloss, x, targets, dx, g.axis, form, how); });
    status s = cross_entropy(t, classes, expected_loss, -1, last, calls.plain);
    if (s) s = cross_entropy_gradient(g.last_rows(dloss), t, classes, expected, -1, last, calls.plain);
    ASSERT_TRUE(s.ok()) << s.message;
    loss.expect(loss_before, expected_loss, g.row_order, "loss");
    if (form.lse.data != nullptr) lse.expect(lse_before, expected_lse, g.row_order, "lse");
    dx.expect(before, expected, g.order, "dx");
  });
}

TEST_F(random_rows, of_gradients_have_the_bits_of_contiguous_ones) {
  each_round([&](const geometry& g) {
    both_calls calls(random_);
    const bool logarithm = random_.one_in(2);
    const auto gradient = logarithm ? log_softmax_gradient : softmax_gradient;
    placed y(g.shape, any_float(random_), true, random_), dy(g.shape, any_float(random_), true, random_);
    y.fill([&] { return logarithm ? -std::fabs(random_.normal(4)) : std::exp(-std::fabs(random_.normal(4))); });
    dy.fill([&] { return random_.normal(1); });
    placed dx(g.shape, any_float(random_), false, random_), expected(g.last_shape, dtype::f32);
    const bool in_place = random_.one_in(3);
    if (in_place) dx.take(dy);
    const const_view in = in_place ? dx : dy;
    const placed last = g.last(in_place ? dx : dy), before = dx;
    calls.in_slices([&](const options& how) { return gradient(in, y, dx, g.axis, 0.7f, how); });
    const status s = gradient(last, g.last(y), expected, -1, 0.7f, calls.plain);
    ASSERT_TRUE(s.ok()) << s.message;
    dx.expect(before, expected, g.order, "dx");
  });
}

}  // namespace
}  // namespace sigmax_test
