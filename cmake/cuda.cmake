# The CUDA side. Until the backend exists, cuda/absent.cpp stands in for it in the library, and where nvcc is found the
# definitions of kernels/ are compiled for every supported architecture, so that they stay valid device code.
target_sources(sigmax PRIVATE ${PROJECT_SOURCE_DIR}/cuda/absent.cpp)

if(NOT SIGMAX_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90-real 100-real 120-real)
    endif()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know how to ask nvcc 13 for C++20
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    endif()
    add_library(sigmax_cuda OBJECT ${PROJECT_SOURCE_DIR}/cuda/kernels.cu)
    target_include_directories(sigmax_cuda PRIVATE ${PROJECT_SOURCE_DIR}/kernels/include)
    # --fmad=false: as -ffp-contract=off on the CPU.
    target_compile_options(sigmax_cuda PRIVATE --fmad=false
      $<$<BOOL:${SIGMAX_WERROR}>:-Werror=all-warnings>)
  elseif(SIGMAX_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SIGMAX_CUDA is ON but there is no nvcc; put it on PATH or set CMAKE_CUDA_COMPILER")
  endif()
endif()
