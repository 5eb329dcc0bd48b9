# The corpus runs in every build. With SIGMAX_FUZZ (preset `fuzz`, clang) the same functions are libFuzzer's:
#   build/fuzz/tests/fuzz_c_api -max_total_time=600 scratch-directory tests/fuzz/corpus
option(SIGMAX_FUZZ "Build the fuzzers with libFuzzer (clang)" OFF)
add_executable(sigmax_replay_c_api fuzz/c_api.cpp fuzz/replay.cpp)
target_link_libraries(sigmax_replay_c_api PRIVATE sigmax::sigmax sigmax_warnings)
add_test(NAME fuzz.c_api_corpus COMMAND sigmax_replay_c_api ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus)
if(SIGMAX_FUZZ)
  add_executable(fuzz_c_api fuzz/c_api.cpp)
  target_link_libraries(fuzz_c_api PRIVATE sigmax::sigmax sigmax_warnings)
  target_link_options(fuzz_c_api PRIVATE -fsanitize=fuzzer)
endif()
