#include "calibrate.hpp"
#include "calibration.hpp"
#include "case_options.hpp"
#include "command.hpp"
#include "comparison.hpp"
#include "comparison_output.hpp"
#include "cpu_list.hpp"
#include "interrupt.hpp"
#include "operands.hpp"
#include "output_file.hpp"
#include "peer.hpp"
#include "plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace sigmax_bench {
namespace {

struct run_wishes {
  case_wishes cases;
  std::vector<std::string> vs;
  std::string output, out, cpus;
  bool quiet = false, names_only = false, calibrate = false;
  measure_settings timing;
};

// The loop over <cmath> has its own column, in affordable slices: of "all" it would be the slowest by far.
std::vector<peer> peers_of(const run_wishes& w) {
  std::vector<peer> chosen = parse_peers(w.vs);
  if (std::find(w.vs.begin(), w.vs.end(), "libm") == w.vs.end())
    std::erase_if(chosen, [](const peer& p) { return p.name == "libm"; });
  return chosen;
}

// Google Benchmark's flags: those that choose cases or output mean ours, the rest goes to it.
void take_benchmark_flags(run_wishes& w, const std::vector<std::string>& extras) {
  for (const std::string& flag : extras) {
    if (!flag.starts_with("--benchmark_")) throw usage_error(fmt::format("unknown argument '{}'", flag));
    const auto value_of = [&](std::string_view name) -> const char* {
      return flag.starts_with(name) ? flag.c_str() + name.size() : nullptr;
    };
    // Every sample counts here, and the table has the medians.
    if (flag.starts_with("--benchmark_report_aggregates_only") ||
        flag.starts_with("--benchmark_display_aggregates_only"))
      continue;
    if (const char* count = value_of("--benchmark_repetitions="); count != nullptr && std::atoi(count) < 1)
      throw usage_error(fmt::format("'{}' would measure nothing", flag));
    if (const char* time = value_of("--benchmark_min_time=");
        time != nullptr && !std::isfinite(std::strtod(time, nullptr)))
      throw usage_error(fmt::format("'{}' would never end", flag));
    if (const char* pattern = value_of("--benchmark_filter=")) {
      w.cases.filter = pattern;
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

std::vector<bench_case> cases_of(const case_wishes& w) {
  std::vector<bench_case> cases = wished_cases(w);
  if (cases.empty()) cases = default_plan(max_bytes_of(w));
  cases = select(std::move(cases), w.filter);
  if (cases.empty()) throw usage_error(fmt::format("no case's name matches '{}'", w.filter));
  return cases;
}

// What --calibrate measures is fixed.
void require_nothing_else(const CLI::App& command) {
  if (!command.remaining().empty()) throw usage_error(fmt::format("--calibrate takes no {}", command.remaining()[0]));
  for (const CLI::Option* o : command.get_options([](const CLI::Option* given) { return given->count() > 0; })) {
    const std::string name = o->get_name();
    if (name != "--calibrate" && name != "--out" && name != "--cpus" && name != "--quiet")
      throw usage_error(fmt::format("--calibrate takes no {}", name));
  }
}

int run(const CLI::App& command, run_wishes& w) {
  take_benchmark_flags(w, command.remaining());
  if (w.calibrate) {
    require_nothing_else(command);
    if (!w.cpus.empty()) pin_to(w.cpus);
    watch_interrupt();
    calibrate(w.out.empty() ? calibration_path() : w.out, w.quiet);
    return exit_ok;
  }
  use_stored_calibration();
  if (!w.cpus.empty()) pin_to(w.cpus);  // before OpenMP starts its threads, and "--threads all" is counted
  const std::vector<bench_case> cases = cases_of(w.cases);
  if (w.names_only) {
    for (const bench_case& c : cases) fmt::print("{}\n", c.name());
    return exit_ok;
  }
  const std::vector<peer> others = peers_of(w);
  require_memory(cases);
  start_measuring(w.timing);
  require_writable(w.out);  // now: a wrong path must not cost the measurement

  watch_interrupt();
  const comparison result = [&] {
    progress shown(w.quiet);
    shown.working_on("warming up");
    warm_up();
    return compare_cases(cases, others, w.timing, shown);
  }();
  // With --out the terminal still gets the table.
  write_text("", text_of(result, w.out.empty() ? w.output : "md"));
  if (!w.out.empty()) write_text(w.out, text_of(result, w.output));
  if (const int noisy = result.noisy(); noisy > 0) {
    fmt::print(
        stderr,
        "sigmax-bench: the repetitions of {} of {} cases spread by more than {:.0f} %: something else was busy\n",
        noisy, result.outcomes.size(), 100 * comparison::noisy_spread);
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
  const auto w = std::make_shared<run_wishes>();
  add_case_options(*command, w->cases);
  command->add_option("--vs", w->vs, "f32 on one thread: also time onednn,xnnpack,sleef,eigen,libmvec, all; see 'info'")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--min-time", w->timing.min_time, "seconds a repetition")
      ->check(within(1e-6, 3600))
      ->capture_default_str();
  command->add_option("--repetitions", w->timing.repetitions, "samples a case")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--output", w->output, "md, csv or json; from the name of --out if not given");
  command->add_option("--out", w->out, "write there, and the table to the terminal");
  command->add_option("--cpus", w->cpus, "run on these CPUs only: 0-3,8");
  command->add_flag("--quiet", w->quiet, "no progress on stderr");
  command->add_flag("--calibrate", w->calibrate,
                    "measure what '--backend automatic' and 'explain' estimate with, and keep it for this machine, or "
                    "in --out");
  command->allow_extras();
  command->footer(
      "Flags of Google Benchmark (--benchmark_...=...) are taken too. Exit: 0 ok, 2 usage, 5 wrong results, 77 no "
      "device, 130 "
      "interrupted.\n"
      "Examples:\n"
      "  sigmax-bench run --out here.json\n"
      "  sigmax-bench run --op gelu,silu --size 1Ki:64Mi*2 --isa all --threads 1,all\n"
      "  sigmax-bench run --op softmax --shape 64x1024,4096x32000 --cache hot,cold --cpus 2\n"
      "  sigmax-bench run --batch cases.txt --out cases.json\n"
      "  sigmax-bench run --calibrate");
  command->callback([command, w, &result] { result = run(*command, *w); });
}

}  // namespace sigmax_bench
