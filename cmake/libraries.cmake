# Two libraries behind bulkhead::bulkhead: the runtime knows no CAF; the actors
# library does, and is there as soon as it has a source.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libdw REQUIRED IMPORTED_TARGET libdw)
pkg_check_modules(libsodium REQUIRED IMPORTED_TARGET libsodium)

include(cmake/system_calls.cmake)
bulkhead_system_calls(${PROJECT_BINARY_DIR}/generated/bulkhead_system_calls.inc)

file(GLOB bulkhead_headers CONFIGURE_DEPENDS
  include/bulkhead/*.hpp include/bulkhead/detail/*.hpp include/bulkhead/testing/*.hpp include/bulkhead/actors/*.hpp)
# Of libraries of their own.
list(FILTER bulkhead_headers EXCLUDE REGEX "/bulkhead/(observe|rabbitmq)\\.hpp$")
file(GLOB_RECURSE runtime_sources CONFIGURE_DEPENDS runtime/*.cpp)
file(GLOB_RECURSE actors_sources CONFIGURE_DEPENDS actors/*.cpp)

# bulkhead_library(NAME OUTPUT SOURCES...)
function(bulkhead_library name output)
  add_library(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES
    OUTPUT_NAME ${output}
    INSTALL_RPATH "$ORIGIN"
    UNITY_BUILD_MODE GROUP
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
  # Where a unity build is asked for, a batch is a room: a new file moves nothing between batches.
  foreach(source IN LISTS ARGN)
    get_filename_component(folder ${source} DIRECTORY)
    file(RELATIVE_PATH room ${PROJECT_SOURCE_DIR} ${folder})
    string(MAKE_C_IDENTIFIER ${room} group)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
  endforeach()
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name}
    PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:bulkhead_warnings>)
  target_compile_definitions(${name} PUBLIC
    $<BUILD_INTERFACE:$<$<BOOL:${BULKHEAD_HOOKS}>:BULKHEAD_HOOKS=1>>)
endfunction()

# bulkhead::bulkhead: what a program links. --as-needed keeps CAF out of every
# program that uses no actor.
add_library(bulkhead_all INTERFACE)
add_library(bulkhead::bulkhead ALIAS bulkhead_all)
set_target_properties(bulkhead_all PROPERTIES EXPORT_NAME bulkhead)
target_sources(bulkhead_all INTERFACE FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${bulkhead_headers})
target_link_options(bulkhead_all INTERFACE -Wl,--as-needed)

set(bulkhead_libraries bulkhead_all)
if(runtime_sources)
  bulkhead_library(bulkhead_runtime bulkhead ${runtime_sources})
  set_target_properties(bulkhead_runtime PROPERTIES EXPORT_NAME runtime)
  target_compile_definitions(bulkhead_runtime PRIVATE
    BULKHEAD_VERSION="${PROJECT_VERSION}")
  target_include_directories(bulkhead_runtime PRIVATE ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(bulkhead_runtime
    PUBLIC Threads::Threads
    PRIVATE $<BUILD_INTERFACE:PkgConfig::libdw> $<INSTALL_INTERFACE:$<LINK_ONLY:dw>>
      $<BUILD_INTERFACE:PkgConfig::libsodium> $<INSTALL_INTERFACE:$<LINK_ONLY:sodium>>
      ${CMAKE_DL_LIBS})
  target_link_libraries(bulkhead_all INTERFACE bulkhead_runtime)
  list(APPEND bulkhead_libraries bulkhead_runtime)
endif()

if(actors_sources)
  find_package(CAF REQUIRED COMPONENTS core io)
  include(cmake/caf_version.cmake)
  # One folder for each CAF that differs; only one is compiled.
  if(CAF_VERSION VERSION_LESS 1)
    list(FILTER actors_sources EXCLUDE REGEX "/actors/caf/v1/")
  else()
    list(FILTER actors_sources EXCLUDE REGEX "/actors/caf/v0_17/")
  endif()
  bulkhead_library(bulkhead_actors bulkhead_actors ${actors_sources})
  set_target_properties(bulkhead_actors PROPERTIES EXPORT_NAME actors)
  # The journal of snapshots.
  pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
  target_link_libraries(bulkhead_actors
    PUBLIC bulkhead_runtime CAF::core CAF::io
    PRIVATE $<BUILD_INTERFACE:PkgConfig::sqlite3> $<INSTALL_INTERFACE:$<LINK_ONLY:sqlite3>>)
  target_link_options(bulkhead_actors PRIVATE -Wl,--as-needed)
  # CAF 0.17's own headers bind references to null where a behaviour has no further arguments.
  if(BULKHEAD_SANITIZE MATCHES undefined)
    target_compile_options(bulkhead_actors PUBLIC $<BUILD_INTERFACE:-fno-sanitize=null>)
  endif()
  # <bulkhead/pool.hpp> includes caf/fwd.hpp, which may live outside /usr.
  target_include_directories(bulkhead_runtime SYSTEM PRIVATE
    $<BUILD_INTERFACE:$<TARGET_PROPERTY:CAF::core,INTERFACE_INCLUDE_DIRECTORIES>>)
  target_link_libraries(bulkhead_all INTERFACE bulkhead_actors)
  list(APPEND bulkhead_libraries bulkhead_actors)
endif()
