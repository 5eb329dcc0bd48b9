// The C API does what the C++ API does, and reads structs of other versions.
#include <sigmax/sigmax.h>

#include "c_calls.h"
#include "harness.hpp"

namespace sigmax_test {
namespace {

template <class T>
auto matrix(T* data, std::int64_t columns) {
  using pointer = std::conditional_t<std::is_const_v<T>, const void*, void*>;
  return basic_view<pointer>(data, *dtype_of<std::remove_const_t<T>>, {calls_rows, columns});
}

void ok(const status& s) { EXPECT_TRUE(s.ok()) << s.message; }

void cpp_rows(const const_view& in, const const_view& rows, call_results& out) {
  const auto whole = [](float* data) { return matrix(data, calls_columns); };
  ok(softmax(in, whole(out.softmax)));
  ok(log_softmax(in, whole(out.log_softmax)));
  ok(softmax(in, whole(out.columns), 0));
  ok(softmax(in, whole(out.fast), -1, with(accuracy::fast)));
  const softmax_form fused{.scale = 0.5f,
                           .row_scale = rows,
                           .softcap = 3,
                           .slopes = rows,
                           .mask = in,
                           .causal = true,
                           .offset = 2,
                           .window = 4,
                           .sinks = rows,
                           .output_scale = 2,
                           .max = matrix(out.fused_max, 1),
                           .sum = matrix(out.fused_sum, 1),
                           .lse = matrix(out.fused_lse, 1)};
  ok(softmax_fused(in, whole(out.fused), 1, fused));
  const softmax_form part{.max = matrix(out.partial_max, 1), .sum = matrix(out.partial_sum, 1)};
  ok(softmax_partial(in, -1, part));
  ok(softmax_finish(in, whole(out.finish), -1, part));
  const softmax_state both = merge({out.partial_max[0], out.partial_sum[0]}, {out.partial_max[1], out.partial_sum[1]});
  out.merged_max = both.max;
  out.merged_sum = both.sum;
}

void cpp_calls(const float* x, const float* dy, const float* per_row, call_results& out) {
  const auto whole = [](auto* data) { return matrix(data, calls_columns); };
  const const_view in = whole(x), grad = whole(dy), rows = matrix(per_row, 1);
  for (activation op : all_activations()) {
    ok(activate(op, in, whole(out.activate[static_cast<int>(op)])));
    ok(activation_gradient(op, grad, in, whole(out.activation_gradient[static_cast<int>(op)])));
  }
  for (gate op : all_gates()) {
    const auto i = static_cast<std::size_t>(op);
    ok(activate_gated(op, in, grad, whole(out.gated[i])));
    ok(gated_gradient(op, grad, in, in, whole(out.gate_a[i]), whole(out.gate_b[i])));
  }
  cpp_rows(in, rows, out);
  ok(softmax_gradient(grad, whole(out.softmax), whole(out.softmax_gradient), -1, 0.5f));
  ok(log_softmax_gradient(grad, whole(out.log_softmax), whole(out.log_softmax_gradient), -1, 2));
  const std::int64_t targets[calls_rows] = {0, 1, -1, 3, 4};
  const cross_entropy_form form{.scale = 2, .label_smoothing = 0.125f, .ignore_index = -1, .lse = matrix(out.lse, 1)};
  ok(cross_entropy(in, matrix(targets, 1), matrix(out.loss, 1), -1, form));
  ok(cross_entropy_gradient(rows, in, matrix(targets, 1), whole(out.loss_gradient), -1, form));
  ok(top_k_gating(in, matrix(out.weights, calls_chosen), matrix(out.experts, calls_chosen), -1,
                  {.sigmoid = true, .scale = 2.5f, .bias = grad}));
  const auto codes = [&](int i, dtype type) { return view(out.codes[i], type, {calls_rows, calls_columns}); };
  ok(activate_quantised(activation::gelu, in, codes(0, dtype::i8), -1, {.scale = 0.02f}));
  ok(activate_gated_quantised(gate::swiglu, in, grad, codes(1, dtype::f8_e4m3), 1,
                              {.row_scales = matrix(out.row_scales[0], 1), .amax = matrix(out.amax, 1)}));
  ok(softmax_quantised(in, codes(2, dtype::f8_e5m2), -1, {}, {.row_scales = matrix(out.row_scales[1], 1)}));
}

TEST(c_api, every_call_gives_the_bits_of_the_cpp_api) {
  const std::vector<float> x = logits(calls_size, 3, 1), dy = logits(calls_size, 1, 2);
  const float per_row[calls_rows] = {0.25f, 1, 2, 0.5f, 1.5f};
  auto from_c = std::make_unique<call_results>(), from_cpp = std::make_unique<call_results>();
  EXPECT_EQ(c_calls(x.data(), dy.data(), per_row, from_c.get()), 0);
  cpp_calls(x.data(), dy.data(), per_row, *from_cpp);
  static_assert(sizeof(call_results) % sizeof(float) == 0);
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): bits are meant
  EXPECT_EQ(std::memcmp(from_c.get(), from_cpp.get(), sizeof(call_results)), 0);
}

class c_structs : public testing::Test {
 protected:
  float x[4] = {-1, 0, 1, 2}, y[4] = {};
  sigmax_view in = dense(x), out = dense(y);

  static sigmax_view dense(float* data) {
    const std::int64_t shape[] = {4};
    sigmax_view v;
    sigmax_view_dense(&v, sizeof v, data, sigmax_dtype_f32, 1, shape);
    return v;
  }
  void expect(sigmax_status wanted, sigmax_status got, const char* mentions) {
    EXPECT_EQ(got, wanted) << sigmax_last_error();
    EXPECT_NE(std::string(sigmax_last_error()).find(mentions), std::string::npos) << sigmax_last_error();
    for (float v : y) EXPECT_EQ(v, 0);
  }
};

TEST_F(c_structs, defaults_are_those_of_cpp) {
  sigmax_options o;
  sigmax_options_init(&o, sizeof o);
  const options d;
  EXPECT_EQ(o.struct_size, sizeof o);
  EXPECT_TRUE(std::isnan(o.parameters[0]) && std::isnan(o.parameters[1]));
  EXPECT_EQ(o.accuracy, static_cast<int>(d.accuracy));
  EXPECT_EQ(o.where, static_cast<int>(d.where));
  EXPECT_EQ(o.isa, d.isa);
  EXPECT_EQ(o.threads.concurrency, d.threads.concurrency);
  EXPECT_EQ(o.slices, d.slices);
  EXPECT_EQ(o.dependent_launch, d.dependent_launch);
  sigmax_softmax_form f;
  sigmax_softmax_form_init(&f, sizeof f);
  EXPECT_EQ(f.scale, softmax_form{}.scale);
  EXPECT_EQ(f.output_scale, softmax_form{}.output_scale);
  EXPECT_EQ(f.mask, nullptr);
  sigmax_cross_entropy_form e;
  sigmax_cross_entropy_form_init(&e, sizeof e);
  EXPECT_EQ(e.ignore_index, cross_entropy_form{}.ignore_index);
  sigmax_gating_form g;
  sigmax_gating_form_init(&g, sizeof g);
  EXPECT_EQ(g.renormalise, 1);
  EXPECT_EQ(g.scale, gating_form{}.scale);
}

TEST_F(c_structs, null_and_uninitialised_structs_are_refused) {
  expect(sigmax_status_invalid_argument, sigmax_activate(0, nullptr, &out, nullptr), "x is null");
  expect(sigmax_status_invalid_argument, sigmax_activate(0, &in, nullptr, nullptr), "y is null");
  for (std::size_t size : {std::size_t{0}, std::size_t{8}, sizeof(sigmax_view) - 8, SIZE_MAX}) {
    sigmax_view v = in;
    v.struct_size = size;
    expect(sigmax_status_invalid_argument, sigmax_activate(0, &v, &out, nullptr), "x: struct_size");
    sigmax_options o;
    sigmax_options_init(&o, sizeof o);
    o.struct_size = size == sizeof(sigmax_view) - 8 ? sizeof o - 8 : size;
    expect(sigmax_status_invalid_argument, sigmax_activate(0, &in, &out, &o), "options: struct_size");
  }
  sigmax_explanation why{};
  expect(sigmax_status_invalid_argument, sigmax_explain(0, &in, &out, nullptr, &why), "out: struct_size");
  expect(sigmax_status_invalid_argument, sigmax_explain(0, &in, &out, nullptr, nullptr), "out is null");
  sigmax_view_init(nullptr, sizeof in);
}

TEST_F(c_structs, reserved_members_are_zero) {
  in.reserved = 1;
  expect(sigmax_status_unsupported, sigmax_activate(0, &in, &out, nullptr), "reserved");
}

// A caller compiled with a later header: what it does not use is zero, and then nothing is amiss.
TEST_F(c_structs, a_later_caller_may_not_use_what_this_version_lacks) {
  struct later {
    sigmax_options known;
    std::int64_t news;
  } o{};
  sigmax_options_init(&o.known, sizeof o);
  EXPECT_EQ(o.known.struct_size, sizeof o);
  o.news = 1;
  expect(sigmax_status_unsupported, sigmax_activate(sigmax_activation_linear, &in, &out, &o.known), "does not have");
  o.news = 0;
  EXPECT_EQ(sigmax_activate(sigmax_activation_linear, &in, &out, &o.known), sigmax_status_ok);
  EXPECT_EQ(y[3], 2);
  struct {
    sigmax_isa_info known;
    std::int64_t news;
  } row{{}, -1};
  row.known.struct_size = sizeof row;
  EXPECT_EQ(sigmax_cpu_isa(0, &row.known), sigmax_status_ok);
  EXPECT_EQ(row.news, 0);
  EXPECT_EQ(row.known.struct_size, sizeof row);
}

TEST_F(c_structs, the_first_of_two_faults_has_the_words) {
  sigmax_options o;
  sigmax_options_init(&o, 16);
  sigmax_view v = in;
  v.reserved = 3;
  expect(sigmax_status_unsupported, sigmax_activate(0, &v, &out, &o), "reserved is 3");
}

// A mask whose memory is missing must not become no mask.
TEST_F(c_structs, a_given_view_without_data_is_refused) {
  sigmax_softmax_form form;
  sigmax_softmax_form_init(&form, sizeof form);
  sigmax_view nothing = in, initial;
  sigmax_view_init(&initial, sizeof initial);
  nothing.data = nullptr;
  for (const sigmax_view* given : {&nothing, &initial}) {
    form.mask = given;
    expect(sigmax_status_invalid_argument, sigmax_softmax_fused(&in, &out, 0, &form, nullptr),
           "form.mask: data is null");
  }
  nothing.shape[0] = in.shape[0] = out.shape[0] = 0;
  form.mask = &nothing;
  EXPECT_EQ(sigmax_softmax_fused(&in, &out, 0, &form, nullptr), sigmax_status_ok) << sigmax_last_error();
}

// An empty one needs no data, but it is given all the same.
TEST_F(c_structs, a_given_empty_view_is_not_off) {
  sigmax_softmax_form form;
  sigmax_softmax_form_init(&form, sizeof form);
  sigmax_view empty = in;
  empty.data = nullptr, empty.shape[0] = 0;
  form.mask = &empty;
  expect(sigmax_status_shape_mismatch, sigmax_softmax_fused(&in, &out, 0, &form, nullptr), "form.mask");
  form.mask = nullptr, form.lse = &empty;
  expect(sigmax_status_shape_mismatch, sigmax_softmax_fused(&in, &out, 0, &form, nullptr), "form.lse");
  in.shape[0] = out.shape[0] = 0, empty.type = 99;
  form.lse = nullptr, form.mask = &empty;
  expect(sigmax_status_invalid_argument, sigmax_softmax_fused(&in, &out, 0, &form, nullptr), "form.mask");
}

TEST_F(c_structs, last_error_stays_after_a_good_call) {
  EXPECT_EQ(sigmax_softmax(&in, &out, 7, nullptr), sigmax_status_invalid_argument);
  EXPECT_EQ(sigmax_softmax(&in, &out, 0, nullptr), sigmax_status_ok);
  EXPECT_NE(std::string(sigmax_last_error()).find("axis 7"), std::string::npos);
  EXPECT_STREQ(sigmax_status_string(-1), "unknown");
}

TEST_F(c_structs, staging_memory_and_calibration) {
  sigmax_calibration figures;
  sigmax_calibration_init(&figures, sizeof figures);
  const std::vector<float> ns(all_activations().size(), 2.0f);
  figures.activations = 1;
  EXPECT_EQ(sigmax_set_calibration(&figures), sigmax_status_invalid_argument);  // of a null pointer
  figures.cpu_ns_per_element = ns.data();
  figures.activations = static_cast<std::int64_t>(ns.size());
  figures.host_bytes_per_second = figures.host_bytes_per_second_at_most = 1e15;
  ASSERT_EQ(sigmax_set_calibration(&figures), sigmax_status_ok) << sigmax_last_error();
  std::vector<float> values(10000);
  const std::int64_t shape = 10000;
  sigmax_view v;
  sigmax_view_dense(&v, sizeof v, values.data(), sigmax_dtype_f32, 1, &shape);
  sigmax_explanation why{};
  why.struct_size = sizeof why;
  ASSERT_EQ(sigmax_explain(0, &v, &v, nullptr, &why), sigmax_status_ok) << sigmax_last_error();
  EXPECT_DOUBLE_EQ(why.cpu_ns, 20000);
  EXPECT_EQ(why.cuda_ns, 0);  // nothing was measured there
  sigmax_calibration_init(&figures, sizeof figures);
  EXPECT_EQ(sigmax_set_calibration(&figures), sigmax_status_ok);
  EXPECT_EQ(sigmax_set_calibration(nullptr), sigmax_status_invalid_argument);

  sigmax_staging_memory memory;
  sigmax_staging_memory_init(&memory, sizeof memory);
  EXPECT_EQ(memory.bytes, 0);
  if (sigmax_cuda_available() != sigmax_status_ok) {
    EXPECT_EQ(sigmax_warm_up(&memory), sigmax_status_unavailable);
  }
  memory.struct_size = 3;
  EXPECT_EQ(sigmax_warm_up(&memory), sigmax_status_invalid_argument);
  EXPECT_EQ(sigmax_cool_down(), sigmax_status_ok);
}

TEST_F(c_structs, strings_of_the_facts_end) {
  for (activation op : all_activations()) {
    const activation_info& info = describe(op);
    for (std::string_view text : {info.name, info.formula, info.source}) EXPECT_EQ(text.data()[text.size()], '\0');
    for (const parameter_info& p : info.parameters) EXPECT_EQ(p.name.data()[p.name.size()], '\0');
  }
}

}  // namespace
}  // namespace sigmax_test
