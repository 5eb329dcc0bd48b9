#include "sweep.hpp"

#include "checker.hpp"
#include "command.hpp"
#include "interrupt.hpp"
#include "kernel_call.hpp"
#include "storage.hpp"
#include "threads.hpp"

#include <golden.hpp>
#include <reference.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>

namespace sigmax_bench {
namespace {

namespace reference = sigmax_reference;

constexpr std::uint64_t all_inputs = std::uint64_t{1} << 32;
constexpr std::int64_t length = contender::length;

void count(accuracy_row& row, std::uint32_t bits, float x, float got, double exact) {
  ++row.checked;
  row.hash += sigmax_golden::term(bits, got);
  if (static_cast<double>(got) == exact) return;
  if (row.op.fast()) return row.normal.meet(reference::fast_error(got, exact, x), bits);
  const bool normal = std::fabs(exact) >= 0x1p-126;
  worst_error& worst = normal ? row.normal : row.subnormal;
  if (got == static_cast<float>(exact) && worst.error >= 0.5)
    return;  // no more than that is a correct rounding's error
  const double error = reference::ulp_error<double>(got, exact);
  if (!normal) {
    worst.meet(error, bits);
  } else if (!cancelled(row.op, x, got, exact)) {
    worst.meet(error, bits);
    row.over_one += error > 1;
  }
}

void merge(accuracy_row& into, const accuracy_row& part) {
  into.checked += part.checked;
  into.over_one += part.over_one;
  into.hash += part.hash;
  into.normal.meet(part.normal.error, part.normal.bits);
  into.subnormal.meet(part.subnormal.error, part.subnormal.bits);
}

// Raw storage of a 16-bit dtype: the sweep over it needs no arithmetic on the type.
template <class T, class Format>
void sweep_all(accuracy_row& row, const std::string& isa) {
  constexpr std::size_t size = 65536;
  std::vector<T> x(size), y(size);
  for (std::size_t i = 0; i < size; ++i) x[i].bits = static_cast<std::uint16_t>(i);
  sigmax::options how{.where = sigmax::backend::cpu};
  how.isa = isa.c_str();
  const sigmax::status s =
      sigmax::activate(row.op.function, sigmax::const_view(x.data(), size), sigmax::view(y.data(), size), how);
  if (!s) throw usage_error(s.message);
  for (std::size_t i = 0; i < size; ++i) {
    const auto bits = static_cast<std::uint32_t>(i);
    const long double in = Format::decode(x[i].bits);
    const float got = load(y[i]);
    ++row.checked;
    row.hash += sigmax_golden::term(bits, got);
    const long double exact = reference::activation(row.op.function, in);
    const std::uint16_t right = Format::encode(exact);
    const bool both_nan = std::isnan(exact) && std::isnan(got);
    if (y[i].bits == right || both_nan) continue;
    ++row.misrounded;
    const double off = std::isnan(exact) || std::isnan(got) ? HUGE_VAL : std::abs(y[i].bits - right);
    row.normal.meet(off, std::bit_cast<std::uint32_t>(static_cast<float>(in)));
  }
}

}  // namespace

double exact_value(const operation& op, float x) {
  return op.kind == op_kind::gradient ? reference::derivative<double>(op.function, x)
                                      : reference::activation<double>(op.function, x);
}

bool cancelled(const operation& op, float x, float got, double exact) {
  return op.kind == op_kind::gradient && reference::derivative_crosses_zero(op.function) && x > -3 && x < 0 &&
         std::fabs(got - exact) <= 0x1p-22;
}

accuracy_row::promise accuracy_row::promised() const {
  if (library != "sigmax") return {HUGE_VAL, HUGE_VAL, all_inputs};
  if (type != sigmax::dtype::f32) return {1, 0, type == sigmax::dtype::f16 ? 7 : 0};
  const double growth = fma ? 1 : without_fma(op);
  const bool gradient = op.kind == op_kind::gradient;
  const sigmax::activation_info& about = sigmax::describe(op.function);
  if (op.fast()) return {static_cast<double>(*about.bound_fast) * growth, 0, 0};
  const double bound = gradient ? 8 : static_cast<double>(about.bound_f32);
  return {bound * growth, (gradient ? 8 : 2) * growth, 0};
}

bool accuracy_row::kept() const {
  const promise p = promised();
  return normal.error <= p.normal && subnormal.error <= p.subnormal && misrounded <= p.misrounded;
}

contender isa_row(const std::string& name) {
  contender row{"sigmax", name};
  for (const sigmax::isa_info& info : sigmax::cpu_isas())
    if (name == info.name) row.fma = info.fma;
  row.make = [name](const operation& op) {
    return [op, name, one = std::vector<float>(length, 1.0f)](const float* x, float* y) {
      sigmax::options how{.where = sigmax::backend::cpu};
      how.isa = name.c_str();
      how.accuracy = op.accuracy;
      const sigmax::const_view in(x, length);
      const sigmax::status s = op.kind == op_kind::gradient
                                   ? sigmax::activation_gradient(op.function, sigmax::const_view(one.data(), length),
                                                                 in, sigmax::view(y, length), how)
                                   : sigmax::activate(op.function, in, sigmax::view(y, length), how);
      if (!s) throw usage_error(s.message);
    };
  };
  return row;
}

std::vector<accuracy_row> sweep(const operation& op, const std::vector<contender>& contenders, std::uint64_t stride,
                                int threads, progress& shown) {
  std::vector<accuracy_row> rows;
  std::vector<const contender*> present;
  for (const contender& c : contenders) {
    const auto call = c.make(op);
    if (!call) continue;  // a peer without this op
    std::vector<float> trial(length);
    call(trial.data(), trial.data());  // what fails, fails here: an exception could not leave the threads
    present.push_back(&c);
    rows.push_back({.op = op, .library = c.library, .isa = c.isa, .fma = c.fma, .stride = stride});
  }
  const std::uint64_t inputs = (all_inputs + stride - 1) / stride, chunks = (inputs + length - 1) / length;
  std::atomic<std::uint64_t> next = 0;
  std::mutex lock;
  const auto work = [&](std::int64_t first_thread, std::int64_t) {
    std::vector<float> x(length), y(length), first_y;
    std::vector<double> exact(length);
    std::vector<std::function<void(const float*, float*)>> calls;
    calls.reserve(present.size());
    for (const contender* c : present) calls.push_back(c->make(op));
    std::vector<accuracy_row> mine(calls.size(), {.op = op});
    for (std::uint64_t chunk; (chunk = next.fetch_add(1)) < chunks && !interrupted();) {
      const std::uint64_t begin = chunk * length, end = std::min(inputs, begin + length);
      const auto bits_at = [&](std::uint64_t i) { return static_cast<std::uint32_t>((begin + i) * stride); };
      const std::size_t n = end - begin;
      for (std::size_t i = 0; i < n; ++i) {
        x[i] = std::bit_cast<float>(bits_at(i));
        exact[i] = exact_value(op, x[i]);
      }
      accuracy_row first;  // of this chunk: rows with FMA agree in every bit, so what holds for one holds for the next
      for (std::size_t c = 0; c < calls.size(); ++c) {
        calls[c](x.data(), y.data());
        if (c > 0 && std::memcmp(y.data(), first_y.data(), n * sizeof(float)) == 0) {
          merge(mine[c], first);
          continue;
        }
        accuracy_row part{.op = op};
        for (std::size_t i = 0; i < n; ++i) count(part, bits_at(i), x[i], y[i], exact[i]);
        merge(mine[c], part);
        if (c == 0) first = part, first_y = y;
      }
      if (first_thread == 0) shown.working_on(fmt::format("{:.0f} %", 100.0 * double(chunk) / double(chunks)));
    }
    const std::lock_guard guard(lock);
    for (std::size_t c = 0; c < rows.size(); ++c) merge(rows[c], mine[c]);
  };
  for_slices(threads, threads, 1, work);
  if (interrupted()) rows.clear();
  return rows;
}

accuracy_row sweep_16_bit(const operation& op, sigmax::dtype type, const contender& row) {
  accuracy_row result{.op = op, .type = type, .library = row.library, .isa = row.isa, .fma = row.fma};
  if (type == sigmax::dtype::f16) {
    sweep_all<sigmax::float16, reference::float16_format>(result, row.isa);
  } else {
    sweep_all<sigmax::bfloat16, reference::bfloat16_format>(result, row.isa);
  }
  return result;
}

}  // namespace sigmax_bench
