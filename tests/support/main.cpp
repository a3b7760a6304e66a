#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <bulkhead/init.hpp>

#include <thread>

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
#if defined(__SANITIZE_THREAD__)
  std::thread{[] {}}.join(); // starts the sanitizer's own thread: no leak guard shall count it
#endif
  return doctest::Context(argc, argv).run();
}
