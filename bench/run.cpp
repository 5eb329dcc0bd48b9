#include "arguments.hpp"
#include "command.hpp"
#include "comparison.hpp"
#include "comparison_output.hpp"
#include "interrupt.hpp"
#include "operands.hpp"
#include "peer.hpp"
#include "plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace sigmax_bench {
namespace {

struct wishes {
  std::vector<std::string> ops, dtypes, sizes, shapes, backends, isas, threads, vs;
  std::string filter, output, out, max_bytes;
  bool in_place = false, quiet = false, names_only = false;
  measure_settings timing;

  bool any_axis() const {
    return in_place || !(ops.empty() && dtypes.empty() && sizes.empty() && shapes.empty() && backends.empty() &&
                         isas.empty() && threads.empty());
  }
};

// `fallback` where nothing was given.
template <class Parse>
auto parsed(const std::vector<std::string>& words, std::vector<std::string> fallback, Parse parse) {
  std::vector<decltype(parse(std::string_view{}))> values;
  for (const std::string& word : words.empty() ? fallback : words) values.push_back(parse(word));
  return values;
}

// The loop over <cmath> has its own column, in affordable slices: of "all" it would be the slowest by far.
std::vector<peer> peers_of(const wishes& w) {
  std::vector<peer> chosen = parse_peers(w.vs);
  if (std::find(w.vs.begin(), w.vs.end(), "libm") == w.vs.end())
    std::erase_if(chosen, [](const peer& p) { return p.name == "libm"; });
  return chosen;
}

std::int64_t max_bytes_of(const wishes& w) { return w.max_bytes.empty() ? 0 : parse_size(w.max_bytes); }

request request_of(const wishes& w) {
  const auto or_else = [](const auto& words, const char* word) {
    return words.empty() ? std::vector<std::string>{word} : words;
  };
  request r;
  r.ops = parse_operations(or_else(w.ops, "all"));
  r.types = parsed(w.dtypes, {"f32"}, parse_dtype);
  r.sizes = parsed(w.shapes, {}, parse_shape);
  for (const std::int64_t n :
       parsed(w.sizes, w.shapes.empty() ? std::vector<std::string>{"64Ki", "64Mi"} : std::vector<std::string>{},
              parse_size)) {
    r.sizes.push_back({0, n});
  }
  r.backends = parsed(w.backends, {"cpu"}, parse_backend);
  r.isas = parse_isas(or_else(w.isas, "best"));
  r.threads = parsed(w.threads, {"1"}, parse_threads);
  r.in_place = w.in_place;
  r.max_bytes = max_bytes_of(w);
  return r;
}

// Google Benchmark's flags: those that choose cases or output mean ours, the rest goes to it.
void take_benchmark_flags(wishes& w, const std::vector<std::string>& extras) {
  for (const std::string& flag : extras) {
    if (!flag.starts_with("--benchmark_")) throw usage_error(fmt::format("unknown argument '{}'", flag));
    const auto value_of = [&](std::string_view name) -> const char* {
      return flag.starts_with(name) ? flag.c_str() + name.size() : nullptr;
    };
    if (const char* pattern = value_of("--benchmark_filter=")) {
      w.filter = pattern;
    } else if (const char* file = value_of("--benchmark_out=")) {
      w.out = file;
    } else if (const char* form = value_of("--benchmark_format=")) {
      w.output = std::string_view(form) == "console" ? "md" : form;
    } else if (const char* file_form = value_of("--benchmark_out_format=")) {
      w.output = std::string_view(file_form) == "console" ? "md" : file_form;
    } else if (flag == "--benchmark_list_tests" || flag == "--benchmark_list_tests=true") {
      w.names_only = true;
    } else {
      w.timing.benchmark_flags.push_back(flag);
    }
  }
  if (w.output.empty()) {
    w.output = w.out.ends_with(".json") ? "json" : w.out.ends_with(".csv") ? "csv" : "md";
  }
  if (w.output != "md" && w.output != "csv" && w.output != "json") {
    throw usage_error(fmt::format("unknown output '{}' (there are md, csv and json)", w.output));
  }
}

void require_memory(const std::vector<bench_case>& cases) {
  const double needed = static_cast<double>(bytes_needed(cases)) / 0x1p30;
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    double kib = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %lf kB", &kib) == 1 && needed > kib / 0x1p20) {
      throw usage_error(
          fmt::format("these sizes need {:.1f} GiB of memory, {:.1f} GiB are available (--max-bytes scales them down)",
                      needed, kib / 0x1p20));
    }
  }
}

std::string text_of(const comparison& result, const std::string& output) {
  return output == "json" ? as_json(result) : output == "csv" ? as_csv(result) : as_markdown(result);
}

// A broken kernel is wrong in every case of its op; the first few say it, the table marks them all.
void report_wrong(const comparison& result) {
  int count = 0;
  for (const outcome& o : result.outcomes) {
    if (!o.checked.ok && ++count <= 10) fmt::print(stderr, "sigmax-bench: wrong result: {}\n", o.checked.message);
  }
  fmt::print(stderr, "sigmax-bench: {} of {} cases are wrong\n", count, result.outcomes.size());
}

int run(wishes& w, const std::vector<std::string>& extras) {
  take_benchmark_flags(w, extras);
  const std::vector<bench_case> cases =
      select(w.any_axis() ? expand(request_of(w)) : default_plan(max_bytes_of(w)), w.filter);
  if (cases.empty()) throw usage_error(fmt::format("no case's name matches '{}'", w.filter));
  if (w.names_only) {
    for (const bench_case& c : cases) fmt::print("{}\n", c.name());
    return exit_ok;
  }
  const std::vector<peer> others = peers_of(w);
  require_memory(cases);
  start_measuring(w.timing);
  std::ofstream file;
  if (!w.out.empty()) {
    file.open(w.out);  // now: a wrong path must not cost the measurement
    if (!file) throw usage_error(fmt::format("cannot write '{}'", w.out));
  }

  watch_interrupt();
  const comparison result = [&] {
    progress shown(w.quiet);
    return compare_cases(cases, others, w.timing, shown);
  }();
  // With --out the terminal still gets the table.
  fmt::print("{}", text_of(result, w.out.empty() ? w.output : "md"));
  if (!w.out.empty()) {
    file << text_of(result, w.output);
    if (!file.flush()) throw std::runtime_error(fmt::format("writing '{}' failed", w.out));
  }
  if (!result.all_correct()) {
    report_wrong(result);
    return exit_wrong_result;
  }
  return result.complete ? exit_ok : exit_interrupted;
}

}  // namespace

void add_run(CLI::App& app, int& result) {
  CLI::App* command = app.add_subcommand("run", "Verify and time; without arguments, a picture of this machine");
  const auto w = std::make_shared<wishes>();
  const auto list = [&](const char* name, std::vector<std::string>& into, const char* text) {
    command->add_option(name, into, text)->delimiter(',')->allow_extra_args(false)->take_all();
  };
  list("--op", w->ops,
       "gelu,silu:fast,silu:gradient,softmax+scale+causal,cross_entropy:gradient+lse,all,all:fast,all:gradient; "
       "'sigmax-bench list' shows ops and options");
  list("--dtype", w->dtypes, "f32,f16,bf16");
  list("--size", w->sizes, "elements: 4096,64Ki,64Mi");
  list("--shape", w->shapes, "[BATCHx]ROWSxCOLS, for attention batch x queries x keys: 64x1024,4Kix32000,32x4096x4096");
  list("--backend", w->backends, "automatic,cpu,cuda");
  list("--isa", w->isas, "rows of 'sigmax-bench info', all, best");
  list("--threads", w->threads, "1,2,all");
  list("--vs", w->vs, "f32 on one thread: also time onednn,xnnpack,sleef,eigen,libmvec, all; see 'info'");
  command->add_option("--max-bytes", w->max_bytes,
                      "bytes of a case's tensors (1Gi): what needs more is halved from its first extent on");
  command->add_flag("--in-place", w->in_place, "the output overwrites the input");
  command->add_option("--min-time", w->timing.min_time, "seconds a repetition")
      ->check(CLI::Range(1e-6, 3600.0))
      ->capture_default_str();
  command->add_option("--repetitions", w->timing.repetitions, "samples a case")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--filter", w->filter, "only cases whose name contains this regular expression");
  command->add_option("--output", w->output, "md, csv or json; from the name of --out if not given");
  command->add_option("--out", w->out, "write there, and the table to the terminal");
  command->add_flag("--quiet", w->quiet, "no progress on stderr");
  command->allow_extras();
  command->footer(
      "Flags of Google Benchmark (--benchmark_...=...) are taken too. Exit: 0 ok, 2 usage, 5 wrong results, 130 "
      "interrupted.");
  command->callback([command, w, &result] { result = run(*w, command->remaining()); });
}

}  // namespace sigmax_bench
