// Host tensors on CUDA, over a runtime whose streams may be late: every call must have the CPU's bits whenever the work
// is done, no call may allocate, each call of the runtime may fail, and a wait that is left out must show.
#include <array>
#include <bit>
#include <functional>
#include <numeric>

#include "../../kernels/host_chunks.hpp"
#include "../harness.hpp"
#include "transfers.hpp"

namespace sigmax_test {
namespace {

class host_tensors : public testing::Test {
 protected:
  void SetUp() override { runtime = {}; }
  void TearDown() override {
    runtime.fails_at = -1;
    EXPECT_TRUE(cool_down().ok());
    EXPECT_EQ(runtime.alive, 0);
  }
};

constexpr std::int64_t long_enough = 300001;  // several chunks and a tail, of any dtype
const options on_cuda{.where = backend::cuda};
/// The least that warm_up takes.
const staging_memory small{.bytes = staging_slots * least_slot};

std::vector<float> ramp(std::int64_t n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 4099) * 0.005f - 10;
  return x;
}

std::int64_t differences(const std::vector<float>& a, const std::vector<float>& b) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += !same_bits(a[i], b[i]);
  return count;
}

TEST_F(host_tensors, need_warm_up_and_say_so) {
  std::vector<float> x(10, 1), y(10, 7);
  const view in(x.data(), 10), out(y.data(), 10);
  explanation e;
  for (const status& s : {activate(activation::exp, in, out, on_cuda), explain(activation::exp, in, out, on_cuda, e)}) {
    EXPECT_EQ(s.code, status_code::unavailable);
    EXPECT_NE(std::string(s.message).find("warm_up"), std::string::npos) << s.message;
  }
  EXPECT_EQ(softmax(in, out, 0, on_cuda).code, status_code::unavailable);
  EXPECT_EQ(y, std::vector<float>(10, 7));
}

TEST_F(host_tensors, have_the_bits_of_the_cpu_whenever_work_is_done) {
  ASSERT_TRUE(warm_up(small).ok());
  const int made = runtime.allocations;
  for (const moment when : {moment::at_once, moment::when_waited_for, moment::at_random}) {
    runtime.when = when;
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{63}, std::int64_t{40000}, long_enough}) {
      const std::vector<float> x = ramp(n);
      std::vector<float> y(x.size(), -1), expected(x.size());
      ASSERT_TRUE(activate(activation::silu, const_view(x.data(), n), view(expected.data(), n)).ok());
      const status s = activate(activation::silu, const_view(x.data(), n), view(y.data(), n), on_cuda);
      ASSERT_TRUE(s.ok()) << s.message;
      EXPECT_EQ(differences(y, expected), 0) << n;
      EXPECT_TRUE(idle());
      std::vector<float> z = x;  // in place
      ASSERT_TRUE(activate(activation::silu, view(z.data(), n), view(z.data(), n), on_cuda).ok());
      EXPECT_EQ(differences(z, expected), 0) << n;
    }
  }
  EXPECT_TRUE(runtime.overlapped);
  EXPECT_EQ(runtime.allocations, made);
}

TEST_F(host_tensors, of_several_dtypes_gradients_slices_and_threads) {
  ASSERT_TRUE(warm_up(small).ok());
  const std::int64_t n = long_enough;
  const std::vector<float> x = ramp(n);
  std::vector<bfloat16> half(x.size()), dx(x.size()), expected(x.size());
  const view h(half.data(), n), to(dx.data(), n), right(expected.data(), n);
  ASSERT_TRUE(activate(activation::linear, const_view(x.data(), n), h, on_cuda).ok());
  ASSERT_TRUE(activation_gradient(activation::tanh, const_view(x.data(), n), h, right).ok());
  options how = on_cuda;
  for (how.slices = 3; how.slice < 3; ++how.slice)
    ASSERT_TRUE(activation_gradient(activation::tanh, const_view(x.data(), n), h, to, how).ok());
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(dx[i].bits, expected[i].bits) << i;

  how = on_cuda;
  std::int64_t tasks = 0;
  how.threads = {[](void* context, std::int64_t count, void (*task)(void*, std::int64_t), void* argument) {
                   *static_cast<std::int64_t*>(context) += count;
                   for (std::int64_t i = count; i-- > 0;) task(argument, i);
                 },
                 &tasks, 4};
  ASSERT_TRUE(cool_down().ok());
  ASSERT_TRUE(warm_up().ok());
  const std::int64_t many = 3000000;
  const std::vector<float> a = ramp(many);
  std::vector<float> b(a.size());
  ASSERT_TRUE(activate(activation::relu, const_view(a.data(), many), view(b.data(), many), how).ok());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(b[i], a[i] > 0 ? a[i] : 0) << i;
  EXPECT_GT(tasks, 0);  // chunks of 1.9 MB
}

enum class inputs { apart, packed, swapped, alternating };

/// The inputs of a gate over rows x columns results.
template <class T>
struct gate_inputs {
  std::vector<T> memory;
  const_view a, b;

  gate_inputs(inputs how, dtype type, std::int64_t rows, std::int64_t columns)
      : memory(static_cast<std::size_t>(2 * rows * columns)) {
    const std::vector<float> x = ramp(2 * rows * columns);
    EXPECT_TRUE(activate(activation::linear, const_view(x.data(), std::ssize(x)),
                         view(memory.data(), type, {std::ssize(memory)}))
                    .ok());
    const std::int64_t step = how == inputs::alternating ? 2 : 1;
    const std::int64_t pitch = how == inputs::apart ? columns : 2 * columns;
    const std::int64_t second = how == inputs::apart ? rows * columns : how == inputs::alternating ? 1 : columns;
    const std::int64_t shape[] = {rows, columns}, strides[] = {pitch, step};
    a = const_view(memory.data(), type, shape, strides);
    b = const_view(memory.data() + second, type, shape, strides);
    if (how == inputs::swapped) std::swap(a, b);
  }
};

/// Elements of which something is wrong.
template <class T>
std::int64_t wrong_gates(gate op, inputs how, dtype type, std::int64_t rows, std::int64_t columns,
                         std::int32_t slices) {
  const gate_inputs<T> in(how, type, rows, columns);
  std::vector<T> y(in.memory.size() / 2 + 1), expected = y;  // one beyond the end
  options there = on_cuda;
  for (there.slices = slices; there.slice < slices; ++there.slice) {
    const status s = activate_gated(op, in.a, in.b, view(y.data(), type, {rows, columns}), there);
    EXPECT_TRUE(s.ok()) << s.message;
  }
  EXPECT_TRUE(activate_gated(op, in.a, in.b, view(expected.data(), type, {rows, columns})).ok());
  const auto bytes = [](T v) { return std::bit_cast<std::array<std::byte, sizeof(T)>>(v); };
  std::int64_t count = 0;
  for (std::size_t i = 0; i < y.size(); ++i) count += bytes(y[i]) != bytes(expected[i]);
  return count;
}

constexpr inputs every_layout[] = {inputs::apart, inputs::packed, inputs::swapped, inputs::alternating};

TEST_F(host_tensors, gates_of_every_layout) {
  ASSERT_TRUE(warm_up(small).ok());
  const int made = runtime.allocations;
  struct {
    std::int64_t rows, columns;
  } const sizes[] = {{1, 1}, {1, 70}, {5, 1}, {301, 200}, {7, 5000}, {40000, 3}, {1, 60000}};
  for (const moment when : {moment::at_once, moment::when_waited_for, moment::at_random}) {
    runtime.when = when;
    for (const inputs how : every_layout)
      for (const auto& [rows, columns] : sizes) {
        const std::int32_t slices = rows % 2 == 1 ? 3 : 1;
        EXPECT_EQ(wrong_gates<float>(gate::swiglu, how, dtype::f32, rows, columns, slices), 0)
            << static_cast<int>(how) << " of " << rows << " x " << columns;
        EXPECT_EQ(wrong_gates<bfloat16>(gate::glu, how, dtype::bf16, rows, columns, slices), 0)
            << static_cast<int>(how) << " of " << rows << " x " << columns << ", bf16";
        EXPECT_TRUE(idle());
      }
  }
  EXPECT_TRUE(runtime.overlapped);
  EXPECT_EQ(runtime.allocations, made);

  gate_inputs<float> in(inputs::apart, dtype::f32, 301, 200);
  std::vector<float> expected(301 * 200);
  ASSERT_TRUE(activate_gated(gate::geglu, in.a, in.b, view(expected.data(), dtype::f32, {301, 200})).ok());
  ASSERT_TRUE(activate_gated(gate::geglu, in.a, in.b, view(in.memory.data(), dtype::f32, {301, 200}), on_cuda).ok());
  in.memory.resize(expected.size());  // in place of a
  EXPECT_EQ(differences(in.memory, expected), 0);
}

TEST_F(host_tensors, gates_that_lie_otherwise_are_refused) {
  ASSERT_TRUE(warm_up(small).ok());
  const std::int64_t rows = 20, columns = 30, wide = 40000;
  const gate_inputs<float> in(inputs::packed, dtype::f32, rows, columns);
  std::vector<float> y(2 * wide, 7), longer(2 * wide);
  const view out(y.data(), dtype::f32, {rows, columns});
  explanation e;
  ASSERT_TRUE(explain_gated(gate::swiglu, in.a, in.b, out, on_cuda, e).ok());
  EXPECT_EQ(e.where, backend::cuda);
  EXPECT_STREQ(e.kernel, "contiguous");
  EXPECT_STREQ(e.reason, "host memory runs on CUDA through staging memory");

  const auto refused = [&](const const_view& a, const const_view& b, const view& to) {
    const status s = activate_gated(gate::swiglu, a, b, to, on_cuda);
    EXPECT_EQ(s.code, status_code::unsupported);
    EXPECT_NE(std::string(s.message).find("dense"), std::string::npos) << s.message;
    e.reason[0] = '?';
    EXPECT_EQ(explain_gated(gate::swiglu, a, b, to, on_cuda, e).code, status_code::unsupported);
    EXPECT_EQ(e.reason[0], '?');  // as it was
  };
  const std::int64_t shape[] = {rows, columns}, gaps[] = {2 * columns, 1}, turned[] = {1, rows};
  refused(in.a, in.b, view(y.data(), dtype::f32, shape, gaps));
  refused(in.a, in.b, view(y.data(), dtype::f32, shape, turned));
  refused(in.a, in.a, out);  // the other half is nobody's
  view other = out;
  other.data = y.data() + rows * columns;
  refused(in.a, other, out);
  const std::int64_t long_shape[] = {2, wide / 2}, long_strides[] = {wide, 1};
  const const_view long_a(longer.data(), dtype::f32, long_shape, long_strides),
      long_b(longer.data() + wide / 2, dtype::f32, long_shape, long_strides);
  const status too_long =
      activate_gated(gate::swiglu, long_a, long_b, view(y.data(), dtype::f32, {2, wide / 2}), on_cuda);
  EXPECT_EQ(too_long.code, status_code::unsupported);
  EXPECT_NE(std::string(too_long.message).find("warm_up with more"), std::string::npos) << too_long.message;
  EXPECT_EQ(
      gated_gradient(gate::swiglu, out, in.a, in.b, other, view(longer.data(), dtype::f32, {rows, columns}), on_cuda)
          .code,
      status_code::unsupported);
  EXPECT_EQ(y, std::vector<float>(y.size(), 7));
}

TEST_F(host_tensors, softmax_in_whole_rows) {
  ASSERT_TRUE(warm_up(small).ok());
  const std::int64_t rows = 301, columns = 200;
  const std::vector<float> x = ramp(rows * columns);
  std::vector<float> y(x.size()), whole(x.size());
  const const_view in(x.data(), dtype::f32, {rows, columns});
  ASSERT_TRUE(softmax(in, view(y.data(), dtype::f32, {rows, columns}), -1, on_cuda).ok());
  view managed_in(const_cast<float*>(x.data()), dtype::f32, {rows, columns}),
      managed_out(whole.data(), dtype::f32, {rows, columns});
  managed_in.where = managed_out.where = memory::managed;
  ASSERT_TRUE(softmax(managed_in, managed_out, -1, on_cuda).ok());
  EXPECT_EQ(differences(y, whole), 0);

  std::vector<float> z(x.size(), 7);
  const status along = softmax(in, view(z.data(), dtype::f32, {rows, columns}), 0, on_cuda);
  EXPECT_EQ(along.code, status_code::unsupported);
  const std::int64_t n = rows * columns;  // one row that does not fit
  const status longer = softmax(const_view(x.data(), n), view(z.data(), n), 0, on_cuda);
  EXPECT_EQ(longer.code, status_code::unsupported);
  EXPECT_NE(std::string(longer.message).find("warm_up with more"), std::string::npos) << longer.message;
  softmax_form form;
  form.scale = 2;
  EXPECT_EQ(softmax_fused(in, view(z.data(), dtype::f32, {rows, columns}), -1, form, on_cuda).code,
            status_code::unsupported);
  view gaps(z.data(), 100);
  gaps.strides[0] = 2;
  EXPECT_EQ(activate(activation::relu, const_view(x.data(), 100), gaps, on_cuda).code, status_code::unsupported);
  EXPECT_EQ(z, std::vector<float>(x.size(), 7));
}

// The faults that the order of a slot's steps guards against: each wait, left out alone, must make wrong numbers.
TEST_F(host_tensors, a_wait_that_is_left_out_shows) {
  ASSERT_TRUE(warm_up(small).ok());
  const std::vector<float> x = ramp(long_enough);
  std::vector<float> expected(x.size());
  const const_view in(x.data(), long_enough);
  ASSERT_TRUE(activate(activation::silu, in, view(expected.data(), long_enough)).ok());
  std::vector<float> y(x.size());
  runtime.waits = 0;
  ASSERT_TRUE(activate(activation::silu, in, view(y.data(), long_enough), on_cuda).ok());
  const int waits = runtime.waits;
  EXPECT_GT(waits, 2 * staging_slots);
  for (int left_out = 0; left_out < waits; ++left_out) {
    std::fill(y.begin(), y.end(), 0.0f);
    runtime.waits = 0;
    runtime.forgotten_wait = left_out;
    static_cast<void>(activate(activation::silu, in, view(y.data(), long_enough), on_cuda));
    EXPECT_GT(differences(y, expected), 0) << left_out << " of " << waits;
    runtime.forgotten_wait = -1;  // what is left over runs with the next call
    ASSERT_TRUE(activate(activation::silu, in, view(y.data(), long_enough), on_cuda).ok());
  }
}

TEST_F(host_tensors, a_wait_of_a_gate_that_is_left_out_shows) {
  ASSERT_TRUE(warm_up(small).ok());
  for (const inputs how : every_layout) {
    const auto wrong = [&] { return wrong_gates<float>(gate::swiglu, how, dtype::f32, 301, 200, 1); };
    runtime.waits = 0;
    ASSERT_EQ(wrong(), 0);
    const int waits = runtime.waits;
    EXPECT_GT(waits, 2 * staging_slots);
    for (int left_out = 0; left_out < waits; ++left_out) {
      runtime.waits = 0;
      runtime.forgotten_wait = left_out;
      EXPECT_GT(wrong(), 0) << left_out << " of " << waits << ", layout " << static_cast<int>(how);
      runtime.forgotten_wait = -1;
      static_cast<void>(wrong());  // in which what is left over runs, over its inputs
      ASSERT_EQ(wrong(), 0);
    }
  }
}

TEST_F(host_tensors, every_fault_of_the_runtime_is_told_and_leaves_no_work_behind) {
  ASSERT_TRUE(warm_up(small).ok());
  const std::vector<float> x = ramp(60000);
  std::vector<float> y(x.size()), expected(x.size());
  const const_view in(x.data(), 60000), rows(x.data(), dtype::f32, {200, 300}), a(x.data(), dtype::f32, {100, 300}),
      b(x.data() + 30000, dtype::f32, {100, 300});
  const std::function<status(float*, const options&)> calls[] = {
      [&](float* to, const options& how) { return activate(activation::silu, in, view(to, 60000), how); },
      [&](float* to, const options& how) {
        return activation_gradient(activation::silu, in, in, view(to, 60000), how);
      },
      [&](float* to, const options& how) {
        return activate_gated(gate::swiglu, a, b, view(to, dtype::f32, {100, 300}), how);
      },
      [&](float* to, const options& how) {
        return softmax(rows, view(to, dtype::f32, {200, 300}), -1, how);
      },
  };
  for (const auto& call : calls) {
    ASSERT_TRUE(call(expected.data(), {}).ok());
    y = expected;
    int faults = 0;
    for (int at = 0;; ++at, ++faults) {
      runtime.calls = 0;
      runtime.fails_at = at;
      const status s = call(y.data(), on_cuda);
      runtime.fails_at = -1;
      if (s.ok()) break;
      EXPECT_EQ(s.code, status_code::backend_error);
      EXPECT_NE(std::string(s.message).find("refused by the test"), std::string::npos) << s.message;
      EXPECT_TRUE(idle()) << at;
      std::fill_n(y.begin(), 30000, -7.0f);  // what all of them write
      ASSERT_TRUE(call(y.data(), on_cuda).ok());
      EXPECT_EQ(differences(y, expected), 0) << at;
    }
    EXPECT_GT(faults, 4 * staging_slots);  // copy, launch, copy and wait of each chunk
  }
}

TEST_F(host_tensors, warm_up_that_fails_leaves_nothing) {
  for (int at = 0; at < 5; ++at) {  // pinned memory, device memory, three streams
    runtime.calls = 0;
    runtime.fails_at = at;
    const status s = warm_up();
    EXPECT_EQ(s.code, status_code::backend_error) << at;
    EXPECT_NE(std::string(s.message).find("refused by the test"), std::string::npos) << s.message;
    EXPECT_EQ(runtime.alive, 0);
  }
  runtime.calls = 0;
  runtime.fails_at = 5;
  EXPECT_TRUE(warm_up().ok());
}

TEST_F(host_tensors, warm_up_is_done_once_and_takes_the_callers_memory) {
  alignas(8) static std::byte mine[3 * 70000 + 13];
  EXPECT_EQ(warm_up({.pinned = mine, .bytes = 1000}).code, status_code::invalid_argument);
  EXPECT_EQ(warm_up({.pinned = nullptr, .bytes = -1}).code, status_code::invalid_argument);
  EXPECT_EQ(runtime.alive, 0);
  ASSERT_TRUE(warm_up({.pinned = mine + 8, .bytes = sizeof mine - 8}).ok());
  EXPECT_EQ(runtime.alive, 1 + staging_slots);  // no pinned memory of its own
  const int made = runtime.allocations;
  EXPECT_TRUE(warm_up().ok());
  EXPECT_TRUE(warm_up({.pinned = mine + 8, .bytes = sizeof mine - 8}).ok());
  EXPECT_EQ(warm_up({.pinned = mine, .bytes = sizeof mine}).code, status_code::invalid_argument);
  EXPECT_EQ(runtime.allocations, made);
  const std::vector<float> x = ramp(long_enough);
  std::vector<float> y(x.size());
  ASSERT_TRUE(activate(activation::relu, const_view(x.data(), long_enough), view(y.data(), long_enough), on_cuda).ok());
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], x[i] > 0 ? x[i] : 0);

  runtime.ordinal = 1;  // another device has none
  EXPECT_EQ(activate(activation::relu, const_view(x.data(), 9), view(y.data(), 9), on_cuda).code,
            status_code::unavailable);
  runtime.ordinal = 32;
  EXPECT_EQ(warm_up().code, status_code::unsupported);
  runtime.ordinal = 0;
}

TEST_F(host_tensors, automatic_goes_by_the_figures) {
  const std::int64_t n = 100000;
  const std::vector<float> x = ramp(n), per_element(all_activations().size(), 5.0f);
  std::vector<float> y(x.size());
  const const_view in(x.data(), n);
  const view out(y.data(), n);
  const auto chosen = [&](const options& how = {}) {
    explanation e;
    const status s = explain(activation::gelu, in, out, how, e);
    EXPECT_TRUE(s.ok()) << s.message;
    return e;
  };
  EXPECT_EQ(chosen().where, backend::cpu);
  EXPECT_EQ(chosen().cuda_ns, 0);
  calibration fast{per_element, 10e9, 20e9, 25e9, 25e9, 3e12, 10000};
  ASSERT_TRUE(set_calibration(fast).ok());
  EXPECT_NE(std::string(chosen().reason).find("warm_up was not called"), std::string::npos) << chosen().reason;
  ASSERT_TRUE(warm_up().ok());
  const explanation e = chosen();
  EXPECT_EQ(e.where, backend::cuda);
  EXPECT_EQ(e.cpu_ns, 500000);
  EXPECT_GT(e.cuda_ns, 0);
  EXPECT_LT(e.cuda_ns, e.cpu_ns);
  EXPECT_STREQ(e.reason, "host memory runs on CUDA through staging memory: CUDA is estimated to be faster");
  const int before = runtime.calls;
  ASSERT_TRUE(activate(activation::gelu, in, out).ok());
  EXPECT_GT(runtime.calls, before);
  EXPECT_EQ(chosen({.isa = usable_isas().front().name}).where, backend::cpu);
  EXPECT_EQ(chosen({.accuracy = accuracy::fast}).where, backend::cpu);  // of the fast form nothing was measured

  fast.launch_ns = 1e6;
  ASSERT_TRUE(set_calibration(fast).ok());
  EXPECT_NE(std::string(chosen().reason).find("no faster"), std::string::npos) << chosen().reason;
  fast.launch_ns = 0;
  ASSERT_TRUE(set_calibration(fast).ok());
  EXPECT_NE(std::string(chosen().reason).find("not measured"), std::string::npos) << chosen().reason;
  ASSERT_TRUE(set_calibration({}).ok());
  EXPECT_EQ(chosen().where, backend::cpu);
}

}  // namespace
}  // namespace sigmax_test
