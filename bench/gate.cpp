#include "case_options.hpp"
#include "command.hpp"
#include "cpu_list.hpp"
#include "gate_self_test.hpp"
#include "instruction_count.hpp"
#include "interrupt.hpp"
#include "json_problem.hpp"
#include "output_file.hpp"
#include "process.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace sigmax_bench {
namespace {

struct gate_wishes {
  case_wishes cases;
  gate_settings settings;
  std::string base, candidate, baseline, metric = "time", undecided = "fail", output = "md";
  std::vector<std::string> out;
  bool self_test = false, brief = false, quiet = false, no_pin = false;
  self_test_plan plan;
  std::string resume;
};

// Without --isa each build takes its own best row: that is what its users get.
std::vector<std::string> lines_of(const case_wishes& w) {
  std::vector<bench_case> cases = select(wished_cases(w), w.filter);
  std::vector<std::string> lines;
  for (bench_case& c : cases) {
    if (w.isas.empty() && w.batch.empty()) c.isa.clear();
    if (c.cold) throw usage_error("gate times hot caches only");
    lines.push_back(words_of(c));
  }
  if (!w.any_axis() && w.batch.empty()) {
    for (const std::string& line : gate_plan()) {
      const std::vector<bench_case> found = select(cases_of_line(line), w.filter);
      if (!found.empty()) lines.push_back(line);
    }
  }
  if (lines.empty()) throw usage_error(fmt::format("no case's name matches '{}'", w.filter));
  return lines;
}

std::string text_of(const gate_result& r, const std::string& form) {
  if (form == "md") return gate_markdown(r);
  if (form == "json") return gate_json(r).dump(1) + "\n";
  return gate_junit(r);
}

std::string form_of(const std::string& path) {
  std::string extension = extension_of(path);
  if (extension == "md" || extension == "json") return extension;
  if (extension == "xml") return "junit";
  throw usage_error(fmt::format("--out '{}' ends neither in .md, .json nor in .xml (JUnit)", path));
}

// Every case on one thread: on one CPU, so that the scheduler does not move it.
void choose_cpus(gate_wishes& w, const std::vector<std::string>& lines) {
  std::string& cpus = w.settings.how.cpus;
  if (!cpus.empty()) {
    parse_cpus(cpus);
    return;
  }
  const bool serial = std::none_of(lines.begin(), lines.end(),
                                   [](const std::string& line) { return line.find("--threads") != std::string::npos; });
  if (serial && !w.no_pin) cpus = std::to_string(last_allowed_cpu());
}

void take_metric(gate_wishes& w) {
  w.settings.by_time = w.metric != "instructions";
  w.settings.by_instructions = w.metric != "time";
  w.settings.undecided_fails = w.undecided == "fail";
  if (!w.settings.by_instructions || can_count_instructions()) return;
  if (run_process({"valgrind", "--version"}).status != 0)
    throw usage_error("instructions cannot be counted here: perf_event_open is refused, and there is no valgrind");
}

std::string text_of(const self_test_record& r, const std::string& form) {
  return form == "md" ? self_test_markdown(r) : self_test_json(r).dump(1) + "\n";
}

int self_test(gate_wishes& w) {
  if (w.brief) w.plan.trials = 3, w.plan.slow_trials = 3;
  std::vector<std::string> forms{w.output};
  for (const std::string& path : w.out) forms.push_back(form_of(path));
  if (std::find(forms.begin(), forms.end(), "junit") != forms.end())
    throw usage_error("the self-test has no JUnit form: md or json");
  if (!w.resume.empty()) w.plan.from = parse_self_test(read_text(w.resume), w.resume);
  choose_cpus(w, {});
  watch_interrupt();
  const auto keep = [&](const self_test_record& r) {
    for (const std::string& path : w.out) write_text(path, text_of(r, form_of(path)));
  };
  const self_test_record record = [&] {
    progress shown(w.quiet);
    return gate_self_test(w.plan, w.settings, shown, keep);
  }();
  keep(record);  // also where no gate was left to do
  write_text("", text_of(record, w.output));
  return record.exit_code();
}

int gate(gate_wishes& w) {
  for (const std::string& path : w.out) {
    form_of(path);
    require_writable(path);
  }
  if (w.self_test) return self_test(w);
  if (!w.resume.empty()) throw usage_error("--resume goes on with a --self-test");
  if (w.base.empty() == w.baseline.empty()) throw usage_error("give either --base or --baseline (or --self-test)");
  if (!w.baseline.empty() && w.candidate.empty()) throw usage_error("--baseline needs a --candidate");
  const auto& backends = w.cases.backends;
  if (std::find(backends.begin(), backends.end(), "cuda") != backends.end()) {
    if (const sigmax::status s = sigmax::cuda_available(); !s) {
      fmt::print(stderr, "sigmax-bench: skipped: {}\n", s.message);
      return exit_skipped;
    }
  }
  take_metric(w);
  if (w.brief) w.settings.how.batches = 7, w.settings.max_blocks = w.settings.blocks;
  const std::vector<std::string> lines = w.baseline.empty() ? lines_of(w.cases) : std::vector<std::string>{};
  choose_cpus(w, lines);
  watch_interrupt();
  const gate_result result = [&] {
    progress shown(w.quiet);
    try {
      return run_gate(w.base, w.candidate, w.baseline, lines, w.settings, shown);
    } catch (const nlohmann::json::exception& error) {  // a program that is another one, or much older
      throw usage_error(
          fmt::format("one of the two answers with what 'gate' does not understand: {}", json_problem(error)));
    }
  }();
  for (const std::string& path : w.out) write_text(path, text_of(result, form_of(path)));
  write_text("", text_of(result, w.output));
  return result.exit_code();
}

}  // namespace

void add_gate(CLI::App& app, int& result) {
  CLI::App* command =
      app.add_subcommand("gate", "Fail when a candidate is slower than its base: two builds, one verdict");
  const auto w = std::make_shared<gate_wishes>();
  w->settings.how.seed = 1;
  command->add_option("--base", w->base, "a sigmax-bench, a build folder with one, or a libsigmax.so");
  command->add_option("--candidate", w->candidate, "the same; without it base is compared with itself");
  command->add_option("--baseline", w->baseline, "a JSON of 'gate' from this machine instead of --base");
  add_case_options(*command, w->cases);
  command->add_option("--metric", w->metric, "time, instructions or both")
      ->check(CLI::IsMember({"time", "instructions", "both"}))
      ->capture_default_str();
  command->add_option("--threshold", w->settings.rules.threshold, "changes up to this share never count")
      ->check(within(0.001, 10))
      ->capture_default_str();
  command->add_option("--blocks", w->settings.blocks, "paired samples a case at first")
      ->check(CLI::Range(6, 1000))
      ->capture_default_str();
  command->add_option("--max-blocks", w->settings.max_blocks, "at most, while undecided")
      ->check(CLI::Range(6, 1000))
      ->capture_default_str();
  command->add_option("--cpus", w->settings.how.cpus, "run on these only (0-3,8); one thread: the last one");
  command->add_flag("--no-pin", w->no_pin, "let the scheduler choose the CPU");
  command->add_option("--undecided", w->undecided, "what undecided cases do: fail (exit 3) or pass")
      ->check(CLI::IsMember({"fail", "pass"}))
      ->capture_default_str();
  command->add_flag("--force", w->settings.force, "judge even on an unfit machine, and a baseline of another one");
  command->add_flag("--self-test", w->self_test, "measure how often the gate itself is wrong on this machine");
  command->add_option("--trials", w->plan.trials, "of the self-test: gates against itself, four verdicts each")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--slow-trials", w->plan.slow_trials, "of the self-test: gates against one that does 5 % twice")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--resume", w->resume, "of the self-test: go on from this JSON of an earlier, cut-off one");
  command->add_flag("--short", w->brief, "fewer batches and no extension; of the self-test, 3 gates of each kind");
  command->add_option("--seed", w->settings.how.seed, "of the order of builds and cases")->capture_default_str();
  command->add_option("--output", w->output, "md, json or junit")
      ->check(CLI::IsMember({"md", "json", "junit"}))
      ->capture_default_str();
  command->add_option("--out", w->out, "write there too, .md, .json or .xml (JUnit); may be repeated");
  command->add_flag("--quiet", w->quiet, "no progress on stderr");
  command->footer(
      "Exit: 0 no regression, 1 regression, 2 usage, 3 undecided, 4 environment unfit, 5 wrong results, 77 skipped, "
      "130 "
      "interrupted.\n"
      "Examples:\n"
      "  sigmax-bench gate --base build/main --candidate build/branch --out gate.md --out gate.xml\n"
      "  sigmax-bench gate --base build/main --candidate build/branch --op gelu,silu --size 4Ki,64Ki\n"
      "  sigmax-bench gate --base build/main --candidate build/branch --metric instructions   # on a noisy machine\n"
      "  sigmax-bench gate --base build/main --out base.json                                  # keep a baseline\n"
      "  sigmax-bench gate --baseline base.json --candidate build/branch\n"
      "  sigmax-bench gate --self-test --out self-test.json --out self-test.md\n"
      "  sigmax-bench gate --self-test --resume self-test.json --out self-test.json   # after Ctrl-C");
  command->callback([w, &result] { result = gate(*w); });
}

}  // namespace sigmax_bench
