# The reference of the public headers as HTML: cmake --build <build> --target docs, if there is doxygen
# (cmake/deps.sh --docs). What it warns of is an error. Members need no words of their own where their struct has them,
# hence EXTRACT_ALL.
find_package(Doxygen QUIET)
if(DOXYGEN_FOUND)
  set(DOXYGEN_PROJECT_BRIEF "${PROJECT_DESCRIPTION}")
  set(DOXYGEN_QUIET YES)
  set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
  set(DOXYGEN_EXTRACT_ALL YES)
  set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
  set(DOXYGEN_GENERATE_LATEX NO)
  set(DOXYGEN_SHOW_FILES NO)
  set(DOXYGEN_MACRO_EXPANSION YES)
  set(DOXYGEN_EXPAND_ONLY_PREDEF NO)
  set(DOXYGEN_INCLUDE_PATH ${PROJECT_SOURCE_DIR}/kernels/include)
  set(DOXYGEN_PREDEFINED SIGMAX_API= SIGMAX_NOEXCEPT=noexcept)
  set(DOXYGEN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/docs)
  set(headers dlpack.hpp openmp.hpp sigmax.h sigmax.hpp)
  list(TRANSFORM headers PREPEND ${PROJECT_SOURCE_DIR}/kernels/include/sigmax/)
  doxygen_add_docs(docs ${headers} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()

# Where the library's bytes are: cmake --build <build> --target size
get_target_property(library_type sigmax TYPE)
if(library_type STREQUAL "STATIC_LIBRARY" AND NOT WIN32)
  add_custom_target(size COMMAND ${PROJECT_SOURCE_DIR}/cmake/size.sh $<TARGET_FILE:sigmax> DEPENDS sigmax VERBATIM)
endif()
