//[
#include <bulkhead/bulkhead.hpp>
#include <cstdio>

int main(int argc, char** argv) {
  bulkhead::init(argc, argv); // the first line of main
  bulkhead::pool pool({.workers = 4});
  for (int square : pool.map([](int x) { return x * x; }, {1, 2, 3, 4, 5}))
    std::printf("%d ", square); // 1 4 9 16 25, computed in other processes
}
//]
