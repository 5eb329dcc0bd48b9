#include "accuracy_file.hpp"
#include "arguments.hpp"
#include "command.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "output_file.hpp"
#include "peer.hpp"
#include "sweep.hpp"
#include "table.hpp"
#include "threads.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <memory>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

struct accuracy_wishes {
  std::vector<std::string> ops, dtypes, isas, vs;
  std::string threads = "all", output = "md", out, from;
  std::uint64_t stride = 97;  // a prime: every exponent and every low bit is met
  bool exhaustive = false, quiet = false;
};

std::string value_text(std::uint32_t bits) { return fmt::format("{:.9g}", std::bit_cast<float>(bits)); }

// JSON has no infinity: a peer that returns NaN has an error of null.
json number(double value) { return std::isinf(value) ? json(nullptr) : json(value); }

json worst_json(const worst_error& w) {
  return {{"error", number(w.error)}, {"x", value_text(w.bits)}, {"bits", fmt::format("{:08x}", w.bits)}};
}

json row_json(const accuracy_row& r) {
  const bool wide = r.type == sigmax::dtype::f32;
  json j{{"op", r.op.name()},
         {"dtype", name_of(r.type)},
         {"library", r.library},
         {"isa", r.isa},
         {"fma", r.fma},
         {"stride", r.stride},
         {"checked", r.checked},
         {"worst", worst_json(r.normal)},
         {"subnormal", worst_json(r.subnormal)}};
  j[wide ? "over_1_ulp" : "misrounded"] = wide ? r.over_one : r.misrounded;
  j["hash"] = fmt::format("{:016x}", r.hash);
  if (r.library == "sigmax") {
    j["bound"] = r.promised().normal;
    j["kept"] = r.kept();
  }
  return j;
}

table table_of(const std::vector<accuracy_row>& rows) {
  table t{{{"op"},
           {"dtype"},
           {"library"},
           {"isa"},
           {"inputs", true},
           {"bound", true},
           {"max ULP", true},
           {"at x", true},
           {"over 1 ULP", true},
           {"misrounded", true},
           {"subnormal steps", true},
           {"kept"}},
          {}};
  for (const accuracy_row& r : rows) {
    const bool wide = r.type == sigmax::dtype::f32, ours = r.library == "sigmax";
    t.rows.push_back({r.op.name(), std::string(name_of(r.type)), r.library, r.isa, fmt::format("{}", r.checked),
                      ours ? fmt::format("{:g}", r.promised().normal) : "", fmt::format("{:.4g}", r.normal.error),
                      value_text(r.normal.bits), wide ? fmt::format("{}", r.over_one) : "",
                      wide ? "" : fmt::format("{}", r.misrounded), wide ? fmt::format("{:.3g}", r.subnormal.error) : "",
                      !ours      ? ""
                      : r.kept() ? "yes"
                                 : "BROKEN"});
  }
  return t;
}

// The README's table: a line an activation, from the first ISA row with FMA among the results.
std::string readme_table(const std::vector<accuracy_row>& rows) {
  const auto find = [&](op_kind kind, sigmax::activation function, sigmax::dtype type) -> const accuracy_row& {
    const operation op{kind, function};
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const accuracy_row& r) {
      return r.op == op && r.type == type && r.fma && r.library == "sigmax";
    });
    if (found == rows.end())
      throw usage_error(fmt::format("the results lack {} for {} on a row with FMA", op.name(), name_of(type)));
    return *found;
  };
  std::string text =
      "| activation | formula | parameters (default) | bound, ULP | largest error, ULP | at x | derivative, ULP | "
      "misrounded f16, bf16 |\n|---|---|---|---|---|---|---|---|\n";
  for (const auto function : sigmax::all_activations()) {
    const sigmax::activation_info& about = sigmax::describe(function);
    std::string formula, parameters;
    for (const char c : about.formula) formula += c == '|' ? std::string("\\|") : std::string(1, c);
    for (const sigmax::parameter_info& p : about.parameters)
      parameters += fmt::format("{}{} ({:.7g})", parameters.empty() ? "" : ", ", p.name, p.default_value);
    const accuracy_row& value = find(op_kind::activation, function, sigmax::dtype::f32);
    text += fmt::format("| `{}` | {} | {} | {:g} | {:.3f} | {} | {:.2f} | {}, {} |\n", about.name, formula,
                        parameters.empty() ? "-" : parameters, about.bound_f32, value.normal.error,
                        value.normal.error == 0 ? "-" : value_text(value.normal.bits),
                        find(op_kind::gradient, function, sigmax::dtype::f32).normal.error,
                        find(op_kind::activation, function, sigmax::dtype::f16).misrounded,
                        find(op_kind::activation, function, sigmax::dtype::bf16).misrounded);
  }
  return text;
}

// The README's table of the fast tier, from results of `all:fast`.
std::string readme_fast_table(const std::vector<accuracy_row>& rows) {
  std::string text = "| activation | bound, ULP | largest error, ULP | at x |\n|---|---|---|---|\n";
  const std::string first_isa = rows.front().isa;
  for (const accuracy_row& r : rows)
    if (r.isa == first_isa)
      text += fmt::format("| `{}` | {:g} | {:.3f} | {} |\n", sigmax::describe(r.op.function).name, r.promised().normal,
                          r.normal.error, value_text(r.normal.bits));
  return text;
}

std::string text_of(const std::vector<accuracy_row>& rows, const std::string& output) {
  const bool fast = std::all_of(rows.begin(), rows.end(), [](const accuracy_row& r) { return r.op.fast(); });
  if (output == "readme") return fast && !rows.empty() ? readme_fast_table(rows) : readme_table(rows);
  if (output == "csv") return table_of(rows).csv();
  if (output == "md") return table_of(rows).markdown();
  // A line a result: these files are read in diffs.
  std::string list;
  for (const accuracy_row& r : rows) list += (list.empty() ? "" : ",\n  ") + row_json(r).dump();
  return fmt::format("{{\n \"sigmax_schema_version\": 1,\n \"machine\": {},\n \"accuracy\": [\n  {}\n ]\n}}\n",
                     machine_block().dump(), list);
}

std::vector<accuracy_row> measure_all(const accuracy_wishes& w) {
  std::vector<contender> contenders;
  for (const std::string& isa : parse_isas(w.isas)) contenders.push_back(isa_row(isa));
  for (const peer& p : parse_peers(w.vs)) {
    contenders.push_back({p.name, "", true, [p](const operation& op) { return p.make(op, {0, contender::length}); }});
  }
  const int threads = has_threads ? parse_threads(w.threads) : 1;
  progress shown(w.quiet);
  std::vector<accuracy_row> rows;
  for (const operation& op : parse_operations(w.ops)) {
    if (op.by_rows() || op.kind == op_kind::gated) continue;
    for (const std::string& word : w.dtypes) {
      const sigmax::dtype type = parse_dtype(word);
      shown.enter(fmt::format("{} {}", op.name(), word));
      if (type == sigmax::dtype::f32) {
        for (accuracy_row& r : sweep(op, contenders, w.exhaustive ? 1 : w.stride, threads, shown))
          rows.push_back(std::move(r));
      } else if (op.kind == op_kind::activation && !op.fast()) {
        for (const contender& c : contenders)
          if (c.library == "sigmax") rows.push_back(sweep_16_bit(op, type, c));
      }
      if (interrupted()) return rows;
    }
  }
  return rows;
}

int accuracy(accuracy_wishes& w) {
  if (!w.from.empty() && w.output == "json") throw usage_error("--from reads JSON: there is nothing to convert");
  const auto otherwise = [](std::vector<std::string>& words, const char* word) {
    if (words.empty()) words = {word};
  };
  otherwise(w.ops, "all");
  otherwise(w.dtypes, "f32");
  otherwise(w.isas, "all");
  std::ofstream file;
  if (!w.out.empty()) {
    file.open(w.out);  // now: a wrong path must not cost the measurement
    if (!file) throw usage_error(fmt::format("cannot write '{}'", w.out));
  }
  watch_interrupt();
  const std::vector<accuracy_row> rows = w.from.empty() ? measure_all(w) : parse_accuracy(read_text(w.from), w.from);
  if (rows.empty() && !interrupted())
    throw usage_error("nothing to sweep: softmax and gates have no single input, and a gradient is f32 only");
  fmt::print("{}", text_of(rows, w.out.empty() ? w.output : "md"));
  if (!w.out.empty()) {
    file << text_of(rows, w.output);
    if (!file.flush()) throw std::runtime_error(fmt::format("writing '{}' failed", w.out));
  }
  if (!std::all_of(rows.begin(), rows.end(), [](const accuracy_row& r) { return r.kept(); })) {
    fmt::print(stderr, "sigmax-bench: an error bound is broken\n");
    return exit_wrong_result;
  }
  return interrupted() ? exit_interrupted : exit_ok;
}

}  // namespace

void add_accuracy(CLI::App& app, int& result) {
  CLI::App* command =
      app.add_subcommand("accuracy", "Largest errors over all inputs, or every n-th, against the oracle");
  const auto w = std::make_shared<accuracy_wishes>();
  const auto list = [&](const char* name, std::vector<std::string>& into, const char* text) {
    command->add_option(name, into, text)->delimiter(',')->allow_extra_args(false)->take_all();
  };
  list("--op", w->ops, "gelu,silu:fast,silu:gradient,all,all:fast,all:gradient; all if not given");
  list("--dtype", w->dtypes, "f32,f16,bf16; f32 if not given");
  list("--isa", w->isas, "ISAs of 'sigmax-bench info', all, best; all if not given");
  list("--vs", w->vs, "f32: the same for onednn,xnnpack,sleef,eigen,libmvec,libm, all; see 'info'");
  CLI::Option* stride = command->add_option("--stride", w->stride, "f32: every n-th bit pattern of the 2^32");
  stride->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 31))->capture_default_str();
  command->add_flag("--exhaustive", w->exhaustive, "f32: all 2^32 inputs, about a minute an op and core")
      ->excludes(stride);
  command->add_option("--threads", w->threads, "a number, or all")->capture_default_str();
  command->add_option("--from", w->from, "show these stored results (JSON) and measure nothing");
  command->add_option("--output", w->output, "md, csv, json, or readme for the README's tables")
      ->check(CLI::IsMember({"md", "csv", "json", "readme"}))
      ->capture_default_str();
  command->add_option("--out", w->out, "write there, and the table to the terminal");
  command->add_flag("--quiet", w->quiet, "no progress on stderr");
  command->footer(
      "16-bit dtypes are always swept whole. Exit: 0 ok, 2 usage, 5 a bound is broken, 130 interrupted.\nExamples:\n  "
      "sigmax-bench accuracy --op gelu,silu:gradient --vs libm\n  sigmax-bench accuracy --op tanh --dtype f32,bf16 "
      "--isa all --exhaustive");
  command->callback([w, &result] { result = accuracy(*w); });
}

}  // namespace sigmax_bench
