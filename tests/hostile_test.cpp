// Views that no sane caller would make, in each place of each call: a status and not one byte written.
#include <algorithm>
#include <climits>

#include "every_call.hpp"
#include "harness.hpp"

namespace sigmax_test {
namespace {

struct hostile {
  const char* name;
  void (*spoil)(view& v);
};

// Each view has two dimensions, the first with 5 elements. Addresses are never read: the call must not get that far.
const hostile hostiles[] = {
    {"null", [](view& v) { v.data = nullptr; }},
    {"misaligned", [](view& v) { v.data = static_cast<std::byte*>(v.data) + 1; }},
    {"rank -1", [](view& v) { v.rank = -1; }},
    {"rank 9", [](view& v) { v.rank = 9; }},
    {"rank INT_MAX", [](view& v) { v.rank = INT_MAX; }},
    {"rank INT_MIN", [](view& v) { v.rank = INT_MIN; }},
    {"dtype 99", [](view& v) { v.type = static_cast<dtype>(99); }},
    {"dtype -1", [](view& v) { v.type = static_cast<dtype>(-1); }},
    {"memory 99", [](view& v) { v.where = static_cast<memory>(99); }},
    {"extent -1", [](view& v) { v.shape[0] = -1; }},
    {"extent INT64_MIN", [](view& v) { v.shape[1] = INT64_MIN; }},
    {"-1 times -1", [](view& v) { v.shape[0] = v.shape[1] = -1; }},
    {"-5 times 0", [](view& v) { v.shape[0] = -5, v.shape[1] = 0; }},
    {"extent INT64_MAX", [](view& v) { v.shape[0] = INT64_MAX; }},
    {"2^32 times 2^32", [](view& v) { v.shape[0] = v.shape[1] = std::int64_t{1} << 32; }},
    {"bytes pass 2^64", [](view& v) { v.shape[0] = std::int64_t{1} << 62; }},
    {"stride INT64_MAX", [](view& v) { v.strides[0] = INT64_MAX; }},
    {"stride INT64_MIN", [](view& v) { v.strides[0] = INT64_MIN; }},
    {"stride past the end of memory", [](view& v) { v.strides[0] = INT64_MAX / 4; }},
    {"stride before its start", [](view& v) { v.strides[0] = -(INT64_MAX / 16); }},
    {"extent of the pair too small", [](view& v) { v.shape[0] = 4; }},
    {"extent of the pair too large", [](view& v) { v.shape[0] = 6; }},
};

/// A view that the call does without.
bool is_optional(const named_call& call, view tensors::*member) {
  using t = tensors;
  const struct {
    const char* call;
    std::vector<view tensors::*> views;
  } optional[] = {{"softmax_fused", {&t::each, &t::mask, &t::max, &t::sum, &t::lse}},
                  {"softmax_partial", {&t::max, &t::sum, &t::lse}},
                  {"cross_entropy", {&t::lse}},
                  {"top_k_gating", {&t::mask}},
                  {"softmax_quantised", {&t::mask}}};
  return std::ranges::any_of(optional, [&](const auto& o) {
    return std::strcmp(o.call, call.name) == 0 && std::ranges::find(o.views, member) != o.views.end();
  });
}

TEST(hostile, views_in_each_place_of_each_call) {
  for (const named_call& call : every_call()) {
    for (view tensors::*member : call.views) {
      for (const hostile& h : hostiles) {
        tensors t(5, 6);
        if (std::strcmp(h.name, "misaligned") == 0 && member == &tensors::codes) continue;  // a byte cannot be
        const bool no_fault = std::strcmp(h.name, "null") == 0 && is_optional(call, member);
        const auto before = t.outputs();
        view& spoilt = t.*member;
        const view sound = spoilt;
        h.spoil(spoilt);
        const status s = call.run(t, {});
        spoilt = sound;
        EXPECT_EQ(s.ok(), no_fault) << call.name << ": " << h.name;
        if (no_fault) continue;
        EXPECT_GT(std::strlen(s.message), 5u);
        EXPECT_EQ(t.outputs(), before) << call.name << ": " << h.name << ": " << s.message;
      }
    }
  }
}

// What reaches further than half of the address space overflows signed arithmetic on offsets.
TEST(hostile, views_larger_than_half_of_memory) {
  float y[4] = {};
  const std::int64_t shape[] = {2}, wide[] = {std::int64_t{1} << 60};
  void* const low = reinterpret_cast<void*>(std::uintptr_t{4});
  EXPECT_EQ(
      activate(activation::relu, const_view(low, dtype::f32, shape, wide), view(low, dtype::f32, shape, wide)).code,
      status_code::invalid_argument);
  EXPECT_EQ(activate(activation::relu, const_view(low, dtype::f32, shape, wide), view(y, 2)).code,
            status_code::invalid_argument);
}

TEST(hostile, options_in_each_call) {
  tensors t(5, 6);
  const auto before = t.outputs();
  for (const named_call& call : every_call()) {
    for (const options& how :
         {options{.accuracy = static_cast<accuracy>(-1)}, options{.where = static_cast<backend>(77)},
          options{.isa = "%s%n"}, options{.slice = INT_MIN}, options{.slices = INT_MIN},
          options{.slice = INT_MAX, .slices = INT_MAX},
          options{.threads = {[](void*, std::int64_t, void (*)(void*, std::int64_t), void*) {}, nullptr, INT_MIN}}}) {
      EXPECT_FALSE(call.run(t, how).ok()) << call.name;
      EXPECT_EQ(t.outputs(), before) << call.name;
    }
  }
}

TEST(hostile, names_and_numbers_in_the_queries) {
  EXPECT_FALSE(find_activation("").has_value());
  EXPECT_FALSE(find_activation(std::string(100000, 'x')).has_value());
  EXPECT_EQ(describe(static_cast<activation>(INT_MIN)).name, "unknown");
  EXPECT_EQ(describe(static_cast<activation>(INT_MAX)).name, "unknown");
  // Infinities, NaN and the sum that overflows stay numbers.
  for (const softmax_state& s : {merge({NAN, 1}, {0, 1}), merge({0, 1}, {NAN, 1})})
    EXPECT_TRUE(std::isnan(s.max) && std::isnan(s.sum));
  EXPECT_EQ(merge({0, 3e38f}, {0, 3e38f}).sum, INFINITY);
}

// Nobody looks at the strides of a tensor without elements, which may still have rows.
TEST(hostile, strides_of_what_is_empty_along_the_axis) {
  const std::int64_t shape[] = {3, 2, 0}, steps[] = {INT64_MAX, INT64_MIN, 1};
  const const_view x(nullptr, dtype::f32, shape, steps);
  float max[6], sum[6], amax[6];
  std::int8_t code = 0;
  softmax_form form;
  form.max = view(max, dtype::f32, {3, 2, 1}), form.sum = view(sum, dtype::f32, {3, 2, 1});
  EXPECT_TRUE(softmax_partial(x, 2, form).ok());
  EXPECT_TRUE(std::ranges::all_of(max, [](float v) { return v == -INFINITY; }));
  EXPECT_TRUE(std::ranges::all_of(sum, [](float v) { return v == 0; }));
  EXPECT_TRUE(softmax_fused(x, view(nullptr, dtype::f32, shape, steps), 2, form).ok());
  EXPECT_TRUE(softmax_finish(x, view(nullptr, dtype::f32, shape, steps), 2, form).ok());
  const view y(&code, dtype::i8, shape, steps);
  EXPECT_TRUE(softmax_quantised(x, y, 2, {}, {.amax = view(amax, dtype::f32, {3, 2, 1})}).ok());
  EXPECT_TRUE(activate_quantised(activation::relu, x, y, 2, {.amax = view(amax, dtype::f32, {3, 2, 1})}).ok());
}

// More slices than elements: each element in one of them. As many as there can be, of which some are tried.
TEST(hostile, more_slices_than_elements) {
  tensors t(5, 6);
  const auto untouched = t.outputs();
  options how{.slices = 97};
  for (const named_call& call : every_call()) {
    ASSERT_TRUE(call.run(t, {}).ok());
    const auto whole = t.outputs();
    EXPECT_NE(whole, untouched) << call.name;
    std::vector<int> times(whole.size());
    for (how.slice = 0; how.slice < how.slices; ++how.slice) {
      t.clear();
      EXPECT_TRUE(call.run(t, how).ok()) << call.name;
      const auto part = t.outputs();
      for (std::size_t i = 0; i < part.size(); ++i) {
        if (part[i] == untouched[i]) continue;
        ++times[i];
        EXPECT_EQ(part[i], whole[i]) << call.name << " byte " << i;
      }
    }
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_EQ(times[i], whole[i] != untouched[i] ? 1 : 0) << call.name << " byte " << i;
    t.clear();
  }
  how.slices = INT_MAX;
  for (const named_call& call : every_call())
    for (how.slice = 0; how.slice < INT_MAX - 1; how.slice += INT_MAX / 3) EXPECT_TRUE(call.run(t, how).ok());
}

}  // namespace
}  // namespace sigmax_test
