// fragile_host: a program with a thread before main, so that its forkserver is exec'ed, and with a
// constructor that crashes there. Prints what the first process says.

#include <bulkhead/error.hpp>
#include <bulkhead/init.hpp>
#include <bulkhead/process.hpp>

#include <csignal>
#include <cstdio>
#include <thread>
#include <unistd.h>

namespace {

// libc hands main's arguments to constructors of this kind.
[[gnu::constructor]] void before_main(int argc, char**) {
  if (argc > 1)
    ::kill(::getpid(), SIGSEGV);
  std::thread{[] {
    for (;;)
      ::pause();
  }}.detach();
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::process child{[] {}};
  try {
    child.start();
  } catch (const bulkhead::error& e) {
    std::printf("%s", e.what());
    return 3;
  }
  return 0;
}
