// GoogleTest's main, but 77 (skipped) and a reason where there is nothing to run on.
#include <cstdio>

#include "cuda_memory.hpp"

namespace {

const char* reason_to_skip() {
  static sigmax::status cuda = sigmax::cuda_available();
  if (!cuda.ok()) return cuda.message;
  for (const sigmax::isa_info& row : sigmax_test::usable_isas())
    if (row.fma) return nullptr;
  return "this CPU has no FMA: its bits are others";
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  if (const char* why = reason_to_skip()) {
    std::printf("skipped: %s\n", why);
    return 77;
  }
  return RUN_ALL_TESTS();
}
