// Becomes a daemon after init; its copy has a pool.
#include <bulkhead/tasks.hpp>

#include <unistd.h>

int main(int argc, char** argv) {
  //[
  bulkhead::init(argc, argv);
  if (daemon(0, 0) != 0)
    return 1;
  bulkhead::init(argc, argv); // this process is a copy: it gets a forkserver of its own
  //]
  bulkhead::pool pool({.workers = 1});
  return pool.apply([] { return 0; });
}
