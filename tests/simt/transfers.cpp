// Takes the place of what cuda/launch.cpp does for host tensors.
#include "transfers.hpp"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <set>
#include <utility>

#include "../../cuda/transfer.hpp"

namespace sigmax_test {
fake_runtime runtime;

namespace {

struct fake_stream {
  std::deque<std::function<sigmax::status()>> work;
  sigmax::status fault;

  void do_one() {
    const sigmax::status s = work.front()();
    work.pop_front();
    if (fault.ok()) fault = s;
  }
};
std::set<fake_stream*> streams;

/// Whether this call of the runtime works.
sigmax::status called(const char* what) {
  if (runtime.calls++ != runtime.fails_at) return {};
  return sigmax::failure(sigmax::status_code::backend_error, "%s: refused by the test", what);
}

void some_work() {
  static std::minstd_rand random(7);
  for (fake_stream* s : streams)
    for (auto n = random() % 3; n > 0 && !s->work.empty(); --n) s->do_one();
}

sigmax::status allocate(const char* what, std::int64_t bytes, void*& memory) {
  if (sigmax::status s = called(what); !s) return s;
  ++runtime.allocations;
  ++runtime.alive;
  memory = std::aligned_alloc(256, static_cast<std::size_t>(bytes));
  std::memset(memory, 0xcd, static_cast<std::size_t>(bytes));
  return {};
}

sigmax::status free(const char* what, void* memory) {
  const sigmax::status s = called(what);  // freed all the same: CUDA's faults here are those of earlier work
  runtime.alive -= memory != nullptr;
  std::free(memory);
  return s;
}

sigmax::status copy(const char* what, void* to, const void* from, std::int64_t bytes, void* stream) {
  if (sigmax::status s = called(what); !s) return s;
  enqueue(stream, [=] {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
    return sigmax::status{};
  });
  return {};
}

}  // namespace

bool enqueue(void* stream, std::function<sigmax::status()> work) {
  auto* s = static_cast<fake_stream*>(stream);
  if (!streams.contains(s)) return false;
  s->work.push_back(std::move(work));
  int busy = 0;
  for (fake_stream* each : streams) busy += !each->work.empty();
  runtime.overlapped = runtime.overlapped || busy > 1;
  if (runtime.when == moment::at_once) s->do_one();
  if (runtime.when == moment::at_random) some_work();
  return true;
}

bool idle() {
  for (fake_stream* s : streams)
    if (!s->work.empty()) return false;
  return true;
}

}  // namespace sigmax_test

namespace sigmax {

using namespace sigmax_test;

status current_device(int& device) noexcept {
  device = runtime.ordinal;
  return {};
}
status allocate_pinned(std::int64_t bytes, void*& memory) noexcept { return allocate("pinned memory", bytes, memory); }
status allocate_on_device(std::int64_t bytes, void*& memory) noexcept { return allocate("memory", bytes, memory); }
status free_pinned(void* memory) noexcept { return sigmax_test::free("pinned memory", memory); }
status free_on_device(void* memory) noexcept { return sigmax_test::free("memory", memory); }

status create_stream(void*& stream) noexcept {
  if (status s = called("stream"); !s) return s;
  ++runtime.alive;
  ++runtime.allocations;
  stream = *streams.insert(new fake_stream).first;
  return {};
}
status destroy_stream(void* stream) noexcept {
  if (stream == nullptr) return {};
  const status s = called("stream");
  --runtime.alive;
  streams.erase(static_cast<fake_stream*>(stream));
  delete static_cast<fake_stream*>(stream);
  return s;
}

status copy_to_device(void* to, const void* from, std::int64_t bytes, void* stream) noexcept {
  return sigmax_test::copy("copy to the device", to, from, bytes, stream);
}
status copy_from_device(void* to, const void* from, std::int64_t bytes, void* stream) noexcept {
  return sigmax_test::copy("copy from the device", to, from, bytes, stream);
}
void settle(void* stream) noexcept {
  auto* s = static_cast<fake_stream*>(stream);
  while (!s->work.empty()) s->do_one();
  s->fault = {};
}
status wait_for(void* stream) noexcept {
  if (status s = called("work on the device"); !s) return s;
  if (runtime.waits++ == runtime.forgotten_wait) return {};
  auto* s = static_cast<fake_stream*>(stream);
  while (!s->work.empty()) s->do_one();
  return std::exchange(s->fault, {});
}

}  // namespace sigmax
