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

struct explain_wishes {
  std::string op, dtype = "f32", size, shape, backend = "automatic", isa, threads = "1", calibration;
};

bench_case case_of(const explain_wishes& w) {
  bench_case c;
  const std::vector<operation> ops = parse_operations({w.op});
  if (ops.size() != 1) throw usage_error("explain takes one op");
  c.op = ops.front();
  if (c.op.by_rows() ? !c.op.plain_softmax() : c.op.kind == op_kind::gradient)
    throw usage_error(fmt::format(
        "the library does not explain '{}', only activations, gates, softmax and log_softmax without options",
        c.op.name()));
  c.type = parse_dtype(w.dtype);
  if (w.size.empty() == w.shape.empty()) throw usage_error("give either --size or --shape");
  c.size = w.shape.empty() ? extent{0, parse_size(w.size)} : parse_shape(w.shape);
  c.where = parse_backend(w.backend);
  if (!w.isa.empty() && w.isa != "best") c.isa = w.isa;  // passed on as it is: the library explains a wrong one too
  c.threads = parse_threads(w.threads);
  if (c.threads > 1 && !has_threads) throw usage_error("this build has no OpenMP: only --threads 1");
  return c;
}

/// Of views that name addresses only: nothing is touched.
sigmax::status ask(const bench_case& c, sigmax::explanation& answer) {
  const std::size_t bytes = static_cast<std::size_t>(c.size.elements() * size_of(c.type));
  const mapped_pages x(bytes), b(c.op.of_gate() ? bytes : 1), y(bytes);
  const sigmax::view in = view_of(c, x.data()), out = view_of(c, y.data());
  if (c.op.by_rows()) return sigmax::explain_softmax(in, out, -1, options_of(c), answer);
  if (c.op.of_gate()) return sigmax::explain_gated(c.op.gate, in, view_of(c, b.data()), out, options_of(c), answer);
  return sigmax::explain(c.op.function, in, out, options_of(c), answer);
}

void explain(const explain_wishes& w) {
  const bench_case c = case_of(w);
  if (w.calibration.empty())
    use_stored_calibration();
  else
    use_calibration(w.calibration);
  sigmax::explanation answer;
  if (const sigmax::status s = ask(c, answer); !s) throw usage_error(s.message);
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
  const auto w = std::make_shared<explain_wishes>();
  command->add_option("--op", w->op, "an activation, a gate (of two tensors), softmax or log_softmax")->required();
  command->add_option("--dtype", w->dtype, "f32, f16 or bf16")->capture_default_str();
  command->add_option("--size", w->size, "elements, for example 64Mi");
  command->add_option("--shape", w->shape, "ROWSxCOLS, for example 4096x32000");
  command->add_option("--backend", w->backend, "automatic, cpu or cuda")->capture_default_str();
  command->add_option("--isa", w->isa, "an ISA of 'sigmax-bench info'");
  command->add_option("--threads", w->threads, "a number, or all")->capture_default_str();
  command->add_option("--calibration", w->calibration, "what 'run --calibrate --out FILE' wrote, for the estimates");
  command->footer(
      "Examples:\n"
      "  sigmax-bench explain --op gelu --size 64Mi --threads all\n"
      "  sigmax-bench explain --op softmax --shape 4096x32000 --dtype bf16");
  command->callback([w] { explain(*w); });
}

}  // namespace sigmax_bench
