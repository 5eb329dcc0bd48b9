// The bits of every function as one number each, compared with a committed list: two machines, or a CPU and a GPU, that
// both agree with the list agree with each other on every input. Needs no GoogleTest, so that it runs under an
// emulator.
//   sigmax_golden LIST [--isa NAME] [--stride N]...   compares every row with FMA, or one; 97 if no stride is given
//   sigmax_golden --write                             prints a new list: all inputs, every 97th, every 65521st
#include "golden.hpp"
#include "golden_list.hpp"

#include <sigmax/sigmax.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace sigmax;
using sigmax_golden::hashes;
using sigmax_golden::term;

constexpr std::uint64_t all_inputs = std::uint64_t{1} << 32;
constexpr std::int64_t length = 16384;

void require(const status& s) {
  if (s.ok()) return;
  std::printf("%s\n", s.message);
  std::exit(2);
}

/// f(x, y) computes `length` results; the sum of terms over every stride-th bit pattern.
template <class F>
std::uint64_t over_f32(std::uint64_t stride, F f) {
  const std::uint64_t inputs = (all_inputs + stride - 1) / stride, chunks = (inputs + length - 1) / length;
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::uint64_t> sums(threads);
  std::vector<std::jthread> pool;
  for (unsigned t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      std::vector<float> x(length), y(length);
      for (std::uint64_t chunk = t; chunk < chunks; chunk += threads) {
        const std::uint64_t begin = chunk * length, n = std::min<std::uint64_t>(length, inputs - begin);
        const auto bits = [&](std::uint64_t i) { return static_cast<std::uint32_t>((begin + i) * stride); };
        for (std::uint64_t i = 0; i < n; ++i) x[i] = std::bit_cast<float>(bits(i));
        f(x.data(), y.data());
        for (std::uint64_t i = 0; i < n; ++i) sums[t] += term(bits(i), y[i]);
      }
    });
  }
  pool.clear();  // joins
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}

/// All inputs of a 16-bit type; the result's bits count as they are, NaN as one.
template <class T>
std::uint64_t over_16_bit(activation op, int exponent_mask, const options& how) {
  std::vector<T> x(65536), y(65536);
  for (std::size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<std::uint16_t>(i);
  require(activate(op, const_view(x.data(), std::ssize(x)), view(y.data(), std::ssize(y)), how));
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const bool nan = (y[i].bits & 0x7fff) > exponent_mask;
    sum += term(i, nan ? NAN : static_cast<float>(y[i].bits));
  }
  return sum;
}

/// Rows of all short lengths and some long ones, of numbers that every machine makes alike.
template <class F>
std::uint64_t over_rows(F f) {
  std::vector<std::int64_t> lengths{1000, 4096, 70001};
  for (std::int64_t n = 1; n <= 300; ++n) lengths.push_back(n);
  std::uint64_t sum = 0;
  std::uint32_t index = 0;
  for (const std::int64_t n : lengths) {
    std::vector<float> x(static_cast<std::size_t>(n)), y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(sigmax_golden::mix(index + i) >> 40) * 0x1p-20f - 8;  // [-8, 8) in steps of 2^-20
    require(f(const_view(x.data(), n), view(y.data(), n)));
    for (const float v : y) sum += term(index++, v);
  }
  return sum;
}

/// The pairs for gates.
template <class F>
std::uint64_t over_pairs(F f) {
  std::vector<float> a(length), b(length), y(length);
  std::uint64_t sum = 0;
  for (std::uint32_t first = 0; first < sigmax_golden::gate_pairs; first += static_cast<std::uint32_t>(length)) {
    for (std::uint32_t i = 0; i < a.size(); ++i) {
      a[i] = sigmax_golden::gate_input(2 * (first + i));
      b[i] = sigmax_golden::gate_input(2 * (first + i) + 1);
    }
    f(const_view(a.data(), length), const_view(b.data(), length), y.data());
    for (std::uint32_t i = 0; i < y.size(); ++i) sum += term(first + i, y[i]);
  }
  return sum;
}

void compute_gates(const options& how, const options& fast, const const_view& dy, hashes& found) {
  std::vector<float> other(length);
  const view unused(other.data(), length);
  // A 16-bit result, read as f32; the same conversion of it on every machine.
  const auto narrow = [&](gate op, dtype type) {
    std::vector<std::uint16_t> a(length), b(length), y(length);
    const auto in = [&](std::vector<std::uint16_t>& v) { return view(v.data(), type, {length}); };
    return over_pairs([&](const const_view& p, const const_view& q, float* result) {
      require(activate(activation::linear, p, in(a), how));
      require(activate(activation::linear, q, in(b), how));
      require(activate_gated(op, in(a), in(b), in(y), how));
      require(activate(activation::linear, in(y), view(result, length), how));
    });
  };
  for (const gate op : all_gates()) {
    const std::string name(describe(op).name);
    const auto add = [&](const char* form, auto call) {
      found[name + " " + form + " 1"] =
          over_pairs([&](const const_view& a, const const_view& b, float* y) { require(call(a, b, view(y, length))); });
    };
    add("value", [&](auto a, auto b, auto y) { return activate_gated(op, a, b, y, how); });
    if (describe(op).bound_fast) add("fast", [&](auto a, auto b, auto y) { return activate_gated(op, a, b, y, fast); });
    add("derivative_a", [&](auto a, auto b, auto y) { return gated_gradient(op, dy, a, b, y, unused, how); });
    add("derivative_b", [&](auto a, auto b, auto y) { return gated_gradient(op, dy, a, b, unused, y, how); });
    found[name + " f16 1"] = narrow(op, dtype::f16);
    found[name + " bf16 1"] = narrow(op, dtype::bf16);
  }
}

/// 8-bit results with a scale for each row. The codes count as numbers, the first gives way to the scale.
void compute_codes(const options& how, hashes& found) {
  const std::pair<const char*, dtype> types[] = {
      {"f8_e4m3", dtype::f8_e4m3}, {"f8_e5m2", dtype::f8_e5m2}, {"i8", dtype::i8}};
  for (const auto& [name, type] : types) {
    const auto row = [&, t = type](float* y, std::int64_t n, auto call) {
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(n));
      float scale = 0;
      require(call(view(codes.data(), t, {n}), quantisation{.row_scales = view(&scale, 1)}));
      std::copy(codes.begin(), codes.end(), y);
      y[0] = scale;
    };
    found[std::string("swiglu ") + name + " 1"] = over_pairs([&](const const_view& a, const const_view& b, float* y) {
      row(y, length, [&](const view& out, const quantisation& q) {
        return activate_gated_quantised(gate::swiglu, a, b, out, 0, q, how);
      });
    });
    found[std::string("softmax ") + name + " 1"] = over_rows([&](const const_view& x, const view& y) {
      row(static_cast<float*>(y.data), y.shape[0],
          [&](const view& out, const quantisation& q) { return softmax_quantised(x, out, 0, {}, q, how); });
      return status{};
    });
  }
}

hashes compute(const char* isa, const std::vector<std::uint64_t>& strides) {
  options how;
  how.where = backend::cpu;
  how.isa = isa;
  const std::vector<float> one(length, 1.0f);
  const const_view dy(one.data(), length);
  options fast = how;
  fast.accuracy = accuracy::fast;
  hashes found;
  for (const activation op : all_activations()) {
    const std::string name(describe(op).name);
    for (const std::uint64_t stride : strides) {
      std::string suffix = std::to_string(stride);
      suffix.insert(suffix.begin(), ' ');
      found[name + " value" + suffix] = over_f32(stride, [&](const float* x, float* y) {
        require(activate(op, const_view(x, length), view(y, length), how));
      });
      if (describe(op).bound_fast) {
        found[name + " fast" + suffix] = over_f32(stride, [&](const float* x, float* y) {
          require(activate(op, const_view(x, length), view(y, length), fast));
        });
      }
      found[name + " derivative" + suffix] = over_f32(stride, [&](const float* x, float* y) {
        require(activation_gradient(op, dy, const_view(x, length), view(y, length), how));
      });
    }
    found[name + " f16 1"] = over_16_bit<float16>(op, 0x7c00, how);
    found[name + " bf16 1"] = over_16_bit<bfloat16>(op, 0x7f80, how);
  }
  compute_gates(how, fast, dy, found);
  compute_codes(how, found);
  found["softmax fast_rows 1"] = over_rows([&](const_view x, view y) { return softmax(x, y, -1, fast); });
  found["log_softmax fast_rows 1"] = over_rows([&](const_view x, view y) { return log_softmax(x, y, -1, fast); });
  found["softmax rows 1"] = over_rows([&](const_view x, view y) { return softmax(x, y, -1, how); });
  found["log_softmax rows 1"] = over_rows([&](const_view x, view y) { return log_softmax(x, y, -1, how); });
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::uint64_t> strides;
  const char *isa = nullptr, *path = nullptr;
  bool write = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--write") == 0)
      write = true;
    else if (std::strcmp(argv[i], "--isa") == 0 && i + 1 < argc)
      isa = argv[++i];
    else if (std::strcmp(argv[i], "--stride") == 0 && i + 1 < argc)
      strides.push_back(std::strtoull(argv[++i], nullptr, 10));
    else
      path = argv[i];
  }
  if (write) {
    for (const auto& [what, hash] : compute(isa, {1, 97, 65521}))
      std::printf("%s %016llx\n", what.c_str(), static_cast<unsigned long long>(hash));
    return 0;
  }
  if (strides.empty()) strides = {97};
  const hashes expected = path != nullptr ? sigmax_golden::read_list(path) : hashes{};
  int rows = 0, differing = 0;
  for (const isa_info& row : cpu_isas()) {
    if (!row.usable || !row.fma || (isa != nullptr && std::strcmp(isa, row.name) != 0)) continue;
    ++rows;
    const hashes found = compute(row.name, strides);
    for (const auto& [what, hash] : found) {
      const auto wanted = expected.find(what);
      if (wanted != expected.end() && wanted->second == hash) continue;
      ++differing;
      std::printf("%s: %s is %016llx, %s\n", row.name, what.c_str(), static_cast<unsigned long long>(hash),
                  wanted == expected.end() ? "not in the list" : "the list has another");
    }
    std::printf("%s: %zu hashes compared\n", row.name, found.size());
  }
  if (rows == 0) return std::puts("skipped: no usable row with FMA by that name"), 77;
  return differing == 0 ? 0 : 1;
}
