# Says before the compiler does which CAF actors/caf/ does not know.
set(caf_known FALSE)
if(CAF_VERSION MATCHES "^0\\.17\\." OR CAF_VERSION MATCHES "^1\\.1\\.")
  set(caf_known TRUE)
endif()
# CAF's main branch calls itself 1.1 long after that release.
find_file(caf_next caf/detail/actor_system_impl.hpp
  PATHS ${CAF_INCLUDE_DIR} NO_DEFAULT_PATH NO_CACHE)
if(caf_next)
  set(caf_known FALSE)
  string(APPEND CAF_VERSION " (a development version after 1.1)")
endif()
if(NOT caf_known)
  message(FATAL_ERROR
    "Bulkhead's actors work with CAF 0.17 and 1.1, found CAF ${CAF_VERSION} in ${CAF_INCLUDE_DIR}. "
    "Choose another one with -DCMAKE_PREFIX_PATH=<its prefix>.")
endif()
