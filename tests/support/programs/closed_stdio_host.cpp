// A host that was started without standard descriptors: the library must not put its own there.
// Exit status: how many of 0, 1 and 2 are open while a pool works; 10: the pool did not work.
#include <bulkhead/tasks.hpp>

#include <fcntl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  for (const int fd : {0, 1, 2})
    ::close(fd);
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2, .on_event = [](const bulkhead::pool_event&) {}});
  if (pool.apply([](int x) { return x + 1; }, 1) != 2)
    return 10;
  int open = 0;
  for (const int fd : {0, 1, 2})
    open += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0;
  return open;
}
