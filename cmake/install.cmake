# Installation: libraries, headers, package configuration and pkg-config.
include(CMakePackageConfigHelpers)
set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bulkhead)
set(BULKHEAD_WITH_ACTORS FALSE)
if(TARGET bulkhead_actors)
  set(BULKHEAD_WITH_ACTORS TRUE)
endif()

install(TARGETS ${bulkhead_libraries} EXPORT bulkhead
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT bulkhead NAMESPACE bulkhead:: FILE bulkhead-targets.cmake
  DESTINATION ${cmake_dir} COMPONENT development)

configure_package_config_file(cmake/bulkhead-config.cmake.in
  ${PROJECT_BINARY_DIR}/bulkhead-config.cmake INSTALL_DESTINATION ${cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bulkhead-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/bulkhead-config.cmake
  ${PROJECT_BINARY_DIR}/bulkhead-config-version.cmake
  cmake/FindCAF.cmake
  DESTINATION ${cmake_dir} COMPONENT development)

set(pc_libs "-Wl,--as-needed -lbulkhead")
set(pc_libs_private "-ldw -lsodium -lpthread -ldl")
if(TARGET bulkhead_actors)
  string(APPEND pc_libs_private " -lsqlite3")
  set(pc_libs "-Wl,--as-needed -lbulkhead_actors -lbulkhead -lcaf_io -lcaf_core")
endif()
configure_file(cmake/bulkhead.pc.in ${PROJECT_BINARY_DIR}/bulkhead.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bulkhead.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
