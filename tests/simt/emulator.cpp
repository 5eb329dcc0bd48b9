#include "emulator.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1  // as g++ says it
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) (static_cast<void>(address), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) (static_cast<void>(address), static_cast<void>(bytes))
#endif

// void simt_switch(void** save, void* load): leaves the registers that a call preserves on the stack, its pointer in
// *save, and continues on the stack `load`. swapcontext does the same with two system calls.
extern "C" void simt_switch(void** save, void* load);
#if defined(__x86_64__)
asm(R"(
  .text
  .globl simt_switch
  .type simt_switch, @function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size simt_switch, .-simt_switch
)");
constexpr std::size_t saved_words = 8, return_word = 6;  // six registers, the return address, a word that aligns
#elif defined(__aarch64__)
asm(R"(
  .text
  .globl simt_switch
  .type simt_switch, %function
simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size simt_switch, .-simt_switch
)");
constexpr std::size_t saved_words = 20, return_word = 11;
#else
#error "tests/simt/emulator.cpp needs a stack switch for this processor"
#endif

namespace simt {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr std::size_t shared_bytes = 227 * 1024;  // a block's most on sm_90
constexpr std::size_t gap = 64;                   // between two shared variables
constexpr std::uint64_t stack_end_mark = 0x5e5e5e5e5e5e5e5e;

enum class wait { none, warp, block, cluster };

struct cuda_thread {
  dim3 index;
  unsigned block, lane, warp;  // warp: within the cluster
  std::unique_ptr<std::byte[]> stack;
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;
  wait waiting = wait::none;
  bool done = false;
  bool arrived = false, owes_wait = false;  // at the cluster's barrier
  unsigned mask = 0, source = 0, ballot = 0;
  std::uint64_t given = 0, taken = 0;
  std::vector<std::pair<void*, const void*>> copies;  // on their way
  std::vector<std::size_t> groups;                    // the first so many of them are closed in groups of so many
  const char* file = "";
  int line = 0;
};
struct cuda_warp {
  unsigned live = 0, arrived = 0;
};
struct cuda_block {
  dim3 index;
  unsigned live = 0, arrived = 0;
  bool started = false;
  std::unique_ptr<std::byte[]> shared;
};

struct cluster {
  const launch* shape;
  const std::function<void()>* body;
  schedule order;
  std::mt19937_64 random;
  std::uint8_t garbage;

  std::vector<cuda_thread> threads;
  std::vector<cuda_warp> warps;
  std::vector<cuda_block> blocks;
  unsigned threads_per_block = 0, warps_per_block = 0, live = 0, arrived = 0;
  std::vector<std::pair<const void*, std::size_t>> variables;  // where each begins
  std::vector<std::pair<std::size_t, std::size_t>> groups;     // threads that run as far as they can
  std::vector<std::size_t> ready;
  std::size_t shared_used = 0;

  cuda_thread* now = nullptr;
  void* scheduler = nullptr;
  void* scheduler_fake_stack = nullptr;
  const void* scheduler_stack = nullptr;
  std::size_t scheduler_stack_bytes = 0;
  std::string error;

  void prepare(dim3 first);
  void prepare_stack(cuda_thread& t);
  std::string go();
  void group_threads();
  bool pass(std::size_t begin, std::size_t end);
  void resume(cuda_thread& t);
  void suspend(wait kind, const char* file, int line);
  [[noreturn]] void fail(const char* what);
  void leave();
  void release_block(cuda_block& b);
  void release_cluster();
  std::string where(const cuda_thread& t) const;
  std::string deadlock() const;
};
cluster* current = nullptr;

void entry() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &current->scheduler_stack, &current->scheduler_stack_bytes);
#endif
  (*current->body)();
  current->leave();
}

void cluster::prepare_stack(cuda_thread& t) {
  if (!t.stack) t.stack.reset(new std::byte[stack_bytes]);
  ASAN_UNPOISON_MEMORY_REGION(t.stack.get(), stack_bytes);  // frames that were left for good
  std::memcpy(t.stack.get(), &stack_end_mark, sizeof stack_end_mark);
  auto top = (reinterpret_cast<std::uintptr_t>(t.stack.get()) + stack_bytes) & ~std::uintptr_t{15};
  auto* words = reinterpret_cast<std::uintptr_t*>(top) - saved_words;
  std::fill(words, words + saved_words, std::uintptr_t{0});
  words[return_word] = reinterpret_cast<std::uintptr_t>(&entry);
  t.stack_pointer = words;
}

void cluster::prepare(dim3 first) {
  threads_per_block = shape->block.x * shape->block.y * shape->block.z;
  warps_per_block = (threads_per_block + 31) / 32;
  threads.resize(std::size_t{threads_per_block} * shape->cluster);
  warps.assign(std::size_t{warps_per_block} * shape->cluster, {});
  blocks.resize(shape->cluster);
  live = static_cast<unsigned>(threads.size());
  arrived = 0;
  variables.clear();
  shared_used = (shape->dynamic_shared + 15) / 16 * 16;
  for (unsigned rank = 0; rank < shape->cluster; ++rank) {
    cuda_block& b = blocks[rank];
    if (!b.shared) b.shared.reset(new std::byte[shared_bytes]);
    b.index = {first.x + rank, first.y, first.z};
    b.live = threads_per_block;
    b.arrived = 0;
    b.started = false;
    ASAN_POISON_MEMORY_REGION(b.shared.get(), shared_bytes);
    ASAN_UNPOISON_MEMORY_REGION(b.shared.get(), shape->dynamic_shared);
    std::memset(b.shared.get(), garbage, shape->dynamic_shared);
    for (unsigned i = 0; i < threads_per_block; ++i) {
      cuda_thread& t = threads[std::size_t{rank} * threads_per_block + i];
      const unsigned x = shape->block.x, y = shape->block.y;
      t.index = {i % x, i / x % y, i / x / y};
      t.block = rank;
      t.lane = i % 32;
      t.warp = rank * warps_per_block + i / 32;
      t.waiting = wait::none;
      t.done = t.arrived = t.owes_wait = false;
      t.fake_stack = nullptr;
      ++warps[t.warp].live;
      prepare_stack(t);
    }
  }
}

void cluster::resume(cuda_thread& t) {
  now = &t;
  blocks[t.block].started = true;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake_stack, t.stack.get(), stack_bytes);
#endif
  simt_switch(&scheduler, t.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
  std::uint64_t mark;
  std::memcpy(&mark, t.stack.get(), sizeof mark);
  if (mark != stack_end_mark) error = "the stack of a thread has overflowed: " + where(t);
}

void cluster::suspend(wait kind, const char* file, int line) {
  cuda_thread& t = *now;
  t.waiting = kind;
  t.file = file;
  t.line = line;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&t.fake_stack, scheduler_stack, scheduler_stack_bytes);
#endif
  simt_switch(&t.stack_pointer, scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(t.fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

/// Ends the fiber: its stack is never continued.
void cluster::leave() {
  cuda_thread& t = *now;
  t.done = true;
  --live;
  if (t.arrived) --arrived;
  --warps[t.warp].live;
  --blocks[t.block].live;
  release_block(blocks[t.block]);
  release_cluster();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, scheduler_stack, scheduler_stack_bytes);
#endif
  simt_switch(&t.stack_pointer, scheduler);
  __builtin_unreachable();
}

void cluster::fail(const char* what) {
  error = std::string(what) + ": " + where(*now);
  for (;;) suspend(wait::none, now->file, now->line);
}

void cluster::release_block(cuda_block& b) {
  if (b.live == 0 || b.arrived != b.live) return;
  b.arrived = 0;
  const cuda_thread* first = nullptr;
  const std::size_t rank = static_cast<std::size_t>(&b - blocks.data());
  for (std::size_t i = rank * threads_per_block; i < (rank + 1) * threads_per_block; ++i) {
    cuda_thread& t = threads[i];
    if (t.done) continue;
    t.waiting = wait::none;
    if (first == nullptr) first = &t;
    if (error.empty() && (t.line != first->line || std::strcmp(t.file, first->file) != 0))
      error = "divergent barrier: " + where(*first) + " and " + where(t);
  }
}

void cluster::release_cluster() {
  if (live == 0 || arrived != live) return;
  arrived = 0;
  for (cuda_thread& t : threads) {
    t.arrived = false;
    if (t.waiting == wait::cluster) t.waiting = wait::none;
  }
}

std::string cluster::where(const cuda_thread& t) const {
  std::ostringstream out;
  const dim3 &b = blocks[t.block].index, &i = t.index;
  out << "block (" << b.x << ' ' << b.y << ' ' << b.z << ") thread (" << i.x << ' ' << i.y << ' ' << i.z << ") at "
      << t.file << ':' << t.line;
  return out.str();
}

std::string cluster::deadlock() const {
  std::string message = "deadlock";
  for (const auto& [kind, name] :
       {std::pair(wait::warp, "the warp"), {wait::block, "the block"}, {wait::cluster, "the cluster"}}) {
    const auto waits = [k = kind](const cuda_thread& t) { return !t.done && t.waiting == k; };
    if (const auto first = std::find_if(threads.begin(), threads.end(), waits); first != threads.end())
      message += "; " + std::to_string(std::count_if(threads.begin(), threads.end(), waits)) + " wait for " + name +
                 ", the first is " + where(*first);
  }
  return message;
}

/// Runs the ready threads among [begin, end) until each has waited once. False if there was none.
bool cluster::pass(std::size_t begin, std::size_t end) {
  ready.clear();
  for (std::size_t i = begin; i < end; ++i)
    if (!threads[i].done && threads[i].waiting == wait::none) ready.push_back(i);
  if (order == schedule::reverse) std::reverse(ready.begin(), ready.end());
  if (order == schedule::random) {
    std::shuffle(ready.begin(), ready.end(), random);
    ready.resize((ready.size() + 1) / 2);  // the others stay behind
  }
  for (std::size_t i : ready) {
    resume(threads[i]);
    if (!error.empty()) break;
  }
  return !ready.empty();
}

void cluster::group_threads() {
  groups.clear();
  const std::size_t all = threads.size(), size = order == schedule::greedy_warp    ? 32
                                                 : order == schedule::greedy_block ? threads_per_block
                                                                                   : all;
  for (std::size_t begin = 0; begin < all;) {
    const std::size_t block_end = size == all ? all : (begin / threads_per_block + 1) * threads_per_block;
    groups.emplace_back(begin, std::min(begin + size, block_end));
    begin = groups.back().second;
  }
}

std::string cluster::go() {
  group_threads();
  for (bool progress = true; progress && error.empty();) {
    progress = false;
    std::shuffle(groups.begin(), groups.end(), random);
    for (const auto& [begin, end] : groups)
      while (error.empty() && pass(begin, end)) progress = true;
  }
  if (error.empty() && live != 0) error = deadlock();
  for (cuda_block& b : blocks) ASAN_UNPOISON_MEMORY_REGION(b.shared.get(), shared_bytes);
  for (cuda_thread& t : threads) ASAN_UNPOISON_MEMORY_REGION(t.stack.get(), stack_bytes);
  return error;
}

}  // namespace

std::string run(const launch& shape, schedule order, std::uint64_t seed, const std::function<void()>& body) {
  const std::uint64_t threads = std::uint64_t{shape.block.x} * shape.block.y * shape.block.z;
  if (threads == 0 || threads > 1024) return "a block has 1 to 1024 threads, not " + std::to_string(threads);
  if (shape.cluster == 0 || shape.cluster > 16 || shape.grid.x % shape.cluster != 0)
    return "the grid is not made of whole clusters";
  if (shape.dynamic_shared > shared_bytes) return "more shared memory than a block can have";
  if (shape.grid.x > 0x7fffffffu || shape.grid.y > 65535 || shape.grid.z > 65535) return "the grid is too large";
  cluster c;
  c.shape = &shape;
  c.body = &body;
  c.order = order;
  c.random.seed(seed);
  c.garbage = seed % 2 == 0 ? 0xff : 0x7f;  // NaN, 3.4e38
  cluster* const outer = current;
  current = &c;
  const std::uint64_t across = shape.grid.x / shape.cluster, count = across * shape.grid.y * shape.grid.z;
  std::string error;
  for (std::uint64_t n = 0; n < count && error.empty(); ++n) {
    const std::uint64_t i = order == schedule::reverse ? count - 1 - n : n;
    c.prepare({static_cast<unsigned>(i % across) * shape.cluster, static_cast<unsigned>(i / across % shape.grid.y),
               static_cast<unsigned>(i / across / shape.grid.y)});
    error = c.go();
  }
  current = outer;
  return error;
}

const dim3& thread_index() { return current->now->index; }
const dim3& block_index() { return current->blocks[current->now->block].index; }
const dim3& grid_extent() { return current->shape->grid; }
const dim3& block_extent() { return current->shape->block; }
unsigned lane() { return current->now->lane; }
unsigned cluster_rank() { return current->now->block; }
unsigned cluster_size() { return current->shape->cluster; }

void block_barrier(const char* file, int line) {
  cuda_thread& t = *current->now;
  cuda_block& b = current->blocks[t.block];
  t.file = file;
  t.line = line;
  t.waiting = wait::block;
  ++b.arrived;
  current->release_block(b);
  if (t.waiting == wait::block) current->suspend(wait::block, file, line);
}

namespace {

/// Waits until all lanes in `mask` are here; the last one hands out what each of them asked for.
cuda_thread& meet(unsigned mask, std::uint64_t value, unsigned source, const char* file, int line) {
  cluster& c = *current;
  cuda_thread& t = *c.now;
  cuda_warp& w = c.warps[t.warp];
  t.file = file;
  t.line = line;
  t.mask = mask;
  t.given = value;
  t.source = source;
  if ((mask >> t.lane & 1u) == 0) c.fail("a lane that is not in its own mask");
  if (source > 31 || (mask >> source & 1u) == 0) c.fail("reads from a lane outside the mask");
  w.arrived |= 1u << t.lane;
  if ((w.arrived & mask) != mask) {
    c.suspend(wait::warp, file, line);
    return t;
  }
  w.arrived &= ~mask;
  cuda_thread* const lanes = &t - t.lane;
  unsigned ballot = 0;
  for (unsigned i = 0; i < 32; ++i)
    if (mask >> i & 1u) ballot |= (lanes[i].given != 0 ? 1u : 0u) << i;
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1u) == 0) continue;
    if (lanes[i].mask != mask) c.fail("lanes meet with different masks");
    if (lanes[i].line != line || std::strcmp(lanes[i].file, file) != 0) c.fail("lanes meet at different places");
    lanes[i].taken = lanes[lanes[i].source].given;
    lanes[i].ballot = ballot;
    lanes[i].waiting = wait::none;
  }
  return t;
}

}  // namespace

std::uint64_t exchange(unsigned mask, std::uint64_t value, unsigned source, const char* file, int line) {
  return meet(mask, value, source, file, line).taken;
}
unsigned ballot(unsigned mask, bool predicate, const char* file, int line) {
  return meet(mask, predicate ? 1 : 0, lane(), file, line).ballot;
}
void warp_barrier(unsigned mask, const char* file, int line) { meet(mask, 0, lane(), file, line); }

void cluster_arrive(const char* file, int line) {
  cuda_thread& t = *current->now;
  t.file = file;
  t.line = line;
  if (t.owes_wait) current->fail("arrives at the cluster's barrier twice without waiting");
  t.arrived = t.owes_wait = true;
  ++current->arrived;
  current->release_cluster();
}

void cluster_wait(const char* file, int line) {
  cuda_thread& t = *current->now;
  t.file = file;
  t.line = line;
  if (!t.owes_wait) current->fail("waits for the cluster without having arrived");
  if (t.arrived) current->suspend(wait::cluster, file, line);
  t.owes_wait = false;
}

void* shared_variable(const void* key, std::size_t bytes) {
  cluster& c = *current;
  std::byte* const mine = c.blocks[c.now->block].shared.get();
  for (const auto& [known, offset] : c.variables)
    if (known == key) return mine + offset;
  const std::size_t offset = c.shared_used + gap;
  if (offset + bytes > shared_bytes) c.fail("more shared memory than a block can have");
  c.shared_used = (offset + bytes + 15) / 16 * 16;
  c.variables.emplace_back(key, offset);
  for (cuda_block& b : c.blocks) {
    ASAN_UNPOISON_MEMORY_REGION(b.shared.get() + offset, bytes);
    std::memset(b.shared.get() + offset, c.garbage, bytes);
  }
  return mine + offset;
}

void copy_to_shared(void* to, const void* from) {
  const auto places = reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from);
  if (places % 16 != 0) current->fail("an asynchronous copy from or to an address that is no multiple of 16");
  current->now->copies.emplace_back(to, from);
}
void wait_for_copies() {
  close_copies();
  wait_for_copies_but(0);
}
void close_copies() {
  cuda_thread& t = *current->now;
  t.groups.push_back(t.copies.size() - std::accumulate(t.groups.begin(), t.groups.end(), std::size_t{0}));
}
void wait_for_copies_but(std::size_t n) {
  cuda_thread& t = *current->now;
  for (; t.groups.size() > n; t.groups.erase(t.groups.begin())) {
    const auto end = t.copies.begin() + static_cast<std::ptrdiff_t>(t.groups.front());
    for (auto c = t.copies.begin(); c != end; ++c) std::memcpy(c->first, c->second, 16);
    t.copies.erase(t.copies.begin(), end);
  }
}

void* dynamic_shared_memory() { return current->blocks[current->now->block].shared.get(); }

void* remote(void* mine, unsigned rank, const char* file, int line) {
  cluster& c = *current;
  c.now->file = file;
  c.now->line = line;
  if (rank >= c.blocks.size()) c.fail("no such block in the cluster");
  const cuda_block& b = c.blocks[rank];
  if (!b.started) c.fail("remote access to a block that may not have started");
  if (b.live == 0) c.fail("remote access to a block that has left");
  return b.shared.get() + (static_cast<std::byte*>(mine) - c.blocks[c.now->block].shared.get());
}

}  // namespace simt
