#include "measure.hpp"

#include "command.hpp"
#include "interrupt.hpp"
#include "statistics.hpp"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>

namespace sigmax_bench {
namespace {

template <class Run>
bool failed(const Run& run) {
  if constexpr (requires { run.error_occurred; }) {
    return run.error_occurred;
  } else {
    return run.skipped != decltype(run.skipped){};  // Google Benchmark 1.8 and later
  }
}

class collector : public benchmark::BenchmarkReporter {
 public:
  explicit collector(std::span<const timed_call> calls) : results(calls.size()) {
    for (std::size_t i = 0; i < calls.size(); ++i) index_[calls[i].name] = i;
  }
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto found = index_.find(run.run_name.function_name);
      if (run.run_type != Run::RT_Iteration || failed(run) || found == index_.end()) continue;
      samples& s = results[found->second];
      s.real_ns.push_back(run.GetAdjustedRealTime());
      s.cpu_ns.push_back(run.GetAdjustedCPUTime());
      s.iterations = run.iterations;
    }
  }
  std::vector<samples> results;

 private:
  std::map<std::string, std::size_t, std::less<>> index_;
};

void time_loop(benchmark::State& state, const timed_call& timed) {
  using clock = std::chrono::steady_clock;
  for (auto _ : state) {
    if (interrupted()) {
      state.SkipWithError("interrupted");
      break;
    }
    if (timed.restore) {
      timed.restore();
      benchmark::ClobberMemory();
      const auto start = clock::now();
      timed.call();
      benchmark::ClobberMemory();
      state.SetIterationTime(std::chrono::duration<double>(clock::now() - start).count());
    } else {
      timed.call();
      benchmark::ClobberMemory();
    }
  }
}

bool given(const measure_settings& settings, std::string_view flag) {
  return std::any_of(settings.benchmark_flags.begin(), settings.benchmark_flags.end(),
                     [&](const std::string& text) { return text.starts_with(flag); });
}

}  // namespace

double samples::median() const { return sigmax_bench::median(real_ns); }
double samples::cpu_median() const { return sigmax_bench::median(cpu_ns); }
double samples::spread() const {
  if (real_ns.size() < 2) return 0;
  const auto [low, high] = std::minmax_element(real_ns.begin(), real_ns.end());
  return (*high - *low) / 2 / median();
}

void start_measuring(const measure_settings& settings) {
  std::vector<std::string> words{"sigmax-bench", "--benchmark_enable_random_interleaving=true"};
  words.insert(words.end(), settings.benchmark_flags.begin(), settings.benchmark_flags.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  benchmark::Initialize(&argc, argv.data());
  if (argc > 1) throw usage_error(fmt::format("Google Benchmark does not know '{}'", argv[1]));
}

std::vector<samples> measure(std::span<const timed_call> calls, const measure_settings& settings, progress& shown) {
  benchmark::ClearRegisteredBenchmarks();
  // Google Benchmark searches for the number of iterations in some four runs of a call before its repetitions.
  const double runs = static_cast<double>(calls.size()) * (settings.repetitions + 4);
  double done = 0;
  for (const timed_call& timed : calls) {
    auto* registered = benchmark::RegisterBenchmark(timed.name.c_str(), [&](benchmark::State& state) {
      shown.within(done++ / runs);
      shown.working_on(timed.name);
      time_loop(state, timed);
    });
    registered->Unit(benchmark::kNanosecond)->MeasureProcessCPUTime();
    timed.restore ? registered->UseManualTime() : registered->UseRealTime();
    if (!given(settings, "--benchmark_min_time=")) registered->MinTime(settings.min_time);
    if (!given(settings, "--benchmark_repetitions=")) registered->Repetitions(settings.repetitions);
  }
  collector reporter(calls);
  benchmark::RunSpecifiedBenchmarks(&reporter, nullptr, "all");
  benchmark::ClearRegisteredBenchmarks();
  return std::move(reporter.results);
}

}  // namespace sigmax_bench
