#include "plan.hpp"

#include "arguments.hpp"
#include "command.hpp"
#include "filter.hpp"
#include "processor.hpp"
#include "threads.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace sigmax_bench {
namespace {

extent fitted(extent size, const operation& op) {
  if (!op.by_rows() || size.rows != 0) return size;
  if (size.cols % 1024 == 0) return {size.cols / 1024, 1024};
  return {1, size.cols};
}

// Halves the outermost extent that can be, until the tensors fit.
bench_case scaled_down(bench_case c, std::int64_t max_bytes) {
  while (max_bytes > 0 && c.footprint() > max_bytes) {
    std::int64_t& outermost = c.size.batch > 1 ? c.size.batch : c.size.rows > 1 ? c.size.rows : c.size.cols;
    if (outermost == 1) break;
    outermost /= 2;
  }
  return c;
}

void require_in_place(const operation& op) {
  if (!op.writes_elements()) throw usage_error(fmt::format("'{}' has no output that could be in place", op.name()));
}

void require_size(const operation& op, extent size) {
  constexpr std::int64_t most = 1024;  // as sigmax.hpp tells
  if (op.kind == op_kind::top_k_gating && size.cols > most)
    throw usage_error(fmt::format("top_k_gating takes at most {} experts, not {}", most, size.cols));
}

/// Host tensors, which the library copies there and back.
void require_backend(sigmax::backend where, const std::vector<operation>& ops) {
  if (where != sigmax::backend::cuda) return;
  // Once for all that is measured. Never cooled down: the process ends with its measurements.
  if (const sigmax::status s = sigmax::warm_up(); !s) throw nothing_to_measure(s.message);
  for (const operation& op : ops)
    if (op.kind != op_kind::activation && op.kind != op_kind::gradient && op.kind != op_kind::gated &&
        !op.plain_softmax())
      throw usage_error(fmt::format("backend cuda takes no host tensors of '{}'", op.name()));
}

}  // namespace

std::vector<bench_case> expand(const request& wanted) {
  std::vector<bench_case> cases;
  for (const sigmax::backend where : wanted.backends) {
    require_backend(where, wanted.ops);
    const bool on_cpu = where == sigmax::backend::cpu;
    for (const int threads : wanted.threads) {
      if (threads > 1 && !has_threads) throw usage_error("this build has no OpenMP: only --threads 1");
      for (const sigmax::dtype type : wanted.types) {
        for (const extent size : wanted.sizes) {
          for (const operation op : wanted.ops) {
            if (wanted.in_place) require_in_place(op);
            require_size(op, fitted(size, op));
            for (const std::string& isa : on_cpu ? wanted.isas : std::vector<std::string>{""}) {
              for (const bool cold : wanted.cold) {
                const bench_case c{op, type, fitted(size, op), where, isa, threads, wanted.in_place, cold};
                cases.push_back(scaled_down(c, wanted.max_bytes));
              }
            }
          }
        }
      }
    }
  }
  return cases;
}

std::vector<bench_case> default_plan(std::int64_t max_bytes) {
  using enum sigmax::dtype;
  const std::int64_t quarter = memory_bytes() / 4, largest = std::int64_t{512} << 20;  // x and y of 64Mi f32
  if (max_bytes == 0) max_bytes = quarter > 0 ? std::min(quarter, largest) : largest;
  const int all = parse_threads("all");
  const extent cache{0, std::int64_t{64} << 10}, large{0, std::int64_t{64} << 20};
  const std::vector<std::string> best = parse_isas({"best"});
  const auto ops = [](const std::vector<std::string>& words) { return parse_operations(words); };

  std::vector<bench_case> plan;
  const auto add = [&](request r) {
    r.max_bytes = max_bytes;
    const std::vector<bench_case> more = expand(r);
    plan.insert(plan.end(), more.begin(), more.end());
  };
  // How good the code is: in cache, every op and ISA.
  add({.ops = ops({"all"}), .types = {f32}, .sizes = {cache}, .isas = parse_isas({"best", "all"})});
  add({.ops = ops({"gelu:gradient", "silu:gradient"}), .types = {f32}, .sizes = {cache}, .isas = best});
  add({.ops = ops({"relu", "gelu", "silu", "sigmoid", "tanh", "softmax"}),
       .types = {bf16, f16},
       .sizes = {cache},
       .isas = best});
  // What a large tensor costs: every op at memory's speed, some on all cores.
  add({.ops = ops({"all"}), .types = {f32}, .sizes = {large}, .isas = best});
  if (has_threads && all > 1) {
    add({.ops = ops({"relu", "gelu", "silu", "softmax"}),
         .types = {f32},
         .sizes = {large},
         .isas = best,
         .threads = {all}});
  }
  // Rows from attention-sized to vocabulary-sized, the same 64 Ki and 64 Mi elements.
  const std::vector<operation> rows = ops({"softmax", "log_softmax"});
  add({.ops = rows, .types = {f32}, .sizes = {{1024, 64}, {16, 4096}}, .isas = best});
  add({.ops = rows, .types = {f32}, .sizes = {{16384, 4096}, {512, 131072}}, .isas = best});
  // What engines call: experts of a router, a vocabulary for one token and for many, attention, and training.
  const std::vector<operation> softmax = ops({"softmax"});
  add({.ops = softmax, .types = {f32}, .sizes = {{8192, 8}, {1024, 64}, {256, 256}}, .isas = best});
  add({.ops = ops({"softmax+scale+mask", "cross_entropy", "softmax:gradient"}),
       .types = {f32},
       .sizes = {{64, 1024}},
       .isas = best});
  add({.ops = softmax, .types = {f32}, .sizes = {{1, 128256}, {4096, 32000}}, .isas = best});
  add({.ops = ops({"softmax+scale+causal"}), .types = {f32}, .sizes = {{4096, 4096, 32}}, .isas = best});
  return plan;
}

std::vector<bench_case> select(std::vector<bench_case> cases, const std::string& pattern) {
  const std::regex wanted = filter_of(pattern);
  std::set<std::string> seen;
  std::erase_if(cases, [&](const bench_case& c) {
    const std::string name = c.name();
    return !std::regex_search(name, wanted) || !seen.insert(name).second;
  });
  return cases;
}

}  // namespace sigmax_bench
