// ctest-label: fault
// What a host or its terminal does before and around the library.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

int status_of(const char* program) {
  std::string path = BULKHEAD_TEST_PROGRAM_DIR "/";
  path += program;
  const auto pid = ::fork();
  if (pid == 0) {
    ::execl(path.c_str(), path.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool ignored(int signal) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler == SIG_IGN;
}

} // namespace

TEST_CASE("a host with closed standard descriptors finds none of ours in their places") {
  CHECK(status_of("closed_stdio_host") == 0);
}

TEST_CASE("no terminal may stop a worker") {
  const tests::leak_guard guard;
  pool p{{.workers = 1}};
  CHECK(p.apply([] { return ignored(SIGTTOU) && ignored(SIGTTIN); }));
}

TEST_CASE("a text that fills its array arrives without what lies behind it") {
  const tests::leak_guard guard;
  pool p{{.workers = 1}};
  struct {
    char text[8] = {'e', 'x', 'a', 'c', 't', 'l', 'y', '8'};
    char behind[8] = "secret!";
  } both;
  CHECK(p.apply([](const std::string& s) { return s; }, both.text) == "exactly8");
  CHECK(p.apply([](const std::string& s) { return s; }, "short") == "short");
}

TEST_CASE("a process may be waited for longer than nanoseconds can count") {
  const tests::leak_guard guard;
  process child{[] { ::usleep(20'000); }};
  child.start();
  CHECK(child.join(std::chrono::hours::max()));
  process other{[] {}};
  other.start();
  CHECK(other.join(std::chrono::duration<double>{1e300}));
  process third{[] { ::pause(); }};
  third.start();
  CHECK_FALSE(third.join(std::chrono::hours::min()));
  third.kill();
  CHECK(third.join(60s));
}

TEST_CASE("a process that is assigned to itself goes on") {
  const tests::leak_guard guard;
  process child{[] { ::usleep(10'000); }};
  child.start();
  auto& same = child;
  child = std::move(same);
  CHECK(child.join(60s));
  CHECK(child.exit_code() == 0);
}
