// ctest-label: unit
#include "runtime/system/masked_thread.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <system_error>

#include <pthread.h>
#include <unistd.h>

using namespace bulkhead::runtime;

namespace {

bool blocked(int signal) {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return sigismember(&now, signal) == 1;
}

/// No more memory to map for this process while one lives: the next thread has no stack.
class no_memory_to_map {
public:
  no_memory_to_map() {
    getrlimit(RLIMIT_AS, &before_);
    std::ifstream file{"/proc/self/statm"};
    rlim_t pages = 0;
    file >> pages;
    auto now = before_;
    now.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (256U << 10);
    setrlimit(RLIMIT_AS, &now);
  }
  ~no_memory_to_map() { setrlimit(RLIMIT_AS, &before_); }
  no_memory_to_map(const no_memory_to_map&) = delete;
  no_memory_to_map& operator=(const no_memory_to_map&) = delete;

private:
  rlimit before_{};
};

} // namespace

// Sanitizers cannot live without memory.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// First: libc keeps the stack of a thread that has ended for the next one.
TEST_CASE("a thread that cannot be made leaves the caller's signal mask as it was") {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &one, nullptr);
  bool refused = false;
  {
    const no_memory_to_map guard;
    try {
      masked_thread("masked", [] {}).join();
    } catch (const std::system_error&) {
      refused = true;
    }
  }
  CHECK(refused);
  CHECK_FALSE(blocked(SIGTERM));
  CHECK_FALSE(blocked(SIGINT));
  CHECK(blocked(SIGUSR2));
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
}
#endif

TEST_CASE("a masked thread blocks every signal, and the caller blocks none of them") {
  std::atomic<bool> inside = false;
  auto thread = masked_thread("masked", [&] { inside = blocked(SIGTERM) && blocked(SIGUSR1); });
  CHECK_FALSE(blocked(SIGTERM));
  thread.join();
  CHECK(inside);
}
