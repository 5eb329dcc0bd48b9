# The packages that sigmax is built from. One line each, at the end; README.md here says how to add one.
#
# An installed package wins. Where it is missing or too old, SIGMAX_FETCH_DEPENDENCIES=ON takes the
# pinned upstream commit instead; a commit hash is also a checksum of what it names.

option(SIGMAX_FETCH_DEPENDENCIES "Fetch missing dependencies from upstream with git (pinned commits)" OFF)

# Makes the imported targets of package `name` available, at least at `version` (same major version
# where the package itself says so); else builds it from `commit` of `repository`.
function(sigmax_dependency name version repository commit)
  find_package(${name} ${version} CONFIG QUIET)
  if(${name}_FOUND)
    message(STATUS "${name} ${${name}_VERSION}: ${${name}_DIR}")
    return()
  endif()

  if(SIGMAX_FETCH_DEPENDENCIES)
    message(STATUS "${name}: fetching ${commit} of ${repository}")
    include(FetchContent)
    # A SOURCE_SUBDIR without a CMakeLists.txt: only download here. The subdirectory is added by
    # hand, because only add_subdirectory can keep it out of "all" and "install" before CMake 3.28.
    FetchContent_Declare(${name} GIT_REPOSITORY ${repository} GIT_TAG ${commit} SOURCE_SUBDIR no_such_directory)
    FetchContent_MakeAvailable(${name})
    string(TOLOWER ${name} lower)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # option() respects the variables below
    set(BUILD_SHARED_LIBS OFF)
    set(BUILD_TESTING OFF)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_WERROR OFF)
    add_subdirectory(${${lower}_SOURCE_DIR} ${${lower}_BINARY_DIR} EXCLUDE_FROM_ALL SYSTEM)
    return()
  endif()

  set(seen "none found")
  if(${name}_CONSIDERED_VERSIONS)
    list(JOIN ${name}_CONSIDERED_VERSIONS ", " seen)
    set(seen "found only ${seen}")
  endif()
  message(FATAL_ERROR "sigmax needs ${name} >= ${version} (${seen}).\n"
    "Run cmake/deps.sh, which needs no root, and configure with a preset or with "
    "-DCMAKE_PREFIX_PATH=<repository>/.deps/usr; or set -DSIGMAX_FETCH_DEPENDENCIES=ON; "
    "or install it and name its place in CMAKE_PREFIX_PATH.")
endfunction()

# name, minimum version, upstream, the commit of a release tag (in the comment)
set(XSIMD_ENABLE_XTL_COMPLEX OFF)  # Debian's xsimd asks for xtl otherwise, for complex numbers
sigmax_dependency(xsimd 14.3 https://github.com/xtensor-stack/xsimd.git
  e88a72831858123924f7118f345dfe5d70d95991)  # 14.3.0

if((SIGMAX_BUILD_TESTS OR NOT DEFINED SIGMAX_BUILD_TESTS) AND NOT CMAKE_CROSSCOMPILING)
  sigmax_dependency(GTest 1.12 https://github.com/google/googletest.git
    52eb8108c5bdec04579160ae17225d66034bd723)  # v1.17.0
endif()

if(SIGMAX_BUILD_BENCH OR NOT DEFINED SIGMAX_BUILD_BENCH)
  sigmax_dependency(benchmark 1.7 https://github.com/google/benchmark.git
    eddb0241389718a23a42db6af5f0164b6e0139af)  # v1.9.4
  sigmax_dependency(CLI11 2.1 https://github.com/CLIUtils/CLI11.git
    4160d259d961cd393fd8d67590a8c7d210207348)  # v2.5.0
  sigmax_dependency(nlohmann_json 3.11 https://github.com/nlohmann/json.git
    9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03)  # v3.11.3
  sigmax_dependency(fmt 9.1 https://github.com/fmtlib/fmt.git
    40626af88bd7df9a5fb80be7b25ac85b122d6c21)  # 11.2.0
endif()
