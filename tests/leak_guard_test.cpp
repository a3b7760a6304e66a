// ctest-label: unit
#include <bulkhead/testing/leak_guard.hpp>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include <csignal>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

using bulkhead::testing::leak_guard;
using namespace std::chrono_literals;

namespace {

bool mentions(const std::string& report, const std::string& text) {
  return report.find(text) != std::string::npos;
}

pid_t sleeping_child() {
  const pid_t child = fork();
  if (child != 0)
    return child;
  for (;;)
    pause();
}

void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

} // namespace

TEST_CASE("a process that keeps what it had leaks nothing") {
  leak_guard guard;
  CHECK(guard.leaked(0ns) == "");
}

// One child is always there: the forkserver.
TEST_CASE("a child that lives is named with its pid, and a zombie is still a child") {
  leak_guard guard;
  const pid_t child = sleeping_child();
  CHECK(mentions(guard.leaked(0ns), "process of depth 1: 2 now, 1 before"));
  CHECK(mentions(guard.leaked(0ns), std::to_string(child)));
  kill(child, SIGKILL);
  siginfo_t ended{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  CHECK(mentions(guard.leaked(0ns), "process of depth 1"));
  waitpid(child, nullptr, 0);
  CHECK(guard.leaked(0ns) == "");
}

TEST_CASE("a replaced child, socket or event is no leak; a second one is") {
  pid_t child = sleeping_child();
  int event = eventfd(0, EFD_CLOEXEC);
  leak_guard guard;
  const pid_t other = sleeping_child();
  const int second = eventfd(0, EFD_CLOEXEC);
  CHECK(mentions(guard.leaked(0ns), "process of depth 1: 3 now, 2 before"));
  CHECK(mentions(guard.leaked(0ns), "eventfd"));
  end(child);
  close(event);
  CHECK(guard.leaked(0ns) == "");
  end(other);
  close(second);
}

TEST_CASE("open descriptors and mapped memory are found apart") {
  leak_guard guard;
  const int fd = memfd_create("left behind", MFD_CLOEXEC);
  REQUIRE(ftruncate(fd, 4096) == 0);
  CHECK(mentions(guard.leaked(0ns), "descriptor of /memfd:left behind"));
  void* map = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  REQUIRE(map != MAP_FAILED);
  close(fd);
  const auto report = guard.leaked(0ns);
  CHECK(mentions(report, "mapping of /memfd:left behind"));
  CHECK_FALSE(mentions(report, "descriptor"));
  munmap(map, 4096);
  CHECK(guard.leaked(0ns) == "");
}

TEST_CASE("a thread is waited for, and named when it stays") {
  leak_guard guard;
  std::mutex mutex;
  std::condition_variable changed;
  bool leave = false;
  std::thread thread([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return leave; });
  });
  CHECK(mentions(guard.leaked(0ns), "thread "));
  {
    std::lock_guard lock(mutex);
    leave = true;
  }
  changed.notify_one();
  CHECK(guard.leaked(10s) == "");
  thread.join();
}
