// Gates on CUDA against the CPU, bit for bit: every gate, form, dtype, layout, size, alignment. On a GPU (label gpu)
// and, with the kernels in the SIMT emulator, without one.
#include "cuda_comparison.hpp"
#include "cuda_tensor.hpp"
#include "gate_harness.hpp"
#include "golden_list.hpp"

namespace sigmax_test {
namespace {

#if defined(SIGMAX_EMULATED_CUDA)
constexpr std::uint64_t f32_stride = 262147;
#else
constexpr std::uint64_t f32_stride = 4099;
#endif

/// A tensor full of numbers of all kinds.
struct filled : tensor {
  filled(dtype t, std::vector<std::int64_t> extents, std::vector<std::int64_t> steps = {}, std::int64_t lead = 0,
         bool at_end = false)
      : tensor(t, std::move(extents), std::move(steps), static_cast<std::size_t>(lead) * bytes_of(t), at_end) {
    static unsigned seed = 0;
    image = numbers(t, static_cast<std::int64_t>(image.size() / bytes_of(t)), ++seed % 64);
  }
};

/// A view of a tensor, in host memory and there.
struct place {
  tensor* of;
  std::int64_t first = 0;  ///< the element that is element 0
  std::vector<std::int64_t> shape, strides;

  place(tensor& t) : of(&t), shape(t.shape), strides(t.strides) {}
  place(tensor& t, const const_view& v)
      : of(&t),
        first((static_cast<const std::byte*>(v.data) - t.image.data()) / static_cast<std::ptrdiff_t>(bytes_of(t.type))),
        shape(v.shape, v.shape + v.rank),
        strides(v.strides, v.strides + v.rank) {}
  view on(bool there) const {
    std::byte* const base = there ? of->memory.data() : of->image.data();
    view v(base + first * static_cast<std::int64_t>(bytes_of(of->type)), of->type, shape, strides);
    if (there) v.where = memory::cuda;
    return v;
  }
};
struct halves {
  place a, b;
};
halves parts(tensor& packed, gate_layout layout, const view& all) {
  const auto v = split(const_view(all), layout);
  return {place(packed, v.a), place(packed, v.b)};
}
halves parts(tensor& packed, gate_layout layout) { return parts(packed, layout, packed.host()); }

/// `dy` and `db` are of the gradient alone, whose da is `y`.
struct gate_call_of_test {
  gate op;
  form f;
  place a, b, y, dy, db;
  int slice = 0, slices = 1;

  status run(bool there) const {
    options how;
    for (const isa_info& row : usable_isas())
      if (row.fma && how.isa == nullptr) how.isa = row.name;
    how.slice = slice, how.slices = slices;
    const bool one_tier = y.of->type != dtype::f32;  // on CUDA: that of the accurate forms
    if (f == form::fast && (there || !one_tier)) how.accuracy = accuracy::fast;
    return f == form::derivative
               ? gated_gradient(op, dy.on(there), a.on(there), b.on(there), y.on(there), db.on(there), how)
               : activate_gated(op, a.on(there), b.on(there), y.on(there), how);
  }
};

/// Every byte of the outputs' tensors is the same after a call here and one there.
void compare(const gate_call_of_test& call, const std::string& what) {
  for (const place* p : {&call.a, &call.b, &call.y, &call.dy, &call.db}) p->of->memory.upload(p->of->image.data());
  use(devices[0]);
  status s = call.run(true);
  ASSERT_TRUE(s.ok()) << s.message;
  s = call.run(false);
  ASSERT_TRUE(s.ok()) << s.message;
  for (const place* p : {&call.y, &call.db}) {
    std::vector<std::byte> got(p->of->image.size());
    p->of->memory.download(got.data());
    expect_equal(p->of->type, p->of->image, got,
                 std::string(describe(call.op).name) + " form " + std::to_string(static_cast<int>(call.f)) + " dtype " +
                     std::to_string(static_cast<int>(p->of->type)) + ", " + what);
  }
}

using cuda_gate = each_gate;

TEST_P(cuda_gate, has_the_bits_of_the_cpu) {
  for (dtype t : types) {
    const pairs inputs = sample_pairs(GetParam(), t == dtype::f32 ? f32_stride : f32_stride * 4);
    const auto n = t == dtype::f32 ? std::ssize(inputs.a) : 65536;
    filled a(t, {n}), b(t, {n}), dy(t, {n}), y(t, {n}), db(t, {n});
    if (t == dtype::f32) a.set(inputs.a), b.set(inputs.b);
    for (form f : forms) {
      if (t != dtype::f32)  // all values of the activation's argument
        for (std::uint32_t u = 0; u < 65536; ++u)
          std::memcpy((sigmax_reference::acts_on_b(GetParam()) ? b : a).image.data() + 2 * u, &u, 2);
      compare({GetParam(), f, a, b, y, dy, db}, "many inputs");
      if (HasFatalFailure()) return;
    }
  }
}

// The hashes of tests/golden.cpp: a GPU that has them agrees with every machine that does.
TEST_P(cuda_gate, pairs_have_the_hashes_of_the_list) {
  static const auto list = sigmax_golden::read_list(SIGMAX_GOLDEN);
  constexpr std::int64_t n = sigmax_golden::gate_pairs;
  const gate op = GetParam();
  pairs inputs;
  for (std::uint64_t i = 0; i < sigmax_golden::gate_pairs; ++i) {
    inputs.a.push_back(sigmax_golden::gate_input(2 * i));
    inputs.b.push_back(sigmax_golden::gate_input(2 * i + 1));
  }
  use(devices[0]);
  for (dtype t : types) {
    tensor a(t, {n}), b(t, {n}), dy(t, {n}), y(t, {n}), db(t, {n});
    a.set(inputs.a), b.set(inputs.b), dy.set(std::vector<float>(static_cast<std::size_t>(n), 1.0f));
    const auto expect_hash = [&](tensor& result, const std::string& what) {
      result.download();
      std::uint64_t hash = 0;
      std::uint32_t index = 0;
      for (const float v : result.values()) hash += sigmax_golden::term(index++, v);
      EXPECT_EQ(hash, list.at(std::string(describe(op).name) + " " + what + " 1")) << what;
    };
    ASSERT_TRUE((gate_call_of_test{op, form::high, a, b, y, dy, db}.run(true).ok()));
    expect_hash(y, t == dtype::f32 ? "value" : t == dtype::f16 ? "f16" : "bf16");
    if (t != dtype::f32) continue;  // the list has no other form of theirs
    if (describe(op).bound_fast) {
      ASSERT_TRUE((gate_call_of_test{op, form::fast, a, b, y, dy, db}.run(true).ok()));
      expect_hash(y, "fast");
    }
    ASSERT_TRUE((gate_call_of_test{op, form::derivative, a, b, y, dy, db}.run(true).ok()));
    expect_hash(y, "derivative_a");
    expect_hash(db, "derivative_b");
  }
}

constexpr gate_layout layouts[] = {gate_layout::halves, gate_layout::swapped_halves, gate_layout::interleaved};

TEST_P(cuda_gate, layouts) {
  std::int64_t turn = 0;
  for (dtype t : types)
    for (gate_layout layout : layouts)
      for (form f : forms)
        for (std::int64_t n : {1, 8, 31, 32, 40, 129, 1024}) {
          ++turn;
          const std::int64_t m = n > 500 ? 3 : 7, gap = turn % 4, lead = turn * 5 % 8;
          filled packed(t, {m, 2 * n}, {2 * n + gap, 1}, lead), up(t, {m, n}, {n + turn % 3, 1}, turn % 2),
              y(t, {m, n}, {n + turn % 2, 1}, turn * 3 % 8), dx(t, {m, 2 * n}, {2 * n + gap, 1}, lead);
          const halves x = parts(packed, layout), d = parts(dx, layout);
          const std::string what = "layout " + std::to_string(static_cast<int>(layout)) + " of " + std::to_string(m) +
                                   " x " + std::to_string(n) + ", turn " + std::to_string(turn);
          if (f == form::derivative) {
            compare({GetParam(), f, x.a, x.b, d.a, up, d.b}, what);
            compare({GetParam(), f, x.a, x.b, x.a, up, x.b}, what + ", in place");
            compare({GetParam(), f, x.a, x.b, x.b, up, x.a}, what + ", in place, crosswise");
          } else {
            compare({GetParam(), f, x.a, x.b, y, y, y}, what);
            compare({GetParam(), f, x.a, x.b, x.b, y, x.b}, what + ", in place");
          }
          if (HasFatalFailure()) return;
        }
}

TEST_P(cuda_gate, mixed_dtypes_and_any_strides) {
  for (form f : forms)
    for (dtype from : types)
      for (dtype to : types) {
        const dtype other = from == dtype::bf16 ? dtype::f16 : dtype::bf16;
        filled a(from, {13, 17}, {1, 13}), b(other, {13, 17}, {0, 1}), dy(to, {13, 17}), y(to, {13, 17}, {40, 2}),
            db(other, {13, 17}, {2, 40});
        compare({GetParam(), f, a, b, y, dy, db}, "mixed");
        filled c(from, {5, 40}), d(to, {5, 40}), e(other, {5, 40});
        compare({GetParam(), f, c, c, d, d, e}, "mixed rows");
        if (HasFatalFailure()) return;
      }
}

SIGMAX_FOR_EACH_GATE(cuda_gate);

// a, b, dy, y at every place of a vector; where da and db lie otherwise in theirs, too.
TEST(cuda_gate_layout, every_alignment) {
  for (dtype t : types)
    for (form f : {form::high, form::derivative}) {
      const auto places = static_cast<std::int64_t>(16 / bytes_of(t));
      for (std::int64_t i = 0; i < places; ++i)
        for (std::int64_t j = 0; j < places; ++j)
          for (std::int64_t k = 0; k < places; ++k)
            for (std::int64_t n : {3, 40, 601}) {
              if (f == form::high && n == 3 && k > 2) continue;
              filled a(t, {n}, {}, i), b(t, {n}, {}, j), y(t, {n}, {}, k), db(t, {n}, {}, n == 40 ? j : k);
              compare(
                  {n == 40 ? gate::swiglu_oai : gate::reglu, f, a, b, y, b, db},
                  std::to_string(n) + " at " + std::to_string(i) + ' ' + std::to_string(j) + ' ' + std::to_string(k));
              if (HasFatalFailure()) return;
            }
    }
}

// Rows of every length about that of vectors, packed, at every pitch: each row lies otherwise in its vectors.
TEST(cuda_gate_layout, every_pitch) {
  for (dtype t : types)
    for (std::int64_t n : {16, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 48, 57})
      for (std::int64_t gap = 0; gap < 9; ++gap) {
        filled packed(t, {9, 2 * n}, {2 * n + gap, 1}, gap * 3 % 8), y(t, {9, n}, {n + gap, 1}, gap % 4),
            dy(t, {9, n}, {n + 8 - gap, 1}), dx(t, {9, 2 * n}, {2 * n + gap, 1}, gap);
        const halves x = parts(packed, layouts[gap % 2]), d = parts(dx, layouts[gap % 2]);
        const std::string what = std::to_string(n) + " columns, gap " + std::to_string(gap);
        compare({gate::reglu, form::high, x.a, x.b, y, y, y}, what);
        compare({gate::reglu, form::derivative, x.a, x.b, d.a, dy, d.b}, what);
        if (HasFatalFailure()) return;
      }
}

// In the emulator the end of each tensor is the end of what may be touched, and so is its beginning.
TEST(cuda_gate_layout, every_short_length_between_fences) {
  for (dtype t : types)
    for (std::int64_t n = 1; n <= 70; ++n)
      for (std::int64_t rows : {1, 2})
        for (const bool at_end : {false, true}) {
          filled packed(t, {rows, 2 * n}, {}, 0, at_end), y(t, {rows, n}, {}, at_end ? 0 : n % 3, at_end),
              dy(t, {rows, n}, {}, 0, !at_end), dx(t, {rows, 2 * n}, {}, 0, at_end);
          for (gate_layout layout : layouts) {
            const halves x = parts(packed, layout), d = parts(dx, layout);
            const std::string what = std::to_string(rows) + " rows of " + std::to_string(n);
            compare({gate::reglu, form::high, x.a, x.b, y, y, y}, what);
            compare({gate::fatrelu_and_mul, form::derivative, x.a, x.b, d.a, dy, d.b}, what);
          }
          if (HasFatalFailure()) return;
        }
}

TEST(cuda_gate_layout, any_strides) {
  const gate op = gate::swiglu;
  for (dtype t : types) {
    filled x(t, {6, 100}), y(t, {6, 50}), dx(t, {6, 100});
    const auto reversed = [](tensor& of, std::int64_t columns) {  // rows from the last to the first
      place p(of);
      p.first = 5 * of.strides[0];
      p.strides[0] = -of.strides[0];
      p.shape[1] = columns;
      return p;
    };
    const place a = reversed(x, 50);
    place b = a, one_row = a;
    b.first += 50;
    one_row.strides[0] = 0;
    compare({op, form::high, a, b, y, y, y}, "rows backwards");
    compare({op, form::high, one_row, b, reversed(y, 50), y, y}, "one row for all");
    place da = reversed(dx, 50), db = da;
    db.first += 50;
    compare({op, form::derivative, a, one_row, da, y, db}, "rows backwards");
    filled deep(t, {3, 1, 4, 5, 64}, {2560, 0, 5 * 128, 128, 1}, 1), flat(t, {3, 1, 4, 5, 32});
    const view all = deep.host();
    const halves h = parts(deep, gate_layout::halves, all);
    compare({op, form::high, h.a, h.b, flat, flat, flat}, "five dimensions");
    filled scalar(t, {}), result(t, {});
    compare({op, form::high, scalar, scalar, result, result, result}, "no dimension");
  }
}

TEST(cuda_gate_layout, slices_make_the_whole) {
  for (gate_layout layout : layouts)
    for (std::int64_t rows : {1, 5})
      for (int slices = 1; slices < 5; ++slices) {
        filled packed(dtype::bf16, {rows, 400}), y(dtype::bf16, {rows, 200}, {}, 3),
            dx(dtype::bf16, {rows, 400}, {}, 1), up(dtype::bf16, {rows, 200});
        tensor* const written[] = {&y, &dx};
        const halves x = parts(packed, layout), d = parts(dx, layout);
        gate_call_of_test calls[] = {{gate::geglu, form::high, x.a, x.b, y, y, y},
                                     {gate::geglu, form::derivative, x.a, x.b, d.a, up, d.b}};
        for (int k = 0; k < 2; ++k) {
          for (tensor* t : {static_cast<tensor*>(&packed), static_cast<tensor*>(&up), written[k]})
            t->memory.upload(t->image.data());
          ASSERT_TRUE(calls[k].run(false).ok());
          calls[k].slices = slices;
          for (calls[k].slice = slices - 1; calls[k].slice >= 0; --calls[k].slice) ASSERT_TRUE(calls[k].run(true).ok());
          std::vector<std::byte> got(written[k]->image.size());
          written[k]->memory.download(got.data());
          expect_equal(dtype::bf16, written[k]->image, got, std::to_string(slices) + " slices");
        }
      }
}

TEST(cuda_gate_dispatch, explain_tells_what_runs) {
  filled packed(dtype::bf16, {4, 512}), y(dtype::bf16, {4, 256}), wide(dtype::f32, {4, 256});
  const auto kernel = [&](gate_layout layout, tensor& to) {
    const halves x = parts(packed, layout);
    explanation e;
    options how;
    how.accuracy = accuracy::fast;
    EXPECT_TRUE(explain_gated(gate::swiglu, x.a.on(true), x.b.on(true), to.there(), how, e).ok());
    EXPECT_EQ(e.where, backend::cuda);
    EXPECT_EQ(e.accuracy, to.type == dtype::f32 ? accuracy::fast : accuracy::high);
    EXPECT_EQ(e.tasks, 1);
    return std::string(e.kernel);
  };
  EXPECT_EQ(kernel(gate_layout::halves, y), "contiguous");
  EXPECT_EQ(kernel(gate_layout::swapped_halves, y), "contiguous");
  EXPECT_EQ(kernel(gate_layout::interleaved, y), "strided");
  EXPECT_EQ(kernel(gate_layout::halves, wide), "strided");
}

TEST(cuda_gate_dispatch, what_is_wrong_is_found_before_a_launch) {
  filled x(dtype::f32, {64}), y(dtype::f32, {64});
  const view a = x.there(), out = y.there();
  EXPECT_EQ(activate_gated(gate::glu, x.host(), a, out).code, status_code::invalid_argument);
  EXPECT_EQ(gated_gradient(gate::glu, a, a, a, out, out).code, status_code::overlap);
  EXPECT_EQ(activate_gated(static_cast<gate>(99), a, a, out).code, status_code::invalid_argument);
  view empty = a;
  empty.shape[0] = 0;
  EXPECT_TRUE(activate_gated(gate::glu, empty, empty, empty).ok());
  options how;
  how.where = backend::cpu;
  EXPECT_EQ(activate_gated(gate::glu, a, a, out, how).code, status_code::unsupported);
}

#if defined(SIGMAX_EMULATED_CUDA)

TEST(cuda_gate_layout, blocks_take_several_tiles) {
  device.most_blocks = 2;
  for (dtype t : types) {
    filled packed(t, {20, 2000}, {2003, 1}), y(t, {20, 1000}), dx(t, {20, 2000});
    const halves x = parts(packed, gate_layout::halves), d = parts(dx, gate_layout::halves),
                 woven = parts(dx, gate_layout::interleaved);
    compare({gate::reglu, form::high, x.a, x.b, y, y, y}, "two blocks");
    compare({gate::reglu, form::derivative, x.a, x.b, d.a, y, d.b}, "two blocks");
    compare({gate::reglu, form::derivative, x.a, x.b, woven.a, y, woven.b}, "two blocks, strided");
  }
  device.most_blocks = 0x7fffffff;
}

#endif

}  // namespace
}  // namespace sigmax_test
