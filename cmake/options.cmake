# Everything a builder may choose, with its default.
if(PROJECT_IS_TOP_LEVEL)
  option(BUILD_SHARED_LIBS "Build shared libraries" ON)
elseif(NOT DEFINED BUILD_SHARED_LIBS)
  set(BUILD_SHARED_LIBS ON) # for us alone: the rest of the project has its own default
endif()
option(BULKHEAD_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(BULKHEAD_BUILD_TOOLS "Build the bulkhead command" ${PROJECT_IS_TOP_LEVEL})
option(BULKHEAD_BUILD_OBSERVE "Build the library bulkhead::observe; command and examples bring it anyway"
  ${PROJECT_IS_TOP_LEVEL})
option(BULKHEAD_BUILD_ENGINE "Build the library bulkhead::engine_rabbitmq where librabbitmq is there; command and examples bring it anyway"
  ${PROJECT_IS_TOP_LEVEL})
option(BULKHEAD_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(BULKHEAD_INSTALL "Install libraries, headers and command; make packages"
  ${PROJECT_IS_TOP_LEVEL})
option(BULKHEAD_BUILD_BENCH "Build the benchmarks" OFF)
option(BULKHEAD_BUILD_FUZZ "Build the libFuzzer targets; needs clang" OFF)
# Our presets set it; a compiler that we have not met must not stop a user.
option(BULKHEAD_WERROR "Treat warnings as errors" OFF)
option(BULKHEAD_HOOKS "Compile the named crash hook points into the libraries" OFF)
set(BULKHEAD_SANITIZE "" CACHE STRING
  "Sanitizers for all of our code, as -fsanitize takes them: address,undefined or thread")
set(BULKHEAD_TEST_TIMEOUT_SCALE 1 CACHE STRING
  "Factor on the time limit of each test; sanitizer builds need more")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Task libraries link the static libraries too.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Where CAF lives in a prefix of its own, what is installed finds it there.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
# Gives the target all_verify_interface_header_sets: each public header alone.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
