# The CUDA backend: cuda/kernels.cu compiled once per dtype and the host code that launches it. Without nvcc
# cuda/absent.cpp stands in.
set(SIGMAX_CUDA_FOUND OFF)
option(SIGMAX_CUDA_NEWTON "Reciprocals in CUDA kernels without branches on sm_120, too; right where the test cuda_reciprocal passes" OFF)
if(NOT SIGMAX_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  find_package(CUDAToolkit 12.4 QUIET)
  if(CMAKE_CUDA_COMPILER AND TARGET CUDA::cudart_static)
    set(SIGMAX_CUDA_FOUND ON)
  elseif(SIGMAX_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SIGMAX_CUDA is ON but there is no nvcc with libcudart_static.a, 12.4 or later; "
      "put it on PATH or set CMAKE_CUDA_COMPILER and CUDAToolkit_ROOT")
  endif()
endif()

if(NOT SIGMAX_CUDA_FOUND)
  target_sources(sigmax PRIVATE ${PROJECT_SOURCE_DIR}/cuda/absent.cpp)
  return()
endif()

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90-real 100-real 120)  # and PTX for what comes after
  if(CUDAToolkit_VERSION VERSION_LESS 12.8)
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90)
  endif()
endif()
# PTX of an architecture without clusters must not reach a device that has them: kernels are launched by what the device
# can, and such code would see one block for a cluster.
set(architectures "")
foreach(architecture IN LISTS CMAKE_CUDA_ARCHITECTURES)
  if(architecture MATCHES "^([0-9]+)(-virtual)?$" AND CMAKE_MATCH_1 LESS 90)
    if(CMAKE_MATCH_2)
      message(FATAL_ERROR "CMAKE_CUDA_ARCHITECTURES: ${architecture} has no clusters; use ${CMAKE_MATCH_1}-real")
    endif()
    set(architecture ${architecture}-real)
  endif()
  list(APPEND architectures ${architecture})
endforeach()
set(CMAKE_CUDA_ARCHITECTURES ${architectures})
enable_language(CUDA)
# The library asks before it takes a device. What it has of `native`, `all` and 90a is not said.
if(NOT architectures MATCHES "(^|;)[a-z]|[0-9][a-z]")
  set(machine_code ${architectures})
  list(FILTER machine_code EXCLUDE REGEX "-virtual$")
  set(ptx ${architectures})
  list(FILTER ptx EXCLUDE REGEX "-real$")
  foreach(list machine_code ptx)
    list(TRANSFORM ${list} REPLACE "-.*" "")
    list(APPEND ${list} 9999)  # none is like it, and no list is empty
    list(JOIN ${list} "," ${list})
  endforeach()
  target_compile_definitions(sigmax PRIVATE SIGMAX_CUDA_MACHINE_CODE=${machine_code} SIGMAX_CUDA_PTX=${ptx})
endif()
# The target is older than that list; generators but Ninja ask each of its languages for one.
set_target_properties(sigmax PROPERTIES CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know how to ask nvcc 13 for C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)

# --fmad=false: as -ffp-contract=off on the CPU. Registers that do not suffice are a warning, and so an error here. 1675:
# a pragma for g++ in a header that both compilers read.
add_library(sigmax_cuda_flags INTERFACE)
target_compile_options(sigmax_cuda_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false --ftz=false
  --prec-div=true --prec-sqrt=true -Xptxas=--warn-on-spills
  --diag-suppress=1675
  $<$<BOOL:${SIGMAX_WERROR}>:-Werror=all-warnings>>)
# Of that compression drivers before 550 know nothing, with which the library of a toolkit before 13 still runs.
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  target_compile_options(sigmax_cuda_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
endif()

#   sigmax_cuda_kernels(name file definitions...)
function(sigmax_cuda_kernels name file)
  set(target sigmax_cuda_${name})
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/cuda/${file})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/kernels/include)
  target_link_libraries(${target} PRIVATE sigmax_cuda_flags)
  target_compile_definitions(${target} PRIVATE ${ARGN} $<$<BOOL:${SIGMAX_CUDA_NEWTON}>:SIGMAX_CUDA_NEWTON>)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CUDA_VISIBILITY_PRESET hidden)
  target_sources(sigmax PRIVATE $<TARGET_OBJECTS:${target}>)
  set_property(GLOBAL APPEND PROPERTY SIGMAX_CUDA_OBJECTS ${name}=$<TARGET_OBJECTS:${target}>)  # for the test cuda.resources
endfunction()
sigmax_cuda_kernels(f32 kernels.cu SIGMAX_CUDA_TABLE=f32 SIGMAX_CUDA_ELEMENT=float)
sigmax_cuda_kernels(f16 kernels.cu SIGMAX_CUDA_TABLE=f16 SIGMAX_CUDA_ELEMENT=float16)
sigmax_cuda_kernels(bf16 kernels.cu SIGMAX_CUDA_TABLE=bf16 SIGMAX_CUDA_ELEMENT=bfloat16)
sigmax_cuda_kernels(strided kernels.cu SIGMAX_CUDA_TABLE=strided SIGMAX_CUDA_ELEMENT=void)
sigmax_cuda_kernels(gates_f32 gates.cu SIGMAX_CUDA_TABLE=f32 SIGMAX_CUDA_ELEMENT=float)
sigmax_cuda_kernels(gates_16_bits gates.cu SIGMAX_CUDA_TABLE=16_bits SIGMAX_CUDA_ELEMENT=std::uint16_t)
sigmax_cuda_kernels(gates_strided gates.cu SIGMAX_CUDA_TABLE=strided SIGMAX_CUDA_ELEMENT=void)
sigmax_cuda_kernels(softmax_staged_f32 softmax_staged.cu SIGMAX_CUDA_TABLE=f32 SIGMAX_CUDA_ELEMENT=float)
sigmax_cuda_kernels(softmax_staged_f16 softmax_staged.cu SIGMAX_CUDA_TABLE=f16 SIGMAX_CUDA_ELEMENT=float16)
sigmax_cuda_kernels(softmax_staged_bf16 softmax_staged.cu SIGMAX_CUDA_TABLE=bf16 SIGMAX_CUDA_ELEMENT=bfloat16)
foreach(name quantised softmax softmax_quantised softmax_gradient gating)
  sigmax_cuda_kernels(${name} ${name}.cu)
endforeach()

target_sources(sigmax PRIVATE ${PROJECT_SOURCE_DIR}/cuda/elementwise.cpp ${PROJECT_SOURCE_DIR}/cuda/gates.cpp
  ${PROJECT_SOURCE_DIR}/cuda/launch.cpp ${PROJECT_SOURCE_DIR}/cuda/host_tensors.cpp ${PROJECT_SOURCE_DIR}/cuda/quantised.cpp
  ${PROJECT_SOURCE_DIR}/cuda/softmax.cpp)
target_link_libraries(sigmax PRIVATE CUDA::cudart_static)
