# Install rules. The top CMakeLists.txt includes this after the target `sigmax` is complete:
#   cmake --install build/release --prefix <where>
# gives the library, its headers, the CMake package `sigmax` (target sigmax::sigmax) and sigmax.pc.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What a static library leaves for its user to link. Nothing is public, so this is empty but for
# CUDA's runtime and the threads of the pool; a header-only dependency must stay behind.
get_target_property(link_interface sigmax INTERFACE_LINK_LIBRARIES)
if(link_interface MATCHES "xsimd" AND NOT link_interface MATCHES "BUILD_INTERFACE:xsimd")
  message(FATAL_ERROR "link sigmax to $<BUILD_INTERFACE:xsimd>, or its users will need xsimd")
endif()
set(SIGMAX_PACKAGE_DEPENDENCIES "")
set(private_libraries "-lstdc++ -lm")
if(link_interface MATCHES "CUDA::")
  string(APPEND SIGMAX_PACKAGE_DEPENDENCIES "find_dependency(CUDAToolkit)\n")
  string(APPEND private_libraries " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lrt -ldl -lpthread")
endif()
if(link_interface MATCHES "Threads::")
  string(APPEND SIGMAX_PACKAGE_DEPENDENCIES "find_dependency(Threads)\n")
  string(APPEND private_libraries " -pthread")
endif()
get_target_property(library_type sigmax TYPE)
if(library_type STREQUAL "SHARED_LIBRARY")
  set(SIGMAX_PACKAGE_DEPENDENCIES "")
  set(private_libraries "")
endif()

install(TARGETS sigmax EXPORT sigmaxTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/kernels/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp" PATTERN "*.def")

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sigmax)
install(EXPORT sigmaxTargets NAMESPACE sigmax:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/sigmaxConfig.cmake.in
  ${PROJECT_BINARY_DIR}/sigmaxConfig.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sigmaxConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)  # before 1.0 a minor version may change the API
install(FILES ${PROJECT_BINARY_DIR}/sigmaxConfig.cmake ${PROJECT_BINARY_DIR}/sigmaxConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)

# pkg-config: paths relative to the file, so that the prefix can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
  OUTPUT_VARIABLE libdir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
  OUTPUT_VARIABLE includedir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE up)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/sigmax.pc @ONLY CONTENT
[[prefix=${pcfiledir}/@up@
libdir=${prefix}/@libdir@
includedir=${prefix}/@includedir@

Name: sigmax
Description: Neural-network activation functions and softmax
Version: @PROJECT_VERSION@
Libs: -L${libdir} -lsigmax
Libs.private: @private_libraries@
Cflags: -I${includedir}
]])
install(FILES ${PROJECT_BINARY_DIR}/sigmax.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

if(PROJECT_IS_TOP_LEVEL)
  include(${CMAKE_CURRENT_LIST_DIR}/package.cmake)
endif()
