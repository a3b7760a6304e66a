# Finds the C++ Actor Framework: Debian's libcaf-dev 0.17, which ships no CMake
# files, and CAF 1.x, which does.
#
#   find_package(CAF REQUIRED COMPONENTS core io)
#
# Targets: CAF::core, CAF::io. Variables: CAF_FOUND, CAF_VERSION.
# Hint: CAF_ROOT, the prefix of an installation.

find_package(CAF CONFIG QUIET)
if(TARGET CAF::core)
  if(NOT CAF_VERSION AND CAF_CONSIDERED_VERSIONS)
    list(GET CAF_CONSIDERED_VERSIONS 0 CAF_VERSION)
  endif()
  set(CAF_core_FOUND TRUE)
  set(CAF_io_FOUND FALSE)
  if(TARGET CAF::io)
    set(CAF_io_FOUND TRUE)
  endif()
  get_target_property(CAF_INCLUDE_DIR CAF::core INTERFACE_INCLUDE_DIRECTORIES)
else()
  find_path(CAF_INCLUDE_DIR caf/config.hpp)
  mark_as_advanced(CAF_INCLUDE_DIR)
  # CAF_VERSION is major * 10000 + minor * 100 + patch: 1706 is 0.17.6.
  if(CAF_INCLUDE_DIR)
    file(STRINGS ${CAF_INCLUDE_DIR}/caf/config.hpp caf_line REGEX "define CAF_VERSION [0-9]+")
    if(caf_line MATCHES "CAF_VERSION ([0-9]+)")
      math(EXPR caf_major "${CMAKE_MATCH_1} / 10000")
      math(EXPR caf_minor "(${CMAKE_MATCH_1} / 100) % 100")
      math(EXPR caf_patch "${CMAKE_MATCH_1} % 100")
      set(CAF_VERSION ${caf_major}.${caf_minor}.${caf_patch})
    endif()
  endif()
  find_package(Threads QUIET)
  foreach(component IN ITEMS core io)
    find_library(CAF_${component}_LIBRARY caf_${component})
    mark_as_advanced(CAF_${component}_LIBRARY)
    if(CAF_INCLUDE_DIR AND CAF_${component}_LIBRARY)
      set(CAF_${component}_FOUND TRUE)
      add_library(CAF::${component} UNKNOWN IMPORTED)
      set_target_properties(CAF::${component} PROPERTIES
        IMPORTED_LOCATION ${CAF_${component}_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${CAF_INCLUDE_DIR})
      target_link_libraries(CAF::${component} INTERFACE Threads::Threads)
    endif()
  endforeach()
  if(TARGET CAF::io AND TARGET CAF::core)
    target_link_libraries(CAF::io INTERFACE CAF::core)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF
  REQUIRED_VARS CAF_INCLUDE_DIR VERSION_VAR CAF_VERSION HANDLE_COMPONENTS)
