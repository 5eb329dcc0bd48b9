# The CPU ISA rows, best first: the only place that knows an -m flag. A row is cpu/kernels.cpp and cpu/gate_kernels.cpp
# compiled with the row's flags; each object exports one table, kernels_<name> and gate_kernels_<name>.
#
#   sigmax_isa(name xsimd-architecture condition flags...)
#
# `condition` is C++ over `cpu`, an xsimd::cpu_features; it must cover all that the flags allow the compiler to use.
set(SIGMAX_ISA_ROWS "")
# For sanitizers, which take minutes a row. The library then needs a CPU with one of them.
set(SIGMAX_ONLY_ISA "" CACHE STRING "Rows to build, such as avx2;sse2; empty: all")

function(sigmax_isa name architecture condition)
  if(SIGMAX_ONLY_ISA AND NOT name IN_LIST SIGMAX_ONLY_ISA)
    return()
  endif()
  set(target sigmax_cpu_${name})
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/cpu/kernels.cpp ${PROJECT_SOURCE_DIR}/cpu/gate_kernels.cpp)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/kernels/include)
  target_link_libraries(${target} PRIVATE xsimd sigmax_warnings sigmax_kernel_flags)
  target_compile_definitions(${target} PRIVATE SIGMAX_ISA=${name} "SIGMAX_ARCH=${architecture}")
  # -fschedule-insns: the vectors of a turn are worth more if their instructions alternate (cpu/README.md).
  # -O3 in every configuration: unoptimised, the compiler emits shared copies of inline functions, and the linker may
  # keep one row's copy for all of them, as it may where rows are optimised at link time or compiled as one file.
  # -Wno-*uninitialized: g++ 12 warns inside its own AVX-512 intrinsics.
  target_compile_options(${target} PRIVATE ${ARGN} -O3 -fno-lto -fno-exceptions -fno-rtti
    $<$<CXX_COMPILER_ID:GNU>:-fschedule-insns -fsched-pressure -Wno-maybe-uninitialized -Wno-uninitialized>)
  if(SIGMAX_SANITIZE MATCHES "address|undefined")
    # Without these checks g++ 12 takes a minute a row, with them more than five, and 3 GB. Nothing in a row outlives its
    # scope but through the compiler's fault, and the address sanitizer sees what the others would.
    target_compile_options(${target} PRIVATE -fno-sanitize-address-use-after-scope -fno-sanitize=null,alignment,object-size)
  endif()
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden UNITY_BUILD OFF
    COMPILE_WARNING_AS_ERROR OFF)
  target_sources(sigmax PRIVATE $<TARGET_OBJECTS:${target}>)
  set(SIGMAX_ISA_ROWS "${SIGMAX_ISA_ROWS}SIGMAX_ISA_ROW(${name}, ${condition})\n" PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  # -march=x86-64 and the -mno-* take back what the flags of a whole project may have allowed, such as -march=native.
  sigmax_isa(avx512 xsimd::avx512bw "cpu.avx512f() && cpu.avx512cd() && cpu.avx512dq() && cpu.avx512bw()"
    -march=x86-64 -mavx512f -mavx512cd -mavx512dq -mavx512bw -mfma -mf16c)
  sigmax_isa(avx2 xsimd::fma3<xsimd::avx2> "cpu.avx2() && cpu.fma3() && cpu.f16c()"
    -march=x86-64 -mno-avx512f -mavx2 -mfma -mf16c)
  sigmax_isa(sse2 xsimd::sse2 "true" -march=x86-64 -mno-avx -mno-fma -mno-f16c)
  # Outside of the rows: g++ would clear and copy views and plans by string instructions, which begin slowly: a fifth of
  # a short call (cpu/README.md).
  target_compile_options(sigmax PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-mstringop-strategy=libcall>)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  # xsimd's SVE has a width fixed at compile time; a machine runs the row of exactly its width, else NEON.
  foreach(bits 512 256 128)
    math(EXPR bytes "${bits} / 8")
    sigmax_isa(sve${bits} xsimd::detail::sve<${bits}> "cpu.sve() && cpu.sve_size_bytes() == ${bytes}"
      -march=armv8-a+sve -msve-vector-bits=${bits})
  endforeach()
  sigmax_isa(neon64 xsimd::neon64 "true")
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "riscv64")
  # As SVE. clang has vectors of a fixed width from 17 on, g++ from 14 on (not tried).
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag("-march=rv64gcv_zvl256b -mrvv-vector-bits=zvl" SIGMAX_FIXED_RVV)
  if(SIGMAX_FIXED_RVV)
    foreach(bits 512 256 128)
      math(EXPR bytes "${bits} / 8")
      sigmax_isa(rvv${bits} xsimd::detail::rvv<${bits}> "cpu.rvv() && cpu.rvv_size_bytes() == ${bytes}"
        -march=rv64gcv_zvl${bits}b -mrvv-vector-bits=zvl)
    endforeach()
  endif()
  sigmax_isa(rv64 xsimd::emulated<128> "true" -DXSIMD_WITH_EMULATED=1)  # four floats, one after another
else()
  message(FATAL_ERROR "sigmax has no ISA row for ${CMAKE_SYSTEM_PROCESSOR}; add one to cmake/isa.cmake")
endif()

file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/sigmax_isa_rows.inc CONTENT "${SIGMAX_ISA_ROWS}" @ONLY)
