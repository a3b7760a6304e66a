# bulkhead_test(SOURCE): one test program; see tests/CMakeLists.txt.
# Uses ${companions}: targets that every test needs at run time.
function(bulkhead_test source)
  cmake_path(GET source STEM name)
  # A test of a part that is not built is left out.
  file(STRINGS ${source} needs REGEX "^// ctest-(link|needs):")
  foreach(line IN LISTS needs)
    string(REGEX REPLACE ".*: *" "" target ${line})
    if(NOT TARGET ${target})
      return()
    endif()
  endforeach()
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE
    bulkhead_test_main bulkhead_test_support bulkhead_test_settings)
  target_precompile_headers(${name} REUSE_FROM bulkhead_test_main)
  add_dependencies(${name} ${companions})
  add_dependencies(tests ${name})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})

  file(STRINGS ${source} settings REGEX "^// ctest-")
  set(timeout 60)
  set(labels)
  set(serial FALSE)
  foreach(line IN LISTS settings)
    if(line MATCHES "ctest-timeout: *([0-9]+)")
      set(timeout ${CMAKE_MATCH_1})
    elseif(line MATCHES "ctest-label: *([a-z_]+)")
      list(APPEND labels ${CMAKE_MATCH_1})
      bulkhead_test_label(${CMAKE_MATCH_1} ${name})
    elseif(line MATCHES "ctest-serial")
      set(serial TRUE)
    elseif(line MATCHES "ctest-link: *([a-z_]+)")
      target_link_libraries(${name} PRIVATE ${CMAKE_MATCH_1})
    elseif(line MATCHES "ctest-needs: *([a-z_]+)")
      add_dependencies(${name} ${CMAKE_MATCH_1})
    else()
      message(FATAL_ERROR "${source}: unknown setting: ${line}")
    endif()
  endforeach()

  # The watchdog acts first; ctest's own limit only catches the watchdog.
  math(EXPR timeout "${timeout} * ${BULKHEAD_TEST_TIMEOUT_SCALE}")
  math(EXPR hard_timeout "${timeout} + 60")
  add_test(NAME ${name} COMMAND bulkhead_watchdog ${timeout} $<TARGET_FILE:${name}>)
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${hard_timeout} LABELS "${labels}" RUN_SERIAL ${serial}
    ENVIRONMENT "${bulkhead_test_environment}")
endfunction()

# The target tests_<label> builds the tests with that label and nothing else.
function(bulkhead_test_label label name)
  if(NOT TARGET tests_${label})
    add_custom_target(tests_${label})
  endif()
  add_dependencies(tests_${label} ${name})
endfunction()

set(bulkhead_test_environment
  "ASAN_OPTIONS=detect_stack_use_after_return=0:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:second_deadlock_stack=1")
