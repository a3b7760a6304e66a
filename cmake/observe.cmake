# bulkhead::observe: what goes on in a pool. A library of its own: a program without it links
# nothing of it, nor of what it needs.
find_package(nlohmann_json CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
pkg_check_modules(cpp_httplib REQUIRED IMPORTED_TARGET cpp-httplib)

# The page travels inside the library.
set(page ${PROJECT_SOURCE_DIR}/observe/web/page.html)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
file(READ ${page} BULKHEAD_PAGE)
configure_file(observe/web/page_text.cpp.in ${PROJECT_BINARY_DIR}/generated/page_text.cpp @ONLY)

file(GLOB_RECURSE observe_sources CONFIGURE_DEPENDS observe/*.cpp)
file(GLOB observe_headers CONFIGURE_DEPENDS
  include/bulkhead/observe.hpp include/bulkhead/observe/*.hpp)
bulkhead_library(bulkhead_observe bulkhead_observe ${observe_sources}
  ${PROJECT_BINARY_DIR}/generated/page_text.cpp)
add_library(bulkhead::observe ALIAS bulkhead_observe)
set_target_properties(bulkhead_observe PROPERTIES EXPORT_NAME observe)
target_sources(bulkhead_observe PUBLIC FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${observe_headers})
target_link_libraries(bulkhead_observe
  PUBLIC bulkhead_all
  PRIVATE $<BUILD_INTERFACE:PkgConfig::cpp_httplib> $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
    $<BUILD_INTERFACE:prometheus-cpp::core>)
if(NOT BUILD_SHARED_LIBS)
  target_link_libraries(bulkhead_observe INTERFACE
    $<INSTALL_INTERFACE:$<LINK_ONLY:cpp-httplib>> $<INSTALL_INTERFACE:$<LINK_ONLY:prometheus-cpp-core>>)
endif()
target_link_options(bulkhead_observe PRIVATE -Wl,--as-needed)
list(APPEND bulkhead_libraries bulkhead_observe)
