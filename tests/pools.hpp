// Two implementations of options::threads: real threads, and one thread that runs the tasks in the wrong order. Tests
// with real ones say thread, pool or parallel in their names, by which the preset `threads` finds them.
#pragma once

#include <sigmax/sigmax.hpp>

#include <thread>
#include <vector>

namespace sigmax_test {

inline sigmax::parallel_for threads_of(int n) {
  return {[](void*, std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
            std::vector<std::thread> threads;
            for (std::int64_t i = 0; i < tasks; ++i) threads.emplace_back(task, argument, i);
            for (std::thread& t : threads) t.join();
          },
          nullptr, n};
}

inline sigmax::parallel_for backwards(int n) {
  return {[](void*, std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
            for (std::int64_t i = tasks; i-- > 0;) task(argument, i);
          },
          nullptr, n};
}

}  // namespace sigmax_test
