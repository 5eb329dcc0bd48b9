#include "arguments.hpp"
#include "calibrate.hpp"
#include "command.hpp"
#include "kernel_call.hpp"
#include "operands.hpp"
#include "threads.hpp"

#include <fmt/core.h>

#include <memory>

namespace sigmax_bench {
namespace {

struct wishes {
  std::string op, dtype = "f32", size, shape, backend = "automatic", isa, threads = "1", calibration;
};

bench_case case_of(const wishes& w) {
  bench_case c;
  const std::vector<operation> ops = parse_operations({w.op});
  if (ops.size() != 1) throw usage_error("explain takes one op");
  c.op = ops.front();
  if (c.op.by_rows() ? !c.op.plain_softmax() : c.op.takes_dy())
    throw usage_error("the library explains activations, softmax and log_softmax: leave gradients and options out");
  c.type = parse_dtype(w.dtype);
  if (w.size.empty() == w.shape.empty()) throw usage_error("give either --size or --shape");
  c.size = w.shape.empty() ? extent{0, parse_size(w.size)} : parse_shape(w.shape);
  c.where = parse_backend(w.backend);
  if (!w.isa.empty() && w.isa != "best") c.isa = w.isa;  // passed on as it is: the library explains a wrong one too
  c.threads = parse_threads(w.threads);
  if (c.threads > 1 && !has_threads) throw usage_error("this build has no OpenMP: only --threads 1");
  return c;
}

void explain(const wishes& w) {
  const bench_case c = case_of(w);
  if (w.calibration.empty())
    use_stored_calibration();
  else
    use_calibration(w.calibration);
  const std::size_t bytes = static_cast<std::size_t>(c.footprint()) / 2;
  const mapped_pages x(bytes), y(bytes);  // addresses only: nothing is touched
  sigmax::explanation answer;
  const sigmax::view in = view_of(c, x.data()), out = view_of(c, y.data());
  const sigmax::status s = c.op.by_rows() ? sigmax::explain_softmax(in, out, -1, options_of(c), answer)
                                          : sigmax::explain(c.op.function, in, out, options_of(c), answer);
  if (!s) throw usage_error(s.message);
  fmt::print("{:<10} {} {} {}, threads: {}\n", "call", c.op.name(), name_of(c.type), c.size.name(), c.threads);
  fmt::print("{:<10} {}\n", "backend", name_of(answer.where));
  fmt::print("{:<10} {}\n", "isa", *answer.isa != '\0' ? answer.isa : "does not apply");
  fmt::print("{:<10} {}\n", "kernel", answer.kernel);
  fmt::print("{:<10} {}\n", "stores", answer.streaming ? "non-temporal" : "ordinary");
  fmt::print("{:<10} {}\n", "tasks", answer.tasks);
  fmt::print("{:<10} {}\n", "reason", answer.reason);
  if (answer.cpu_ns > 0) fmt::print("{:<10} {:.1f} us on the CPU\n", "estimate", answer.cpu_ns / 1e3);
  if (answer.cuda_ns > 0) fmt::print("{:<10} {:.1f} us on CUDA\n", "estimate", answer.cuda_ns / 1e3);
}

}  // namespace

void add_explain(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("explain", "Which backend, ISA, kernel and stores a call takes, and why");
  const auto w = std::make_shared<wishes>();
  command->add_option("--op", w->op, "an activation, softmax or log_softmax")->required();
  command->add_option("--dtype", w->dtype, "f32, f16 or bf16")->capture_default_str();
  command->add_option("--size", w->size, "elements, for example 64Mi");
  command->add_option("--shape", w->shape, "ROWSxCOLS, for example 4096x32000");
  command->add_option("--backend", w->backend, "automatic, cpu or cuda")->capture_default_str();
  command->add_option("--isa", w->isa, "a row of 'sigmax-bench info'");
  command->add_option("--threads", w->threads, "a number, or all")->capture_default_str();
  command->add_option("--calibration", w->calibration, "what 'run --calibrate --out FILE' wrote, for the estimates");
  command->footer(
      "Examples:\n"
      "  sigmax-bench explain --op gelu --size 64Mi --threads all\n"
      "  sigmax-bench explain --op softmax --shape 4096x32000 --dtype bf16");
  command->callback([w] { explain(*w); });
}

}  // namespace sigmax_bench
