// ctest-label: fault
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/process/watch_thread.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

using namespace bulkhead::tests;
using namespace bulkhead::runtime;

namespace {

void return_7(worker_start& worker) { worker.exit_code = 7; }

void serve(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  for (;;)
    ::pause();
}

std::atomic<int> child_signals{0};

/// The value of one field of /proc/self/status, such as the signals that are caught.
std::string status_field(const std::string& name) {
  std::ifstream file{"/proc/self/status"};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":"))
      return line;
  return {};
}

std::vector<std::string> signal_state() {
  std::vector<std::string> state;
  for (const char* field : {"SigBlk", "SigIgn", "SigCgt"})
    state.push_back(status_field(field));
  return state;
}

std::string environment_text() {
  std::string text;
  for (char** entry = environ; *entry != nullptr; ++entry)
    text += std::string{*entry} + '\n';
  return text;
}

/// Sets a disposition of SIGCHLD for one scope.
class child_signal {
public:
  explicit child_signal(void (*handler)(int), int flags = 0) {
    struct sigaction wanted {};
    wanted.sa_handler = handler;
    wanted.sa_flags = flags;
    ::sigaction(SIGCHLD, &wanted, &before_);
  }
  ~child_signal() { ::sigaction(SIGCHLD, &before_, nullptr); }
  child_signal(const child_signal&) = delete;
  child_signal& operator=(const child_signal&) = delete;

private:
  struct sigaction before_ {};
};

void kill_one_and_let_one_return() {
  CHECK(start(return_7).wait().code == 7);
  auto worker = start(serve);
  worker.process->kill(SIGKILL);
  const auto exit = worker.wait();
  CHECK(exit.known);
  CHECK(exit.signal == SIGKILL);
}

/// The system calls of all threads of the traced process, between the two marks.
std::vector<std::string> calls_of_host(const std::string& file) {
  std::ifstream trace{file};
  std::set<std::string> threads;
  std::vector<std::string> calls;
  bool between = false;
  for (std::string line; std::getline(trace, line);) {
    std::istringstream words{line};
    std::string thread;
    words >> thread;
    if (threads.empty())
      threads.insert(thread); // the first line is the program's execve
    if (!threads.contains(thread))
      continue;
    const auto made = line.rfind("= ");
    if (line.find("CLONE_THREAD") != std::string::npos && made != std::string::npos)
      threads.insert(line.substr(made + 2));
    if (line.find("clone3 resumed") != std::string::npos && made != std::string::npos)
      threads.insert(line.substr(made + 2));
    between = between || line.find("/bulkhead-begin") != std::string::npos;
    if (line.find("/bulkhead-end") != std::string::npos)
      return calls;
    // libc takes SIGRT_1 for itself when the first thread is made.
    if (between && line.find("rt_sigaction(SIGRT_1") == std::string::npos)
      calls.push_back(line);
  }
  return {};
}

} // namespace

TEST_CASE("workers die unseen by waitpid(-1) and without a SIGCHLD to the host") {
  const leak_guard guard;
  child_signals = 0;
  const child_signal counting{[](int) { ++child_signals; }};
  auto worker = start(serve);
  int status = 0;
  errno = 0;
  CHECK(::waitpid(-1, &status, WNOHANG) == -1); // not even the forkserver
  CHECK(errno == ECHILD);
  worker.process->kill(SIGKILL);
  CHECK(worker.wait().signal == SIGKILL);
  CHECK(child_signals == 0);
}

TEST_CASE("a killed forkserver too is no child that wait sees") {
  const leak_guard guard;
  child_signals = 0;
  const child_signal counting{[](int) { ++child_signals; }};
  const auto dead = open_pidfd(forkserver::common(soon())->pid());
  REQUIRE(send_signal(dead.get(), SIGKILL));
  CHECK(ends_in_time(dead.get()));
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(child_signals == 0);
  CHECK(start(return_7).wait().code == 7);
}

TEST_CASE("exits are told while the host ignores SIGCHLD or wants no zombies") {
  const leak_guard guard;
  {
    const child_signal ignored{SIG_IGN};
    kill_one_and_let_one_return();
  }
  const child_signal no_zombies{SIG_DFL, SA_NOCLDWAIT};
  kill_one_and_let_one_return();
}

TEST_CASE("exits are told while the host reaps all its children in a loop") {
  const leak_guard guard;
  std::atomic<bool> stop{false};
  std::thread reaper{[&] {
    while (!stop)
      ::waitpid(-1, nullptr, WNOHANG);
  }};
  for (int n = 0; n < 10; ++n)
    kill_one_and_let_one_return();
  const auto dead = open_pidfd(forkserver::common(soon())->pid());
  send_signal(dead.get(), SIGKILL);
  CHECK(ends_in_time(dead.get()));
  kill_one_and_let_one_return(); // by an exec'ed forkserver, which such a loop could reap
  stop = true;
  reaper.join();
}

TEST_CASE("signals, environment, directory and umask of the host stay as they were") {
  const leak_guard guard;
  const auto signals = signal_state();
  const auto environment = environment_text();
  const auto directory = std::filesystem::current_path();
  const auto mask = ::umask(0);
  ::umask(mask);
  kill_one_and_let_one_return();
  CHECK(signal_state() == signals);
  CHECK(environment_text() == environment);
  CHECK(std::filesystem::current_path() == directory);
  CHECK(::umask(mask) == mask);
}

TEST_CASE("a full or closed peer sends the host no SIGPIPE") {
  const leak_guard guard;
  ::signal(SIGPIPE, SIG_DFL); // it would end this test
  for (int n = 0; n < 5; ++n) {
    const auto dead = open_pidfd(forkserver::common(soon())->pid());
    send_signal(dead.get(), SIGKILL);
    CHECK(ends_in_time(dead.get()));
    CHECK(start(return_7).wait().code == 7);
  }
}

TEST_CASE(
  "in the host the library installs no handler, signals by pidfd only and waits for no child "
  "but its own") {
  const auto trace = "/tmp/bulkhead-manners-" + std::to_string(::getpid());
  const std::string program = BULKHEAD_TEST_PROGRAM_DIR "/guest_host";
  if (std::system(("strace -f -o " + trace + " true >/dev/null 2>&1").c_str()) != 0) {
    MESSAGE("strace is missing or may not trace here: not checked");
    std::filesystem::remove(trace);
    return;
  }
  // LeakSanitizer refuses to work under a tracer.
  const auto quiet = "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 ";
  CHECK(std::system((quiet + ("strace -f -o " + trace + " " + program)).c_str()) == 0);
  const auto calls = calls_of_host(trace);
  std::filesystem::remove(trace);
  CHECK(calls.size() > 20);
  for (const auto& call : calls)
    for (const char* bad :
         {" rt_sigaction(", " signalfd", " kill(", " tkill(", " tgkill(", " wait4(-1", "P_ALL",
          " setpgid(", " prctl(PR_SET_CHILD", " shm_open", "/dev/shm", " unlink"})
      CHECK_MESSAGE(call.find(bad) == std::string::npos, call);
}
