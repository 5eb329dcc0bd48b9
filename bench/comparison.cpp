#include "comparison.hpp"

#include "arguments.hpp"
#include "interrupt.hpp"
#include "kernel_call.hpp"
#include "naive.hpp"
#include "naive_rows.hpp"
#include "operands.hpp"
#include "threads.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <memory>

namespace sigmax_bench {
namespace {

// Cases that share their roofs are timed together: same elements, dtype, threads, and in place or not.
bool together(const bench_case& a, const bench_case& b) {
  return a.size.elements() == b.size.elements() && a.type == b.type && a.threads == b.threads &&
         a.in_place == b.in_place && a.cold == b.cold;
}

// For what does not ask where in a batch a row lies.
extent rows_at_once(const extent& size) { return {size.rows * size.batch, size.cols}; }

class group_run {
 public:
  group_run(comparison& into, operands& memory) : into_(into), memory_(memory) {}

  void add(outcome o, progress& shown) {
    shown.working_on("verifying " + o.what.name());
    o.checked = verify(o.what, memory_);
    outcomes_.push_back(std::move(o));
  }

  void time(const measure_settings& settings, progress& shown) {
    for (outcome& o : outcomes_) {
      if (!o.checked.ok) continue;
      add_roofs(o);
      add_naive(o);
      add_peers(o, shown);
      kernels_.push_back(&o);
      calls_.push_back(kernel_of(o.what));
    }
    if (kernels_.empty()) return;
    // Yardsticks were appended behind the kernels' calls in `extra_calls_`.
    const std::size_t first_extra = calls_.size();
    calls_.insert(calls_.end(), extra_calls_.begin(), extra_calls_.end());
    const std::vector<samples> times = measure(calls_, settings, shown);
    for (std::size_t i = 0; i < kernels_.size(); ++i) kernels_[i]->time = times[i];
    for (std::size_t i = 0; i < extra_calls_.size(); ++i) {
      into_.yardsticks[first_yardstick_ + i].time = times[first_extra + i];
    }
  }

  void finish() {
    for (outcome& o : outcomes_) into_.outcomes.push_back(std::move(o));
  }

 private:
  timed_call kernel_of(const bench_case& c) {
    timed_call timed{c.name(), [call = kernel_call(c, memory_)] { static_cast<void>(call()); }};
    timed.restore = before(c);
    return timed;
  }

  // What must happen, untimed, before every call; empty if nothing must.
  std::function<void()> before(const bench_case& c) const {
    if (!c.in_place && !c.cold) return {};
    return [this, &c] {
      if (c.in_place) memory_.restore(c);
      if (c.cold) memory_.evict(c);
    };
  }

  // Under the conditions of `c`, but for the restoring: a yardstick may destroy its input.
  int add_yardstick(const bench_case& c, yardstick y, std::function<void()> call) {
    timed_call timed{y.name, std::move(call)};
    if (c.cold) timed.restore = [this, &c] { memory_.evict(c); };
    extra_calls_.push_back(std::move(timed));
    into_.yardsticks.push_back(std::move(y));
    return static_cast<int>(into_.yardsticks.size()) - 1;
  }

  void add_roofs(outcome& o) {
    const bench_case& c = o.what;
    if (!has_roofs_) {
      has_roofs_ = true;
      for (std::size_t k = 0; k < copy_kind_count; ++k) {
        const copy_kind kind = copy_kinds[k];
        if (!has_copy(kind, c.in_place)) continue;
        const std::int64_t bytes = c.size.elements() * size_of(c.type);
        const std::string name = fmt::format("{}/{}/{}/{}t{}", name_of(kind), name_of(c.type),
                                             format_size(c.size.elements()), c.threads, c.form());
        const void* source = c.in_place ? memory_.y() : memory_.x();
        roofs_[k] = add_yardstick(c, {"roof", name, 2 * bytes, c.size.elements()},
                                  [=, this, threads = c.threads] { copy(kind, source, memory_.y(), bytes, threads); });
      }
    }
    o.copies = roofs_;
  }

  // One for all ISAs. Naive loops are up to 100 times slower than ours, so big tensors are walked in slices of 4 Mi
  // elements, a new slice every call: as cold as the whole, and affordable.
  void add_naive(outcome& o) {
    const bench_case& c = o.what;
    if (const outcome* other = same_elsewhere(c)) {
      o.naive = other->naive;
      return;
    }
    const bool rows = c.op.by_rows();
    const std::int64_t count = rows ? c.size.all_rows() : c.size.elements();  // rows or elements
    const std::int64_t cols = rows ? c.size.cols : 1;
    const std::int64_t slice = std::clamp<std::int64_t>((std::int64_t{4} << 20) / cols, 1, count);
    const auto loop = naive_loop(c, cols);
    if (!loop) return;
    const auto call = [=, threads = c.threads, at = std::int64_t{0}]() mutable {
      const std::int64_t first = at;
      for_slices(threads, slice, rows ? 1 : 16,
                 [&](std::int64_t begin, std::int64_t end) { loop(first + begin, first + end); });
      at = at + 2 * slice <= count ? at + slice : 0;
    };
    const std::int64_t elements = slice * cols;
    const std::string name =
        fmt::format("naive:{}/{}/{}/{}t{}", c.op.name(), name_of(c.type), c.size.name(), c.threads, c.form());
    const double share = static_cast<double>(slice) / static_cast<double>(count);
    const auto bytes = static_cast<std::int64_t>(static_cast<double>(c.bytes()) * share);
    o.naive = add_yardstick(c, {"naive", name, bytes, elements}, call);
  }

  // Elements or rows [begin, end) of the case; empty where nobody has written it.
  std::function<void(std::int64_t, std::int64_t)> naive_loop(const bench_case& c, std::int64_t cols) const {
    if (c.op.by_rows() && !c.op.plain_softmax()) {
      return [this, &c, call = kernel_call(c, memory_)](std::int64_t begin, std::int64_t end) {
        run_naive_rows(c, memory_, call.rows(), begin, end);
      };
    }
    if (!run_naive(c.op, c.type, nullptr, nullptr, nullptr, 0, 0, cols)) return {};
    return [=, this, op = c.op, type = c.type](std::int64_t begin, std::int64_t end) {
      run_naive(op, type, memory_.x(), memory_.dy(), memory_.y(), begin, end, cols);
    };
  }

  // On the tensors of the kernels. A peer that is wrong is timed all the same: its error stands beside its time.
  void add_peers(outcome& o, progress& shown) {
    const bench_case& c = o.what;
    if (c.type != sigmax::dtype::f32 || c.where != sigmax::backend::cpu || c.threads != 1 || c.in_place) return;
    if (const outcome* other = same_elsewhere(c); other != nullptr && other->what.where == c.where) {
      o.peers = other->peers;
      return;
    }
    for (const peer& p : into_.peers) {
      const peer_call call = c.op.options == 0 ? p.make(c.op, rows_at_once(c.size)) : peer_call{};
      if (!call) {
        o.peers.push_back(-1);
        continue;
      }
      const std::string name =
          fmt::format("{}:{}/{}/{}/{}t{}", p.name, c.op.name(), name_of(c.type), c.size.name(), 1, c.form());
      shown.working_on("checking " + name);
      const double error = verify(c, memory_, call).max_error;
      o.peers.push_back(add_yardstick(c, {"peer", name, c.bytes(), c.size.elements(), {}, error}, [=, this] {
        call(static_cast<const float*>(memory_.x()), static_cast<float*>(memory_.y()));
      }));
    }
  }

  // On another ISA or tier of accuracy.
  const outcome* same_elsewhere(const bench_case& c) const {
    const auto same = [&](const outcome* other) {
      return other->what.op.computes_the_same_as(c.op) && other->what.size == c.size;
    };
    const auto found = std::find_if(kernels_.begin(), kernels_.end(), same);
    return found == kernels_.end() ? nullptr : *found;
  }

  comparison& into_;
  operands& memory_;
  std::deque<outcome> outcomes_;  // a deque: calls keep pointers to their cases
  std::vector<outcome*> kernels_;
  std::vector<timed_call> calls_, extra_calls_;
  std::size_t first_yardstick_ = into_.yardsticks.size();
  bool has_roofs_ = false;
  std::array<int, copy_kind_count> roofs_ = outcome::no_copies;
};

}  // namespace

bool comparison::all_correct() const {
  return std::all_of(outcomes.begin(), outcomes.end(), [](const outcome& o) { return o.checked.ok; });
}

int comparison::noisy() const {
  return static_cast<int>(
      std::count_if(outcomes.begin(), outcomes.end(), [](const outcome& o) { return o.time.spread() > noisy_spread; }));
}

double comparison::ns_per_element(const outcome& o) const {
  return o.time.median() / static_cast<double>(o.what.size.elements());
}

double comparison::bytes_per_second(const outcome& o) const {
  return o.time.empty() ? 0 : static_cast<double>(o.what.bytes()) / o.time.median() * 1e9;
}

double comparison::roof(const outcome& o, bool nontemporal) const {
  double best = 0;
  for (std::size_t k = 0; k < copy_kind_count; ++k) {
    if (o.copies[k] < 0 || bypasses_caches(copy_kinds[k]) != nontemporal) continue;
    const yardstick& y = yardsticks[static_cast<std::size_t>(o.copies[k])];
    if (!y.time.empty()) best = std::max(best, y.bytes_per_second());
  }
  return best;
}

double comparison::vs_naive(const outcome& o) const {
  if (o.naive < 0 || o.time.empty()) return 0;
  const yardstick& y = yardsticks[static_cast<std::size_t>(o.naive)];
  return y.time.empty() ? 0 : y.ns_per_element() / ns_per_element(o);
}

const yardstick* comparison::of_peer(const outcome& o, std::size_t peer) const {
  if (peer >= o.peers.size() || o.peers[peer] < 0) return nullptr;
  const yardstick& y = yardsticks[static_cast<std::size_t>(o.peers[peer])];
  return y.time.empty() ? nullptr : &y;
}

double comparison::vs_peer(const outcome& o, std::size_t peer) const {
  const yardstick* y = of_peer(o, peer);
  return y == nullptr || o.time.empty() ? 0 : y->ns_per_element() / ns_per_element(o);
}

double comparison::vs_first(const outcome& o) const {
  for (const outcome& first : outcomes) {
    const bench_case &a = first.what, &b = o.what;
    if (a.op != b.op || a.type != b.type || a.size != b.size || a.in_place != b.in_place || a.cold != b.cold) continue;
    return first.time.empty() || o.time.empty() ? 0 : first.time.median() / o.time.median();
  }
  return 0;
}

comparison compare_cases(std::span<const bench_case> cases, const std::vector<peer>& peers,
                         const measure_settings& settings, progress& shown) {
  std::vector<std::vector<const bench_case*>> groups;
  for (const bench_case& c : cases) {
    const auto same = [&](const auto& group) { return together(*group.front(), c); };
    const auto found = std::find_if(groups.begin(), groups.end(), same);
    (found == groups.end() ? groups.emplace_back() : *found).push_back(&c);
  }

  comparison result{.peers = peers};
  operands memory(cases);
  std::size_t done = 0;
  for (std::size_t g = 0; g < groups.size() && !interrupted(); ++g) {
    const bench_case& c = *groups[g].front();
    shown.part(done, done + groups[g].size(), cases.size());
    done += groups[g].size();
    shown.enter(fmt::format("{}/{} {} {} {}t, {} cases", g + 1, groups.size(), name_of(c.type),
                            format_size(c.size.elements()), c.threads, groups[g].size()));
    group_run run(result, memory);
    for (const bench_case* one : groups[g]) {
      if (!interrupted()) run.add({*one, {}, {}}, shown);
    }
    run.time(settings, shown);
    run.finish();
  }
  result.complete = !interrupted();
  return result;
}

}  // namespace sigmax_bench
