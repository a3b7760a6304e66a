# Linked PRIVATE by our own targets; a user's code is not our business.
add_library(bulkhead_warnings INTERFACE)
target_compile_options(bulkhead_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<BOOL:${BULKHEAD_WERROR}>:-Werror>)
if(BULKHEAD_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12's sanitizer code confuses its own flow analysis, in <regex> first.
  target_compile_options(bulkhead_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
