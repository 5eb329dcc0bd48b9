// Buffers that end, or begin, at a page nobody may touch: a read or write outside a view kills the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include "harness.hpp"

namespace sigmax_test {

/// Readable pages between two forbidden ones.
class fenced {
 public:
  explicit fenced(std::size_t bytes) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    inside_ = (bytes + page_ - 1) / page_ * page_ + page_;
    base_ = static_cast<std::byte*>(mmap(nullptr, inside_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(base_ + page_, inside_, PROT_READ | PROT_WRITE), 0);
  }
  ~fenced() { munmap(base_, inside_ + 2 * page_); }
  fenced(const fenced&) = delete;
  fenced& operator=(const fenced&) = delete;
  std::byte* first() const { return base_ + page_; }
  std::byte* end() const { return base_ + page_ + inside_; }

 private:
  std::size_t page_, inside_;
  std::byte* base_;
};

}  // namespace sigmax_test
