// The measurement behind `run`: cases are verified, then timed side by side with the copy roofs, naive loops and peers
// of the same size and thread count.
#pragma once

#include "bench_case.hpp"
#include "measure.hpp"
#include "peer.hpp"
#include "progress.hpp"
#include "roof.hpp"
#include "verify.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sigmax_bench {

/// A copy roof, a naive loop or another library's function.
struct yardstick {
  const char* kind;  // "roof", "naive" or "peer"
  std::string name;
  std::int64_t bytes = 0;     // of one call
  std::int64_t elements = 0;  // of one call
  samples time = {};
  double max_error = 0;  // of a peer, as verdict's

  double bytes_per_second() const { return static_cast<double>(bytes) / time.median() * 1e9; }
  double ns_per_element() const { return time.median() / static_cast<double>(elements); }
};

struct outcome {
  bench_case what;
  verdict checked;
  samples time;  // empty: wrong, or interrupted before its turn
  // Positions in comparison::yardsticks; -1 where there is none.
  std::array<int, copy_kind_count> copies = no_copies;
  int naive = -1;
  std::vector<int> peers = {};  // one for each of comparison::peers; empty where they do not take part

  static constexpr std::array<int, copy_kind_count> no_copies = {-1, -1, -1, -1, -1};
};

struct comparison {
  std::vector<outcome> outcomes = {};
  std::vector<yardstick> yardsticks = {};
  std::vector<peer> peers = {};
  bool complete = true;  // false after SIGINT

  bool all_correct() const;
  int noisy() const;  // cases whose repetitions spread by more than noisy_spread
  static constexpr double noisy_spread = 0.05;
  double ns_per_element(const outcome& o) const;
  double bytes_per_second(const outcome& o) const;
  // 0 where not measured, here and below.
  double roof(const outcome& o, bool nontemporal) const;               // bytes a second of the best copy of that kind
  double vs_naive(const outcome& o) const;                             // times faster than the naive loop
  const yardstick* of_peer(const outcome& o, std::size_t peer) const;  // nullptr where not measured
  double vs_peer(const outcome& o, std::size_t peer) const;            // times faster than it
  double vs_first(const outcome& o) const;  // times faster than the first row of the same op, dtype and size
};

/// Peers take part where they can: f32 out of place on one thread of the CPU.
comparison compare_cases(std::span<const bench_case> cases, const std::vector<peer>& peers,
                         const measure_settings& settings, progress& shown);

}  // namespace sigmax_bench
