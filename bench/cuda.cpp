#include "arguments.hpp"
#include "case_options.hpp"
#include "command.hpp"
#include "cuda_call.hpp"
#include "cuda_goals.hpp"
#include "cuda_results.hpp"
#include "cudnn.hpp"
#include "interrupt.hpp"
#include "output_file.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace sigmax_bench {
namespace {

struct cuda_arguments {
  std::vector<std::string> ops{"all"}, dtypes{"f32"}, sizes, shapes, vs;
  double min_time = 0.05;
  bool misaligned = false, plan = false;
  std::string json_file;
};

/// Those of `run`, and gradients of gates, "swiglu:gradient" and "gates:gradient".
std::vector<operation> cuda_operations(const std::vector<std::string>& words) {
  std::vector<operation> all;
  for (const std::string& word : words) {
    const std::string base = word.substr(0, word.find(":gradient"));
    const bool of_gate = base == "gates" || sigmax::find_gate(base);
    for (operation op : parse_operations({of_gate ? base : word})) {
      if (of_gate && base != word) op.kind = op_kind::gated_gradient;
      if (std::find(all.begin(), all.end(), op) == all.end()) all.push_back(op);
    }
  }
  return all;
}

std::vector<bench_case> cuda_cases(const cuda_arguments& a) {
  std::vector<extent> extents;
  for (const std::string& word : a.sizes)
    for (const std::int64_t n : parse_sizes(word)) extents.push_back({0, n});
  for (const std::string& word : a.shapes) extents.push_back(parse_shape(word));
  if (extents.empty()) extents.push_back({0, std::int64_t{16} << 20});
  std::vector<bench_case> cases;
  for (const operation& op : cuda_operations(a.ops))
    for (const std::string& dtype : a.dtypes)
      for (const extent& size : extents) {
        // "all" names softmax too, which wants a shape as an elementwise function wants none.
        if (size.rows == 0 ? op.by_rows() : !op.by_rows() && !op.of_gate()) continue;
        bench_case c;
        c.op = op;
        c.type = parse_dtype(dtype);
        c.size = c.asked = size;
        c.where = sigmax::backend::cuda;
        c.misaligned = a.misaligned;
        require_cuda_case(c);
        cases.push_back(c);
      }
  if (cases.empty()) throw usage_error("no case: elementwise functions go with --size, softmax with --shape");
  return cases;
}

void print_plan(const std::vector<bench_case>& cases) {
  fmt::print("case bytes goal (of a copy, or us)\n");
  for (const bench_case& c : cases) {
    const cuda_goal* g = goal_of(c);
    const std::string goal = g == nullptr ? "-"
                             : g->us > 0  ? fmt::format("{} us", g->us)
                                          : fmt::format("{}", g->of_copy);
    fmt::print("{} {} {}\n", c.name(), c.bytes(), goal);
  }
}

/// In one piece, or not: whoever is stopped by a time limit keeps the results so far.
void write_results(const std::string& path, const std::vector<cuda_result>& results, bool complete) {
  if (path.empty()) return;
  write_text(path + ".part", cuda_document(results, complete).dump(1) + "\n");
  std::filesystem::rename(path + ".part", path);
}

bool wants_cudnn(const std::vector<std::string>& words) {
  bool wanted = false;
  for (const std::string& word : words) {
    if (word != "cudnn" && word != "all") throw usage_error(fmt::format("no peer '{}' on CUDA (there is cudnn)", word));
    if (word == "cudnn" && !cudnn().problem.empty()) throw usage_error("no cudnn: " + cudnn().problem);
    wanted = cudnn().problem.empty();
  }
  return wanted;
}

int measure_all(const cuda_arguments& a) {
  const std::vector<bench_case> cases = cuda_cases(a);
  const bool with_cudnn = wants_cudnn(a.vs);
  if (a.plan) {
    print_plan(cases);
    return exit_ok;
  }
  cuda_device_block();  // throws without a device
  require_writable(a.json_file);
  watch_interrupt();
  fmt::print("{}", cuda_table_head(with_cudnn));
  std::vector<cuda_result> results;
  bool right = true;
  for (const bench_case& c : cases) {
    if (interrupted()) break;
    try {
      results.push_back({c, time_on_cuda(c, a.min_time, with_cudnn)});
    } catch (const usage_error& error) {  // memory did not suffice, for one: others may fit
      results.push_back({c, {}});
      results.back().timing.checked.message = error.what();
    }
    right = right && results.back().timing.checked.ok;
    fmt::print("{}", cuda_table_line(results.back(), with_cudnn));
    std::fflush(stdout);
    write_results(a.json_file, results, results.size() == cases.size());
  }
  fmt::print("{}", goals_text(results));
  if (results.size() < cases.size()) return exit_interrupted;
  return right ? exit_ok : exit_wrong_result;
}

}  // namespace

void add_cuda(CLI::App& app, int& result) {
  CLI::App* command = app.add_subcommand("cuda",
                                         "Times functions, gates and softmax on the GPU by graph replay, beside a copy "
                                         "of as many bytes in the same run, and the goals");
  const auto a = std::make_shared<cuda_arguments>();
  const auto list = [&](const char* name, std::vector<std::string>& into, const char* help) {
    return command->add_option(name, into, help)->delimiter(',')->allow_extra_args(false)->take_all();
  };
  list("--op", a->ops, "gelu, gelu:fast, gelu:gradient, swiglu, swiglu:gradient, softmax+causal, all, gates ...")
      ->capture_default_str();
  list("--dtype", a->dtypes, "f32, f16, bf16")->capture_default_str();
  list("--size", a->sizes, "elements: 4096, 64Ki, 1Ki:16Mi*4 ... (16Mi if no shape is given)");
  list("--shape", a->shapes, "ROWSxCOLS or BATCHxROWSxCOLS of softmax; of gates, packed halves");
  list("--vs", a->vs, "also time cudnn, or all that this machine has");
  command->add_flag("--misaligned", a->misaligned, "tensors begin one element past their alignment");
  command->add_flag("--plan", a->plan, "name each case, its bytes and its goal, measure nothing; needs no device");
  command->add_option("--min-time", a->min_time, "seconds of each case on the device")
      ->check(within(1e-6, 3600))
      ->capture_default_str();
  command->add_option("--json,--out", a->json_file, "write the results to this file, too, after every case");
  command->footer(
      "Exit: 0 ok, 2 usage, 5 wrong results, 77 no device, 130 interrupted.\n"
      "Examples:\n"
      "  sigmax-bench cuda --op gelu,silu --dtype f32,bf16 --size 64Ki,32Mi --vs all --out cuda.json\n"
      "  sigmax-bench cuda --op softmax --dtype bf16 --shape 65536x1024,64x131072\n"
      "  sigmax-bench cuda --op swiglu,swiglu:gradient --dtype bf16 --shape 16x14336,4096x14336");
  command->callback([a, &result] { result = measure_all(*a); });
}

}  // namespace sigmax_bench
