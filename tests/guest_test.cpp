// A guest in someone's process: what every call leaves alone, whatever the process does around it.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "every_call.hpp"
#include "harness.hpp"
#include "pools.hpp"

namespace sigmax_test {
namespace {

/// The outputs of each call in turn.
std::vector<std::vector<unsigned char>> results(tensors& t, const options& how = {}) {
  std::vector<std::vector<unsigned char>> all;
  for (const named_call& call : every_call()) {
    t.clear();
    const status s = call.run(t, how);
    EXPECT_TRUE(s.ok()) << call.name << ": " << s.message;
    all.push_back(t.outputs());
  }
  return all;
}

// First of all calls of its process under ctest: what is read once must not show either.
TEST(guest, errno_signal_mask_and_handlers_are_left_alone) {
  tensors t(9, 130);
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const auto handlers = [] {
    std::vector<void (*)(int)> all;
    for (int signal = 1; signal < 32; ++signal) {
      struct sigaction action {};
      sigaction(signal, nullptr, &action);
      all.push_back(action.sa_handler);
    }
    return all;
  };
  const auto handlers_before = handlers();
  for (const options& how : {options{}, options{.threads = backwards(3)}}) {
    for (const named_call& call : every_call()) {
      errno = 12345;
      const bool good = call.run(t, how).ok();
      const int error = errno;
      ASSERT_TRUE(good) << call.name;
      EXPECT_EQ(error, 12345) << call.name;
      errno = 12345;
      EXPECT_FALSE(call.run(t, {.slices = -1}).ok());
      EXPECT_EQ(errno, 12345) << call.name;
    }
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signal = 1; signal < 32; ++signal)
    EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal)) << signal;
  EXPECT_EQ(handlers(), handlers_before);
}

TEST(guest, no_descriptor_and_no_thread_stays) {
  const auto count = [](const char* directory) {
    const std::filesystem::directory_iterator entries(directory);
    return std::distance(begin(entries), end(entries));
  };
  const auto descriptors = count("/proc/self/fd"), threads = count("/proc/self/task");
  tensors t(200, 1000);
  results(t);
  EXPECT_EQ(count("/proc/self/fd"), descriptors);
  EXPECT_EQ(count("/proc/self/task"), threads);
}

TEST(guest, calls_from_64_threads_at_once) {
  tensors serial(7, 300);
  const auto expected = results(serial);
  std::vector<std::thread> threads;
  std::vector<int> right(64, 0);
  threads.reserve(right.size());
  for (int& good : right) {
    threads.emplace_back([&] {
      tensors mine(7, 300);
      for (int i = 0; i < 5; ++i) good += results(mine) == expected ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::ranges::count(right, 5), 64);
}

// A caller inside its own parallel region hands on a pool, or its slice: neither changes a bit.
TEST(guest, calls_from_inside_a_parallel_region) {
  tensors serial(120, 1000);
  const auto expected = results(serial);
  std::vector<int> right(4, 0);
  const parallel_for outer = threads_of(4);
  outer.run(
      nullptr, 4,
      [](void* argument, std::int64_t i) {
        auto& [good, wanted] = *static_cast<std::pair<std::vector<int>*, decltype(&expected)>*>(argument);
        tensors mine(120, 1000);
        (*good)[static_cast<std::size_t>(i)] = results(mine, {.threads = threads_of(3)}) == *wanted ? 1 : 0;
      },
      std::make_unique<std::pair<std::vector<int>*, decltype(&expected)>>(&right, &expected).get());
  EXPECT_EQ(std::ranges::count(right, 1), 4);
}

// Nothing of the library's is lost with the threads that a child does not have.
TEST(guest, fork_after_use) {
  tensors t(120, 1000);
  const auto expected = results(t, {.threads = threads_of(4)});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);
    bool same = results(t) == expected;
#if !defined(SIGMAX_SANITIZED)  // the thread sanitizer does not allow threads here
    same = same && results(t, {.threads = threads_of(4)}) == expected;
#endif
    _exit(same ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// A handler may call what it interrupted: there is no lock to wait for.
TEST(guest, calls_inside_a_signal_handler) {
  static tensors* mine = nullptr;
  static int good = 0;
  tensors serial(3, 100), interrupted(3, 100);
  const auto expected = results(serial);
  mine = &interrupted;
  const auto previous = std::signal(SIGUSR1, [](int) {
    for (const named_call& call : every_call()) good += call.run(*mine, {}).ok() ? 1 : 0;
  });
  std::raise(SIGUSR1);
  std::signal(SIGUSR1, previous);
  EXPECT_EQ(good, std::ssize(every_call()));
  EXPECT_EQ(results(serial), expected);
}

TEST(guest, small_stacks_do) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
#if defined(SIGMAX_SANITIZED)  // the thread sanitizer takes 768 KiB of it and leaves 128
  constexpr std::size_t stack = std::size_t{2} << 20;
#else
  constexpr std::size_t stack = std::size_t{256} << 10;
#endif
  pthread_attr_setstacksize(&attributes, stack);
  tensors t(40, 1024);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    for (const named_call& call : every_call()) EXPECT_TRUE(call.run(*static_cast<tensors*>(argument), {}).ok());
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &t), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace
}  // namespace sigmax_test
