# The system calls that this machine's headers know, as runtime/sandbox/call_names.cpp includes
# them: {"read", 0}, ... Asked of the compiler, so that it fits the machine that is built for.
function(bulkhead_system_calls to)
  set(probe ${CMAKE_CURRENT_BINARY_DIR}/system_calls_probe.cpp)
  file(WRITE ${probe} "#include <sys/syscall.h>\n")
  separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
  execute_process(
    COMMAND ${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_ARG1} ${flags} -dM -E ${probe}
    OUTPUT_VARIABLE macros COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "#define SYS_[a-z0-9_]+ " names "${macros}")
  list(SORT names)
  set(text "")
  foreach(name IN LISTS names)
    string(REGEX REPLACE "#define SYS_([a-z0-9_]+) " "\\1" name "${name}")
    string(APPEND text "{\"${name}\", SYS_${name}},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${to} CONTENT "${text}" @ONLY)
endfunction()
