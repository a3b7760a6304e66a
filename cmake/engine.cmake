# bulkhead::engine_rabbitmq: pools on many machines. A library of its own: a program without it
# links no AMQP. Where librabbitmq is not there, it is left out.
pkg_check_modules(librabbitmq QUIET IMPORTED_TARGET librabbitmq)
pkg_check_modules(libssl QUIET IMPORTED_TARGET openssl) # which librabbitmq-dev brings
if(NOT librabbitmq_FOUND OR NOT libssl_FOUND)
  message(STATUS "librabbitmq or OpenSSL is not there: no bulkhead::engine_rabbitmq, no bulkhead node")
  return()
endif()

file(GLOB_RECURSE engine_sources CONFIGURE_DEPENDS engine/*.cpp)
bulkhead_library(bulkhead_engine_rabbitmq bulkhead_engine_rabbitmq ${engine_sources})
add_library(bulkhead::engine_rabbitmq ALIAS bulkhead_engine_rabbitmq)
set_target_properties(bulkhead_engine_rabbitmq PROPERTIES EXPORT_NAME engine_rabbitmq)
target_sources(bulkhead_engine_rabbitmq PUBLIC FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES include/bulkhead/rabbitmq.hpp)
target_link_libraries(bulkhead_engine_rabbitmq
  PUBLIC bulkhead_all
  PRIVATE $<BUILD_INTERFACE:PkgConfig::librabbitmq> $<BUILD_INTERFACE:PkgConfig::libssl>)
if(NOT BUILD_SHARED_LIBS)
  target_link_libraries(bulkhead_engine_rabbitmq INTERFACE
    $<INSTALL_INTERFACE:$<LINK_ONLY:rabbitmq>;$<LINK_ONLY:ssl>;$<LINK_ONLY:crypto>>)
endif()
target_link_options(bulkhead_engine_rabbitmq PRIVATE -Wl,--as-needed)
list(APPEND bulkhead_libraries bulkhead_engine_rabbitmq)
