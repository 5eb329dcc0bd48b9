# The library as libsigmax.so, from the rows' objects of the static one, so that one build tests both kinds. What
# concerns only a shared library is here.
if(BUILD_SHARED_LIBS)
  add_library(sigmax_shared ALIAS sigmax)
else()
  get_target_property(sources sigmax SOURCES)
  list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/ REGEX "^[a-z_]+/")
  add_library(sigmax_shared SHARED ${sources})
  foreach(property INCLUDE_DIRECTORIES LINK_LIBRARIES LINK_OPTIONS COMPILE_DEFINITIONS COMPILE_FEATURES
      INTERFACE_INCLUDE_DIRECTORIES INTERFACE_LINK_LIBRARIES CXX_VISIBILITY_PRESET VISIBILITY_INLINES_HIDDEN VERSION SOVERSION)
    get_target_property(value sigmax ${property})
    if(value)
      set_target_properties(sigmax_shared PROPERTIES ${property} "${value}")
    endif()
  endforeach()
  target_compile_definitions(sigmax_shared PUBLIC SIGMAX_SHARED)
  set_target_properties(sigmax_shared PROPERTIES OUTPUT_NAME sigmax)
endif()

# The baseline is that of x86-64: one LP64 ABI stands for all.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  add_test(NAME abi.baseline COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/abi/abi.sh ${CMAKE_C_COMPILER}
    ${PROJECT_SOURCE_DIR}/kernels/include $<TARGET_FILE:sigmax_shared> ${CMAKE_CURRENT_SOURCE_DIR}/abi/baseline.txt)
endif()

# Nothing was exported and left out of the test in C, or out of the package for Python.
set(every_function ${CMAKE_CURRENT_SOURCE_DIR}/abi/every_function.sh ${CMAKE_CURRENT_SOURCE_DIR}/abi/baseline.txt)
add_test(NAME abi.every_function_is_called_in_c COMMAND ${every_function} "sigmax_%(" ${CMAKE_CURRENT_SOURCE_DIR}/c_calls.c)
add_test(NAME abi.every_function_is_in_python COMMAND ${every_function} "\"%\": ("
  ${PROJECT_SOURCE_DIR}/kernels/python/sigmax/_library.py)

# A program in C alone, linked to it.
add_executable(sigmax_c_program c_program.c c_calls.c)
target_link_libraries(sigmax_c_program PRIVATE sigmax_shared sigmax_warnings)
add_test(NAME shared.c_program COMMAND sigmax_c_program)

add_executable(sigmax_reload reload.c)
target_link_libraries(sigmax_reload PRIVATE sigmax_warnings ${CMAKE_DL_LIBS})
target_include_directories(sigmax_reload PRIVATE ${PROJECT_SOURCE_DIR}/kernels/include)
add_test(NAME shared.dlopen_and_dlclose_100_times COMMAND sigmax_reload $<TARGET_FILE:sigmax_shared>)

add_test(NAME shared.runs_nothing_when_loaded
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/no_initialisers.sh $<TARGET_FILE:sigmax> $<TARGET_FILE:sigmax_shared>)

# Of the toolchain and the C library; not, for example, an OpenMP runtime, of which a process can have one.
add_test(NAME shared.needs_only_the_systems_libraries
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/needed.sh $<TARGET_FILE:sigmax_shared>)

add_test(NAME recipes.portfile COMMAND ${CMAKE_COMMAND} -DPORT=${PROJECT_SOURCE_DIR}/cmake/vcpkg/sigmax/portfile.cmake
  -P ${CMAKE_CURRENT_SOURCE_DIR}/portfile.cmake)

# Python with the shared library; ONNX Runtime with the library inside its own.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  foreach(part interface numpy torch)
    add_test(NAME python.${part} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/python_test.py ${part})
    set_tests_properties(python.${part} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT
      "PYTHONPATH=${PROJECT_SOURCE_DIR}/kernels/python;PYTHONDONTWRITEBYTECODE=1;SIGMAX_LIBRARY=$<TARGET_FILE:sigmax_shared>")
  endforeach()
  add_test(NAME recipes.parse_and_have_the_version COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/recipes_test.py
    ${PROJECT_SOURCE_DIR} ${PROJECT_VERSION})
  find_path(SIGMAX_ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h PATH_SUFFIXES onnxruntime onnxruntime/core/session)
  set(custom_ops "")
  if(SIGMAX_ONNXRUNTIME_INCLUDE_DIR)
    add_library(sigmax_onnxruntime MODULE onnxruntime/custom_ops.cpp)
    target_include_directories(sigmax_onnxruntime SYSTEM PRIVATE ${SIGMAX_ONNXRUNTIME_INCLUDE_DIR})
    target_link_libraries(sigmax_onnxruntime PRIVATE sigmax::sigmax sigmax_warnings)
    set_target_properties(sigmax_onnxruntime PROPERTIES CXX_VISIBILITY_PRESET hidden)
    set(custom_ops $<TARGET_FILE:sigmax_onnxruntime>)
  endif()
  add_test(NAME onnxruntime.custom_ops COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/onnxruntime/onnxruntime_test.py "${custom_ops}")
  set_tests_properties(onnxruntime.custom_ops PROPERTIES SKIP_RETURN_CODE 77)
endif()
