// The builds that `gate` compares, and their samples from fresh processes that take turns.
#pragma once

#include "process.hpp"
#include "progress.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace sigmax_bench {

struct gate_side {
  std::string path;                      // of the bench program that runs
  std::vector<std::string> environment;  // for a build of the library alone: LD_PRELOAD
  double slower = 0;                     // of the self-test: this share of the work is done twice
};

/// A bench program, a build folder that has one, or libsigmax.so for a bench that links the shared library.
gate_side side_of(const std::string& given);
/// What shows the noise floor: another file, other pages, the same code.
gate_side copy_of(const gate_side& side, const scratch_folder& folder);

struct sampling {
  int batches = 15;
  double batch_time = 0.002;  // seconds
  std::string cpus;
  std::uint64_t seed = 1;
  std::size_t cases_a_process = 6;
};

/// What a side says of every line before anything is timed.
struct probed {
  nlohmann::ordered_json machine;
  std::vector<std::string> names, problems, wrong;  // one a line; problems and wrong mostly ""
  std::vector<std::optional<double>> instructions;
};
probed probe(const gate_side& side, const std::vector<std::string>& lines, bool verify, const sampling& how);

/// Instructions a call by callgrind, with the ISA capped at what it knows; nothing if there is no valgrind.
std::optional<double> callgrind_instructions(const gate_side& side, const std::string& line);

class sampler {
 public:
  sampler(std::vector<gate_side> sides, std::vector<std::string> lines, sampling how);

  /// `blocks` more samples of these lines for every side: in each block the sides run one after the other in random
  /// order, all with the same order of cases.
  void measure(const std::vector<std::size_t>& which, int blocks, progress& shown);
  void forget(std::size_t line);

  /// ns a call, one a block.
  const std::vector<double>& times(std::size_t side, std::size_t line) const { return times_[side][line]; }
  const std::vector<std::vector<double>>& calibration() const { return calibration_; }

 private:
  void run(std::size_t side, const std::vector<std::size_t>& which, std::uint64_t order);

  std::vector<gate_side> sides_;
  std::vector<std::string> lines_;
  sampling how_;
  std::mt19937_64 random_;
  std::vector<std::vector<std::vector<double>>> times_;
  std::vector<std::vector<double>> calibration_;
};

/// Share of the machine's time since `before` that its hypervisor gave to others.
struct steal_clock {
  double steal = 0, all = 0;
  static steal_clock now();
  double share_since(const steal_clock& before) const;
};

}  // namespace sigmax_bench
