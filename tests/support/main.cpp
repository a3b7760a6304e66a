#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

namespace bulkhead {
[[gnu::weak]] void init(int argc, char** argv);
}

int main(int argc, char** argv) {
  if (bulkhead::init != nullptr)
    bulkhead::init(argc, argv);
  return doctest::Context(argc, argv).run();
}
