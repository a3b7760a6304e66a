# bulkhead_example(NAME [FILES FILE...] [LIBRARIES LIBRARY...] [TIMEOUT SECONDS])
# One example: the program bin/examples/NAME of main.cpp and FILES in the
# calling folder, and the test example_NAME, which compares what the program
# prints with the block ```text in the folder's README.md.
function(bulkhead_example name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "FILES;LIBRARIES")
  set(target example_${name})
  add_executable(${target} main.cpp ${arg_FILES})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin/examples)
  target_link_libraries(${target} PRIVATE
    bulkhead::bulkhead bulkhead_warnings ${arg_LIBRARIES})
  if(NOT BULKHEAD_BUILD_TESTS)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  math(EXPR hard_timeout "${arg_TIMEOUT} + 60")
  add_test(NAME ${target}
    COMMAND bulkhead_watchdog ${arg_TIMEOUT} $<TARGET_FILE:program_compare_output>
      ${CMAKE_CURRENT_SOURCE_DIR}/README.md $<TARGET_FILE:${target}>
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(${target} PROPERTIES TIMEOUT ${hard_timeout} LABELS example)
endfunction()

# bulkhead_system_example(NAME)
# An example without a program: the library of behaviours NAME of NAME.cpp, and the test
# example_NAME, which runs NAME.json with the command and compares as above.
function(bulkhead_system_example name)
  add_library(${name} MODULE ${name}.cpp)
  target_link_libraries(${name} PRIVATE bulkhead::bulkhead bulkhead_warnings)
  if(NOT BULKHEAD_BUILD_TESTS OR NOT TARGET bulkhead_cli)
    return()
  endif()
  add_test(NAME example_${name}
    COMMAND bulkhead_watchdog 180 $<TARGET_FILE:program_compare_output>
      ${CMAKE_CURRENT_SOURCE_DIR}/README.md
      $<TARGET_FILE:bulkhead_cli> run ${CMAKE_CURRENT_SOURCE_DIR}/${name}.json
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(example_${name} PROPERTIES TIMEOUT 240 LABELS example)
endfunction()

# bulkhead_job_example(NAME NEEDS PACKAGE [FOUND VALUE] [LIBRARIES LIBRARY...])
# The task library NAME of NAME.cpp, and the test example_NAME, which runs NAME.json with the
# command: some inputs fail on purpose, so its status is 1. Without the PACKAGE it is left out.
function(bulkhead_job_example name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "NEEDS;FOUND" "LIBRARIES")
  if(NOT arg_FOUND)
    message(STATUS "Example ${name} is left out: it needs ${arg_NEEDS}")
    return()
  endif()
  add_library(${name} MODULE ${name}.cpp)
  target_link_libraries(${name} PRIVATE bulkhead::bulkhead bulkhead_warnings ${arg_LIBRARIES})
  if(NOT BULKHEAD_BUILD_TESTS OR NOT TARGET bulkhead_cli)
    return()
  endif()
  add_test(NAME example_${name}
    COMMAND bulkhead_watchdog 180 $<TARGET_FILE:program_compare_output> --status 1
      ${CMAKE_CURRENT_SOURCE_DIR}/README.md
      $<TARGET_FILE:bulkhead_cli> run ${CMAKE_CURRENT_SOURCE_DIR}/${name}.json --quiet
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(example_${name} PROPERTIES TIMEOUT 240 LABELS example)
endfunction()
