# Linked PRIVATE by our own targets; a user's code is not our business.
add_library(bulkhead_warnings INTERFACE)
target_compile_options(bulkhead_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<BOOL:${BULKHEAD_WERROR}>:-Werror>)
