// No call allocates. Counted by standing in for the allocator of the whole program, so glibc only and not under the
// sanitizers, which do the same.
#include "harness.hpp"

#if defined(__GLIBC__) && !defined(SIGMAX_SANITIZED)

#include <sigmax/sigmax.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "every_call.hpp"
#include "pools.hpp"

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};
void count() { allocations += counting ? 1 : 0; }
}  // namespace

// glibc's own names for what stands behind these, whose parameters are named as in its manual.
extern "C" {
void* __libc_malloc(std::size_t);                 // NOLINT
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT

void* malloc(std::size_t size) noexcept { return count(), __libc_malloc(size); }
void* calloc(std::size_t nmemb, std::size_t size) noexcept { return count(), __libc_calloc(nmemb, size); }
void* realloc(void* ptr, std::size_t size) noexcept { return count(), __libc_realloc(ptr, size); }
void* memalign(std::size_t alignment, std::size_t size) noexcept { return count(), __libc_memalign(alignment, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return count(), __libc_memalign(alignment, size);
}
int posix_memalign(void** memptr, std::size_t alignment, std::size_t size) noexcept {
  count();
  *memptr = __libc_memalign(alignment, size);
  return *memptr != nullptr ? 0 : ENOMEM;
}
void* mmap(void* addr, std::size_t len, int prot, int flags, int fd, off_t offset) noexcept {
  count();
  return reinterpret_cast<void*>(syscall(SYS_mmap, addr, len, prot, flags, fd, offset));
}
}

namespace sigmax_test {
namespace {

template <class Call>
int allocations_of(Call call) {
  allocations = 0;
  counting = true;
  call();
  counting = false;
  return allocations;
}

// Runs first under ctest, a process each: what is set up once is counted too.
TEST(allocation, none_in_any_call) {
  for (auto [rows, columns] : {std::pair{3, 50}, {64, 1024}, {2, 70000}}) {
    tensors t(rows, columns);
    for (const options& how : {options{}, options{.accuracy = accuracy::fast}, options{.slice = 1, .slices = 3},
                               options{.threads = backwards(4)}}) {
      for (const named_call& call : every_call()) {
        if (columns > 1024 && std::strcmp(call.name, "top_k_gating") == 0) continue;  // its limit
        bool good = false;
        EXPECT_EQ(allocations_of([&] { good = call.run(t, how).ok(); }), 0) << call.name;
        EXPECT_TRUE(good) << call.name;
      }
    }
  }
}

TEST(allocation, none_in_any_activation) {
  tensors t(9, 500);
  for (activation op : all_activations()) {
    bool good = false;
    EXPECT_EQ(allocations_of([&] {
                good = activate(op, t.x, t.y).ok() && activation_gradient(op, t.dy, t.x, t.y).ok() &&
                       find_activation(describe(op).name).has_value();
              }),
              0)
        << describe(op).name;
    EXPECT_TRUE(good) << describe(op).name;
  }
}

TEST(allocation, none_in_explain) {
  tensors t(9, 500);
  explanation why;
  static_cast<void>(cuda_available().ok());  // the CUDA runtime allocates when it is first asked
  bool good = false;
  EXPECT_EQ(allocations_of([&] {
              good = explain(activation::gelu, t.x, t.y, {}, why).ok() && explain_softmax(t.x, t.y, 1, {}, why).ok();
            }),
            0);
  EXPECT_TRUE(good);
}

TEST(allocation, none_in_a_call_that_fails) {
  tensors t(9, 50);
  for (const named_call& call : every_call()) {
    bool good = true;
    EXPECT_EQ(allocations_of([&] { good = call.run(t, {.isa = "mmx"}).ok(); }), 0) << call.name;
    EXPECT_FALSE(good) << call.name;
  }
}

TEST(allocation, none_in_c) {
  float x[5] = {-2, -1, 0, 1, 2}, y[5];
  sigmax_status good = sigmax_status_invalid_argument, bad = sigmax_status_ok;
  EXPECT_EQ(allocations_of([&] {
              const std::int64_t shape[] = {5};
              sigmax_view in, out;
              sigmax_view_dense(&in, sizeof in, x, sigmax_dtype_f32, 1, shape);
              sigmax_view_dense(&out, sizeof out, y, sigmax_dtype_f32, 1, shape);
              good = sigmax_softmax(&in, &out, 0, nullptr);
              bad = sigmax_softmax(&in, &out, 3, nullptr);
            }),
            0);
  EXPECT_EQ(good, sigmax_status_ok);
  EXPECT_EQ(bad, sigmax_status_invalid_argument);
}

TEST(allocation, the_count_counts) {
  void* volatile seen = nullptr;  // or a compiler may leave out what is freed unused, as clang does
  EXPECT_GE(allocations_of([&] {
              const std::vector<float> some(1000);
              seen = const_cast<float*>(some.data());
            }),
            1);
  EXPECT_GE(allocations_of([&] {
              seen = std::aligned_alloc(64, 64);
              std::free(seen);
            }),
            1);
  EXPECT_GE(allocations_of([] { munmap(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096); }),
            1);
}

}  // namespace
}  // namespace sigmax_test

#endif
