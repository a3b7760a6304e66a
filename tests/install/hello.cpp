// The first program of the guide.
#include <bulkhead/bulkhead.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  for (int square : pool.map([](int x) { return x * x; }, {1, 2, 3, 4, 5}))
    std::printf("%d ", square);
  std::printf("\n");
}
