# The corpus runs in every build. With SIGMAX_FUZZ (preset `fuzz`, clang) the same functions are libFuzzer's:
#   build/fuzz/tests/fuzz_c_api -max_total_time=600 scratch-directory tests/fuzz/corpus
option(SIGMAX_FUZZ "Build the fuzzers with libFuzzer (clang)" OFF)

# sigmax_fuzzer(name corpus [LIBRARIES more]): fuzz/<name>.cpp as sigmax_replay_<name>, fuzz_<name> and the
# test fuzz.<name>.
function(sigmax_fuzzer name corpus)
  cmake_parse_arguments(ARG "" "" "LIBRARIES" ${ARGN})
  set(programs sigmax_replay_${name})
  add_executable(sigmax_replay_${name} fuzz/${name}.cpp fuzz/replay.cpp)
  if(SIGMAX_FUZZ)
    list(APPEND programs fuzz_${name})
    add_executable(fuzz_${name} fuzz/${name}.cpp)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  endif()
  foreach(program ${programs})
    target_link_libraries(${program} PRIVATE sigmax::sigmax sigmax_warnings ${ARG_LIBRARIES})
  endforeach()
  add_test(NAME fuzz.${name} COMMAND sigmax_replay_${name} ${corpus})
endfunction()

sigmax_fuzzer(c_api ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus)
foreach(program sigmax_replay_c_api fuzz_c_api)
  if(TARGET ${program})
    target_link_options(${program} PRIVATE LINKER:--wrap=_ZN6sigmax17cache_share_bytesEv)  # as c_api.cpp tells
  endif()
endforeach()
if(TARGET sigmax-bench)
  sigmax_fuzzer(results ${PROJECT_SOURCE_DIR}/bench/results LIBRARIES sigmax_bench_results)
  sigmax_fuzzer(readers ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/readers LIBRARIES sigmax_bench_readers)
endif()
