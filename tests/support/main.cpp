#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <bulkhead/init.hpp>

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  return doctest::Context(argc, argv).run();
}
