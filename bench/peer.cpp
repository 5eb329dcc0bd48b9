#include "peer.hpp"

#include "command.hpp"
#include "naive.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace sigmax_bench {

// One file a library in peers/; CMakeLists.txt defines the names of those it found, those for one ISA widest first.
#define SIGMAX_BENCH_PEER(name) peer name##_peer();
#define SIGMAX_BENCH_LOOPS(name, isa) peer_loops name##_##isa();
SIGMAX_BENCH_PEERS
#undef SIGMAX_BENCH_PEER
#undef SIGMAX_BENCH_LOOPS

namespace {

using loop = decltype(run_naive);

template <loop* run>
peer_call from_loop(const operation& op, const extent& size) {
  const std::int64_t cols = size.cols, count = op.by_rows() ? size.rows : size.elements();
  if (op.takes_dy()) return {};
  if (!run(op, sigmax::dtype::f32, nullptr, nullptr, nullptr, 0, 0, cols)) return {};
  return [=](const float* x, float* y) { run(op, sigmax::dtype::f32, x, nullptr, y, 0, count, cols); };
}

template <peer_loops (*loops)()>
peer_call from_isa(const operation& op, const extent& size) {
  const peer_loop run = loops().find(op);
  if (run == nullptr) return {};
  const std::int64_t rows = std::max<std::int64_t>(1, size.rows);
  return [=, cols = size.cols](const float* x, float* y) { run(x, y, rows, cols); };
}

std::vector<peer> found() {
  std::vector<peer> all{{"libm", "the naive loop", from_loop<run_naive>}};
#ifdef SIGMAX_BENCH_LIBMVEC
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back({"libmvec", "the naive loop with -ffast-math -mavx2", from_loop<run_naive_libmvec>});
#endif
  [[maybe_unused]] const auto has = [&](std::string_view name) {
    return std::any_of(all.begin(), all.end(), [&](const peer& p) { return p.name == name; });
  };
#define SIGMAX_BENCH_PEER(name) all.push_back(name##_peer());
#define SIGMAX_BENCH_LOOPS(name, isa)                                               \
  if (!has(#name) && __builtin_cpu_supports(#isa) && __builtin_cpu_supports("fma")) \
    all.push_back({#name, name##_##isa().version + std::string(" with " #isa), from_isa<name##_##isa>});
  SIGMAX_BENCH_PEERS
#undef SIGMAX_BENCH_PEER
#undef SIGMAX_BENCH_LOOPS
  std::erase_if(all, [](const peer& p) { return p.make == nullptr; });
  return all;
}

}  // namespace

const std::vector<peer>& peers() {
  static const std::vector<peer> all = found();
  return all;
}

std::vector<peer> parse_peers(const std::vector<std::string>& words) {
  std::vector<peer> chosen;
  for (const std::string& word : words) {
    std::string names;
    bool known = word == "all";
    for (const peer& p : peers()) {
      names += (names.empty() ? "" : ", ") + p.name;
      if (word != "all" && word != p.name) continue;
      known = true;
      const auto same = [&](const peer& other) { return other.name == p.name; };
      if (std::none_of(chosen.begin(), chosen.end(), same)) chosen.push_back(p);
    }
    if (!known)
      throw usage_error(
          fmt::format("this build cannot compare with '{}': it has {} ('cmake/deps.sh --peers' and a "
                      "new build bring more)",
                      word, names));
  }
  return chosen;
}

}  // namespace sigmax_bench
