// What `gate` runs in fresh processes: a few cases, timed with as little around them as can be, as JSON on standard
// output. Two builds must understand each other, so what is printed only ever grows.
#include "arguments.hpp"
#include "calibration.hpp"
#include "case_options.hpp"
#include "command.hpp"
#include "cpu_list.hpp"
#include "instruction_count.hpp"
#include "kernel_call.hpp"
#include "machine.hpp"
#include "operands.hpp"
#include "verify.hpp"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <random>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;
using clock = std::chrono::steady_clock;

struct sample_wishes {
  std::string batch, cpus;
  int batches = 15;
  double batch_time = 0.002;
  std::uint64_t order = 0;
  std::int64_t calls = 0;
  double slower = 0;
  bool verify = false, instructions = false, machine = false;
};

struct sampled_case {
  std::string line;
  std::optional<bench_case> what;
  std::string problem;
};

// A line that this build does not understand is an answer too: the other build may be newer.
std::vector<sampled_case> cases_of(const std::string& batch) {
  std::vector<sampled_case> all;
  for (const std::string& line : batch_lines(batch)) {
    try {
      const std::vector<bench_case> found = cases_of_line(line);
      if (found.size() != 1) throw usage_error("is not one case");
      all.push_back({line, found.front(), ""});
    } catch (const std::exception& error) {
      all.push_back({line, std::nullopt, error.what()});
    }
  }
  return all;
}

// The case, and for --slower a part of it once more: a slowdown that is known.
class work {
 public:
  work(const bench_case& c, const operands& memory, double slower) : whole_(c), call_(whole_, memory) {
    if (slower <= 0) return;
    part_ = c;
    std::int64_t& extent = c.size.rows > 1 ? part_.size.rows : part_.size.cols;
    extent = std::max<std::int64_t>(1, std::llround(slower * static_cast<double>(extent)));
    again_.emplace(part_, memory);
  }
  void operator()() const {
    static_cast<void>(call_());
    if (again_) static_cast<void>((*again_)());
    benchmark::ClobberMemory();
  }

 private:
  bench_case whole_, part_;
  kernel_call call_;
  std::optional<kernel_call> again_;
};

double seconds(const work& w, std::int64_t calls) {
  const auto begin = clock::now();
  for (std::int64_t i = 0; i < calls; ++i) w();
  return std::chrono::duration<double>(clock::now() - begin).count();
}

// Doubles the calls until a batch is long enough, which is the warm-up too.
json timed(const work& w, const sample_wishes& wanted) {
  std::int64_t calls = 1;
  seconds(w, calls);  // page faults
  double taken = seconds(w, calls);
  while (taken < wanted.batch_time / 2 && calls < (std::int64_t{1} << 40)) taken = seconds(w, calls *= 2);
  calls = std::max<std::int64_t>(1, std::llround(static_cast<double>(calls) * wanted.batch_time / taken));
  json times = json::array();
  for (int i = 0; i < wanted.batches; ++i) times.push_back(seconds(w, calls) * 1e9 / static_cast<double>(calls));
  return {{"ns", std::move(times)}, {"calls", calls}};
}

json counted(const work& w) {
  constexpr std::int64_t calls = 16;
  const auto run = [&](std::int64_t n) {
    return count_instructions([&] {
      for (std::int64_t i = 0; i < n; ++i) w();
    });
  };
  run(1);
  const auto once = run(calls), twice = run(2 * calls);
  return once && twice ? json(static_cast<double>(*twice - *once) / calls) : json(nullptr);
}

json result_of(const sampled_case& sampled, operands& memory, const sample_wishes& wanted) {
  json result{{"line", sampled.line}};
  if (!sampled.what) {
    result["problem"] = sampled.problem;
    return result;
  }
  const bench_case& c = *sampled.what;
  result["name"] = c.name();
  memory.prepare(c);
  if (wanted.verify) {
    const verdict checked = verify(c, memory);
    result["verified"] = checked.ok;
    if (!checked.ok) result["wrong"] = checked.message;
  }
  const work w(c, memory, wanted.slower);
  for (std::int64_t i = 0; i < wanted.calls; ++i) w();
  if (wanted.instructions) result["instructions"] = counted(w);
  if (wanted.batches > 0) result.update(timed(w, wanted));
  return result;
}

void sample(const sample_wishes& wanted) {
  if (!wanted.cpus.empty()) pin_to(wanted.cpus);
  std::vector<sampled_case> cases = cases_of(wanted.batch);
  std::shuffle(cases.begin(), cases.end(), std::mt19937_64(wanted.order));
  std::vector<bench_case> usable;
  for (const sampled_case& c : cases) {
    if (c.what) usable.push_back(*c.what);
  }
  operands memory(usable);
  json document{{"sigmax_schema_version", 1}};
  if (wanted.machine) document["machine"] = machine_block();
  if (wanted.batches > 0) document["calibration_ns"] = calibration_time();
  document["cases"] = json::array();
  for (const sampled_case& c : cases) document["cases"].push_back(result_of(c, memory, wanted));
  fmt::print("{}\n", document.dump());
}

}  // namespace

void add_sample(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("sample", "What 'gate' runs in processes of its own");
  command->group("");  // not in --help
  const auto w = std::make_shared<sample_wishes>();
  command->add_option("--batch", w->batch, "a file with one case a line")->required();
  command->add_option("--cpus", w->cpus, "run on these only: 0-3,8");
  command->add_option("--batches", w->batches, "timed batches a case");
  command->add_option("--batch-time", w->batch_time, "seconds of one")->check(within(1e-6, 60));
  command->add_option("--order", w->order, "seed of the order of cases");
  command->add_option("--calls", w->calls, "calls before all else, for a program that counts from outside");
  command->add_option("--slower", w->slower, "do this share of the work twice")->check(within(0, 1));
  command->add_flag("--verify", w->verify, "check the results first");
  command->add_flag("--instructions", w->instructions, "count instructions, if the system allows it");
  command->add_flag("--machine", w->machine, "tell the machine and build");
  command->callback([w] { sample(*w); });
}

}  // namespace sigmax_bench
