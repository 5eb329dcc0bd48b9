// What the machine can do at most: bytes a second for each cache level and thread count, and arithmetic.
#include "arguments.hpp"
#include "calibration.hpp"
#include "command.hpp"
#include "comparison_output.hpp"
#include "cpu_list.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "measure.hpp"
#include "operands.hpp"
#include "output_file.hpp"
#include "processor.hpp"
#include "roof.hpp"
#include "table.hpp"
#include "threads.hpp"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

struct roofs_wishes {
  std::vector<std::string> threads;
  std::string output, out, cpus;
  bool quiet = false;
  measure_settings timing;
};

// A tensor that fits, as a name like "L2", and the bytes of it; two of them are in use when copying.
struct level {
  std::string name;
  std::int64_t bytes;
};

struct roof_row {
  std::string kind, level;  // "read", "L2"
  int threads;
  std::int64_t bytes;       // moved by a call; 0 of arithmetic
  std::int64_t operations;  // of a call; 0 of a move
  std::int64_t elements;    // of all that a call does
  std::int64_t size;        // of the tensor, in elements
  std::string name = {};
  samples time = {};

  double per_second() const { return time.empty() ? 0 : static_cast<double>(bytes + operations) / time.median() * 1e9; }
};

// A quarter of each data cache, so that source and destination fit with room to spare; then four times the largest.
std::vector<level> levels() {
  std::vector<level> all;
  std::int64_t largest = 0;
  for (const auto& cache : benchmark::CPUInfo::Get().caches) {
    if (cache.type == "Instruction") continue;
    all.push_back({fmt::format("L{}", cache.level), std::int64_t{cache.size} / 4 / 4096 * 4096});
    largest = std::max(largest, std::int64_t{cache.size});
  }
  const std::int64_t memory = memory_bytes(), wanted = std::max<std::int64_t>(4 * largest, std::int64_t{64} << 20);
  all.push_back({"memory", std::min(wanted, memory > 0 ? memory / 8 : wanted) / 4096 * 4096});
  std::erase_if(all, [](const level& l) { return l.bytes < 4096; });
  return all;
}

// Threads have a slice each, so caches that are not shared grow with them.
std::int64_t bytes_with(const level& l, int threads) {
  return l.name == "memory" || l.name == "L3" ? l.bytes : l.bytes * threads;
}

class roof_run {
 public:
  explicit roof_run(std::int64_t largest)
      : a_(static_cast<std::size_t>(largest)), b_(static_cast<std::size_t>(largest)) {
    std::fill_n(static_cast<char*>(a_.data()), largest, char{1});
    std::fill_n(static_cast<char*>(b_.data()), largest, char{1});
  }

  void add_moves(const level& l, int threads) {
    const std::int64_t bytes = bytes_with(l, threads);
    // A call that is long beside starting and joining the threads.
    const int times = static_cast<int>(std::max<std::int64_t>(1, (std::int64_t{8} << 20) * threads / bytes));
    for (const auto kind : {one_way::read, one_way::write, one_way::write_nontemporal}) {
      if (has_one_way(kind))
        add({name_of(kind), l.name, threads, times * bytes, 0, times * bytes / 4, bytes / 4},
            [=, this] { move_one_way(kind, a_.data(), bytes, threads, times); });
    }
    for (const copy_kind kind : copy_kinds) {
      if (has_copy(kind, false))
        add({name_of(kind), l.name, threads, std::int64_t{2} * times * bytes, 0, times * bytes / 4, bytes / 4},
            [=, this] { copy(kind, a_.data(), b_.data(), bytes, threads, times); });
    }
  }

  void add_arithmetic(int threads) {
    constexpr std::int64_t rounds = 1 << 18;
    const std::int64_t operations = multiply_adds(1, 1) * rounds * threads;
    if (operations > 0)
      add({"multiply-add", "", threads, 0, operations, operations, operations},
          [=] { multiply_adds(rounds, threads); });
    constexpr std::int64_t count = 2048, times = 512;  // 8 KiB in, 8 KiB out, for each thread
    add({"exp", "", threads, 0, times * count * threads, times * count * threads, count * threads}, [=, this] {
      for_slices(threads, threads, 1, [&](std::int64_t i, std::int64_t) {
        auto *x = static_cast<float*>(a_.data()) + i * count, *y = static_cast<float*>(b_.data()) + i * count;
        for (std::int64_t t = 0; t < times; ++t)
          static_cast<void>(sigmax::activate(sigmax::activation::exp, sigmax::const_view(x, count),
                                             sigmax::view(y, count), {.where = sigmax::backend::cpu}));
      });
    });
  }

  std::vector<roof_row> measured(const measure_settings& settings, progress& shown) {
    shown.part(0, 1, 1);
    const std::vector<samples> times = measure(calls_, settings, shown);
    for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i].time = times[i];
    return std::move(rows_);
  }

 private:
  void add(roof_row row, std::function<void()> call) {
    row.name = fmt::format("{}/f32/{}/{}t", row.kind, format_size(row.size), row.threads);
    calls_.push_back({row.name, std::move(call)});
    rows_.push_back(std::move(row));
  }

  mapped_pages a_, b_;
  std::vector<roof_row> rows_;
  std::vector<timed_call> calls_;
};

table table_of(const std::vector<roof_row>& rows) {
  table t{{{"what"}, {"where"}, {"threads", true}, {"bytes", true}, {"per second", true}, {"±%", true}}, {}};
  for (const roof_row& r : rows) {
    const double speed = r.per_second() / 1e9;
    t.rows.push_back({r.kind, r.level, fmt::format("{}", r.threads), r.bytes > 0 ? format_size(r.size * 4) : "",
                      r.time.empty() ? ""
                                     : fmt::format("{:.1f} {}", speed,
                                                   r.bytes > 0       ? "GB"
                                                   : r.kind == "exp" ? "G elements"
                                                                     : "GFLOP"),
                      fmt::format("{:.1f}", 100 * r.time.spread())});
  }
  return t;
}

std::string json_of(const std::vector<roof_row>& rows) {
  json all = json::array();
  for (const roof_row& r : rows) {
    if (r.time.empty()) continue;
    json e = json_entry(r.name, r.time);
    e["kind"] = "roof";
    e["level"] = r.level;
    e["elements"] = r.elements;
    e[r.bytes > 0 ? "bytes_per_second" : "operations_per_second"] = r.per_second();
    all.push_back(std::move(e));
  }
  return json{{"context", json_context(!interrupted())}, {"benchmarks", std::move(all)}}.dump(2) + "\n";
}

int roofs(roofs_wishes& w) {
  const std::string form = !w.output.empty() ? w.output : w.out.empty() ? "md" : extension_of(w.out);
  if (form != "md" && form != "csv" && form != "json")
    throw usage_error(fmt::format("unknown output '{}' (there are md, csv and json)", form));
  require_writable(w.out);
  if (!w.cpus.empty()) pin_to(w.cpus);  // before "all" is counted
  if (w.threads.empty()) w.threads = {"1", "all"};
  std::vector<int> threads;
  for (const std::string& word : w.threads) {
    const int count = has_threads || word != "all" ? parse_threads(word) : 1;
    if (count > 1 && !has_threads) throw usage_error("this build has no OpenMP: only --threads 1");
    if (std::find(threads.begin(), threads.end(), count) == threads.end()) threads.push_back(count);
  }
  const std::vector<level> all = levels();
  const int most = *std::max_element(threads.begin(), threads.end());
  std::int64_t largest = std::int64_t{16384} * most;  // what exp takes
  for (const level& l : all) largest = std::max(largest, bytes_with(l, most));
  roof_run run(largest);
  for (const int count : threads) {
    for (const level& l : all) run.add_moves(l, count);
    run.add_arithmetic(count);
  }
  start_measuring(w.timing);
  watch_interrupt();
  const std::vector<roof_row> rows = [&] {
    progress shown(w.quiet);
    warm_up();
    return run.measured(w.timing, shown);
  }();
  const std::string text = form == "json"  ? json_of(rows)
                           : form == "csv" ? table_of(rows).csv()
                                           : machine_line() + "\n\n" + table_of(rows).markdown();
  write_text(w.out, text);
  return interrupted() ? exit_interrupted : exit_ok;
}

}  // namespace

void add_roofs(CLI::App& app, int& result) {
  CLI::App* command =
      app.add_subcommand("roofs", "Bandwidth of every cache level and of memory; FMA and exp throughput");
  const auto w = std::make_shared<roofs_wishes>();
  w->timing.min_time = 0.01;
  command->add_option("--threads", w->threads, "1,2,all; 1 and all if not given")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--min-time", w->timing.min_time, "seconds a repetition")
      ->check(within(1e-6, 3600))
      ->capture_default_str();
  command->add_option("--repetitions", w->timing.repetitions, "samples a case")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--cpus", w->cpus, "run on these CPUs only: 0-3,8");
  command->add_option("--output", w->output, "md, csv or json; from the name of --out if not given");
  command->add_option("--out", w->out, "write there");
  command->add_flag("--quiet", w->quiet, "no progress on stderr");
  command->footer("Examples:\n  sigmax-bench roofs\n  sigmax-bench roofs --threads all --out roofs.json");
  command->callback([w, &result] { result = roofs(*w); });
}

}  // namespace sigmax_bench
