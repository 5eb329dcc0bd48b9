// A small inference engine with sigmax in it: the program to kernels/INTEGRATION.md. It has its own threads, its own
// memory and its own errors, and checks that the results do not depend on how the work was shared.
#include <sigmax/sigmax.hpp>

#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace engine {

/// A pool of the engine's: workers that wait for a job, whose parts they take one by one. The caller takes part.
class pool {
 public:
  explicit pool(int threads) : start_(threads), end_(threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  ~pool() {
    stop_ = true;
    start_.arrive_and_wait();
    for (std::thread& worker : workers_) worker.join();
  }
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  /// All that sigmax wants to know of it. Captureless, so it is a plain function; the pool itself is the context.
  sigmax::parallel_for for_sigmax() {
    return {[](void* self, std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
              static_cast<pool*>(self)->run(tasks, task, argument);
            },
            this, static_cast<std::int32_t>(workers_.size() + 1)};
  }

 private:
  void run(std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
    task_ = task, argument_ = argument, tasks_ = tasks, next_ = 0;
    start_.arrive_and_wait();
    take();
    end_.arrive_and_wait();
  }
  void work() {
    for (;;) {
      start_.arrive_and_wait();
      if (stop_) return;
      take();
      end_.arrive_and_wait();
    }
  }
  void take() {
    for (std::int64_t i = next_++; i < tasks_; i = next_++) task_(argument_, i);
  }

  std::vector<std::thread> workers_;
  std::barrier<> start_, end_;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> next_{0};
  std::int64_t tasks_ = 0;
  void (*task_)(void*, std::int64_t) = nullptr;
  void* argument_ = nullptr;
};

/// Memory that is planned once: kernels take pieces of it, and nothing allocates while the model runs.
class arena {
 public:
  explicit arena(std::size_t floats) : memory_(std::make_unique<float[]>(floats)), left_(floats) {}
  sigmax::view tensor(std::initializer_list<std::int64_t> shape) {
    std::size_t count = 1;
    for (std::int64_t n : shape) count *= static_cast<std::size_t>(n);
    if (count > left_) return {};
    left_ -= count;
    return {memory_.get() + left_, sigmax::dtype::f32, shape};
  }

 private:
  std::unique_ptr<float[]> memory_;
  std::size_t left_;
};

/// sigmax's status in the engine's words. The message is the thread's, so it is copied before the next call.
struct error {
  int code = 0;
  std::string text;
};
error to_error(const sigmax::status& s) {
  return s ? error{} : error{static_cast<int>(s.code), std::string("sigmax: ") + s.message};
}

}  // namespace engine

namespace {

constexpr std::int64_t heads = 4, tokens = 96, width = 256;

/// Attention weights of a causal layer, in place, then an activation: what a block of a transformer needs of sigmax.
engine::error block(const sigmax::view& scores, const sigmax::view& hidden, const sigmax::options& how) {
  const sigmax::softmax_form causal{.scale = 0.125f, .causal = true};
  if (const sigmax::status s = sigmax::softmax_fused(scores, scores, -1, causal, how); !s) return engine::to_error(s);
  return engine::to_error(sigmax::activate(sigmax::activation::silu, hidden, hidden, how));
}

struct tensors {
  engine::arena memory{heads * tokens * tokens + tokens * width};
  sigmax::view scores = memory.tensor({heads, tokens, tokens}), hidden = memory.tensor({tokens, width});
  tensors() {
    for (std::int64_t i = 0; i < heads * tokens * tokens; ++i) numbers(scores)[i] = std::sin(static_cast<float>(i)) * 9;
    for (std::int64_t i = 0; i < tokens * width; ++i) numbers(hidden)[i] = std::cos(static_cast<float>(i)) * 4;
  }
  static float* numbers(const sigmax::view& v) { return static_cast<float*>(v.data); }
  bool operator==(const tensors& other) const {
    return std::equal(numbers(scores), numbers(scores) + heads * tokens * tokens, numbers(other.scores)) &&
           std::equal(numbers(hidden), numbers(hidden) + tokens * width, numbers(other.hidden));
  }
};

bool expect(bool good, const char* what) {
  if (!good) std::printf("wrong: %s\n", what);
  return good;
}

}  // namespace

int main() {
  tensors serial;
  bool good = expect(block(serial.scores, serial.hidden, {}).code == 0, "serial");

  // The engine's pool does the parts.
  engine::pool pool(3);
  tensors pooled;
  good = expect(block(pooled.scores, pooled.hidden, {.threads = pool.for_sigmax()}).code == 0, "pool") && good;
  good = expect(pooled == serial, "the pool changed bits") && good;

  // Or each of the engine's threads makes the same call with its own slice, as ggml's threads do. Every operator needs
  // a barrier behind it where the next one reads what other slices wrote; these two share nothing.
  tensors sliced;
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::atomic<int> failures{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&sliced, &failures, i] {
      failures += block(sliced.scores, sliced.hidden, {.slice = i, .slices = 4}).code != 0 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  good = expect(failures == 0 && sliced == serial, "slices changed bits") && good;

  // A mistake is a status; nothing was written.
  const engine::error wrong = block(serial.scores, serial.hidden, {.isa = "pentium"});
  good = expect(wrong.code != 0 && wrong.text.find("pentium") != std::string::npos, "no words for a mistake") && good;
  good = expect(pooled == serial, "a refused call wrote") && good;
  std::puts(good ? wrong.text.c_str() : "failed");
  return good ? 0 : 1;
}
