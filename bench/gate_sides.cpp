#include "gate_sides.hpp"

#include "exit_code.hpp"
#include "interrupt.hpp"
#include "output_file.hpp"
#include "statistics.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;
namespace files = std::filesystem;

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string batch_text(const std::vector<std::string>& lines, const std::vector<std::size_t>& which) {
  std::string text;
  for (const std::size_t i : which) text += lines[i] + "\n";
  return text;
}

// The JSON that `sample` prints; whatever else happens is a usage_error that names the program.
json sampled(const gate_side& side, const std::string& batch, std::vector<std::string> words) {
  const scratch_folder folder;
  write_text(folder.file("cases"), batch);
  words.insert(words.begin(), {side.path, "sample", "--batch", folder.file("cases")});
  if (side.slower > 0) words.insert(words.end(), {"--slower", fmt::format("{}", side.slower)});
  const finished done = run_process(words, side.environment);
  if (interrupted()) return {};
  if (done.status != 0)
    throw usage_error(fmt::format("'{}' ended with status {}: {}", side.path, done.status, last_line(done.err)));
  try {
    return json::parse(done.out);
  } catch (const json::exception&) {
    throw usage_error(fmt::format("'{}' is no sigmax-bench that 'gate' can use", side.path));
  }
}

// Neighbours and interrupts only ever add time, so the lower quartile of the batches is steadier than their median. The
// minimum would follow the one batch that a lucky clock had.
double quick_batch(std::vector<double> batches) {
  std::sort(batches.begin(), batches.end());
  return quantile(batches, 0.25);
}

std::size_t index_of(const std::vector<std::string>& lines, const std::string& line) {
  return static_cast<std::size_t>(std::find(lines.begin(), lines.end(), line) - lines.begin());
}

bool runnable(const files::path& p) {
  std::error_code none;
  const auto bits = files::status(p, none).permissions();
  return files::is_regular_file(p, none) && (bits & files::perms::owner_exec) != files::perms::none;
}

}  // namespace

gate_side side_of(const std::string& given) {
  std::error_code none;
  if (!files::exists(given, none)) throw usage_error(fmt::format("there is no '{}'", given));
  if (files::is_directory(given, none)) {
    for (const char* inside : {"bench/sigmax-bench", "sigmax-bench"}) {
      if (runnable(files::path(given) / inside)) return {(files::path(given) / inside).string(), {}, 0};
    }
    throw usage_error(fmt::format("'{}' has no bench/sigmax-bench: build it, or name the program", given));
  }
  const std::string absolute = files::absolute(given).string();
  if (files::path(given).filename().string().find(".so") != std::string::npos) {
#ifdef SIGMAX_SHARED
    return {own_path(), {"LD_PRELOAD=" + absolute}, 0};
#else
    throw usage_error(fmt::format(
        "'{}' is a library, and this sigmax-bench has its own inside: build it with -DBUILD_SHARED_LIBS=ON", given));
#endif
  }
  if (!runnable(given)) throw usage_error(fmt::format("'{}' is no program that can be run", given));
  return {absolute, {}, 0};
}

gate_side copy_of(const gate_side& side, const scratch_folder& folder) {
  gate_side copy = side;
  copy.path = folder.file("copy-of-base");
  files::copy_file(side.path, copy.path);
  return copy;
}

probed probe(const gate_side& side, const std::vector<std::string>& lines, bool verify, const sampling& how) {
  std::vector<std::string> words{"--batches", "0", "--machine", "--instructions"};
  if (verify) words.emplace_back("--verify");
  if (!how.cpus.empty()) words.insert(words.end(), {"--cpus", how.cpus});
  std::vector<std::size_t> all(lines.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const json answer = sampled(side, batch_text(lines, all), words);
  probed result{{},
                std::vector<std::string>(lines.size()),
                std::vector<std::string>(lines.size()),
                std::vector<std::string>(lines.size()),
                std::vector<std::optional<double>>(lines.size())};
  if (answer.is_null()) return result;  // interrupted
  result.machine = answer.value("machine", json::object());
  for (const json& c : answer.at("cases")) {
    const std::size_t i = index_of(lines, c.at("line").get<std::string>());
    if (i == lines.size()) continue;
    result.names[i] = c.value("name", "");
    result.problems[i] = c.value("problem", "");
    result.wrong[i] = c.value("wrong", "");
    if (c.contains("instructions") && c["instructions"].is_number())
      result.instructions[i] = c["instructions"].get<double>();
  }
  return result;
}

std::optional<double> callgrind_instructions(const gate_side& side, const std::string& line) {
  constexpr int calls = 4;
  const scratch_folder folder;
  write_text(folder.file("cases"), line + "\n");
  std::vector<std::string> environment = side.environment;
  environment.emplace_back("SIGMAX_ISA=avx2");  // valgrind 3.19 has no AVX-512
  const auto run = [&](int n) -> std::optional<double> {
    std::vector<std::string> words{"valgrind",
                                   "--tool=callgrind",
                                   "--callgrind-out-file=/dev/null",
                                   side.path,
                                   "sample",
                                   "--batch",
                                   folder.file("cases"),
                                   "--batches",
                                   "0",
                                   "--calls",
                                   std::to_string(n)};
    if (side.slower > 0) words.insert(words.end(), {"--slower", fmt::format("{}", side.slower)});
    const finished done = run_process(words, environment);
    const std::size_t at = done.err.find("Collected : ");
    if (done.status != 0 || at == std::string::npos) return std::nullopt;
    return std::strtod(done.err.c_str() + at + 12, nullptr);
  };
  // The difference leaves out what starting costs.
  const auto once = run(calls), twice = run(2 * calls);
  return once && twice ? std::optional((*twice - *once) / calls) : std::nullopt;
}

sampler::sampler(std::vector<gate_side> sides, std::vector<std::string> lines, sampling how)
    : sides_(std::move(sides)),
      lines_(std::move(lines)),
      how_(std::move(how)),
      random_(how_.seed),
      times_(sides_.size(), std::vector<std::vector<double>>(lines_.size())),
      calibration_(sides_.size()) {}

void sampler::run(std::size_t side, const std::vector<std::size_t>& which, std::uint64_t order) {
  std::vector<std::string> words{"--batches",    fmt::format("{}", how_.batches),
                                 "--batch-time", fmt::format("{}", how_.batch_time),
                                 "--order",      fmt::format("{}", order)};
  if (!how_.cpus.empty()) words.insert(words.end(), {"--cpus", how_.cpus});
  const json answer = sampled(sides_[side], batch_text(lines_, which), words);
  if (answer.is_null()) return;
  calibration_[side].push_back(answer.at("calibration_ns").get<double>());
  for (const json& c : answer.at("cases")) {
    const std::size_t line = index_of(lines_, c.at("line").get<std::string>());
    if (line < lines_.size() && c.contains("ns"))
      times_[side][line].push_back(quick_batch(c["ns"].get<std::vector<double>>()));
  }
}

void sampler::measure(const std::vector<std::size_t>& which, int blocks, progress& shown) {
  std::vector<std::vector<std::size_t>> groups;  // few enough that the sides meet the same moment of the machine
  for (std::size_t i = 0; i < which.size(); i += how_.cases_a_process) {
    const auto begin = which.begin() + static_cast<std::ptrdiff_t>(i);
    groups.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(std::min(how_.cases_a_process, which.size() - i)));
  }
  std::vector<std::size_t> turns(sides_.size());
  for (std::size_t s = 0; s < turns.size(); ++s) turns[s] = s;
  for (int block = 0; block < blocks; ++block) {
    std::shuffle(groups.begin(), groups.end(), random_);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      shown.done_of(static_cast<std::size_t>(block) * groups.size() + g,
                    static_cast<std::size_t>(blocks) * groups.size());
      std::shuffle(turns.begin(), turns.end(), random_);
      const std::uint64_t order = random_();
      for (const std::size_t side : turns) {
        if (interrupted()) return;
        shown.working_on(fmt::format("block {} of {}", block + 1, blocks));
        run(side, groups[g], order);
      }
    }
  }
}

void sampler::forget(std::size_t line) {
  for (auto& side : times_) side[line].clear();
}

steal_clock steal_clock::now() {
  std::ifstream in("/proc/stat");
  std::string word;
  in >> word;  // "cpu": user nice system idle iowait irq softirq steal (proc(5)), guests counted in user
  steal_clock c;
  for (int field = 0; field < 8 && in; ++field) {
    double ticks = 0;
    in >> ticks;
    c.all += ticks;
    if (field == 7) c.steal = ticks;
  }
  return c;
}

double steal_clock::share_since(const steal_clock& before) const {
  return all > before.all ? (steal - before.steal) / (all - before.all) : 0;
}

}  // namespace sigmax_bench
