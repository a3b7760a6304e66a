// ctest-label: fault
// ctest-timeout: 180
#include "runtime/forkserver/forkserver.hpp"

#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include "runtime/process/watch_thread.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/init.hpp>

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <thread>

using namespace bulkhead::tests;
using namespace bulkhead::runtime;
using bulkhead::start_method;

namespace {

constexpr std::array methods{start_method::forkserver, start_method::spawn};

void return_7(worker_start& worker) { worker.exit_code = 7; }

void exit_by_signal(worker_start& worker) {
  int signal = 0;
  std::memcpy(&signal, worker.start.data(), sizeof signal);
  ::raise(signal);
}

void use_time(worker_start&) {
  rusage usage{};
  do
    ::getrusage(RUSAGE_SELF, &usage);
  while (usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec < 20'000);
}

// Says its pid, then waits until its fds[1] can be read, then ends.
void wait_for_word(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  tell(worker.fds.at(0).get(), ::getpid());
  char byte = 0;
  worker.exit_code = ::read(worker.fds.at(1).get(), &byte, 1) == 1 ? 5 : 6;
}

[[noreturn]] void pause_for_ever() {
  for (;;)
    ::pause();
}

void serve_for_ever(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  if (!worker.fds.empty())
    tell(worker.fds[0].get(), ::getpid());
  pause_for_ever();
}

// A child, and a daemon in a session of its own; tells both pids.
void leave_descendants(worker_start& worker) {
  const int out = worker.fds.at(0).get();
  if (::fork() == 0) {
    tell(out, ::getpid());
    pause_for_ever();
  }
  if (::fork() == 0) {
    ::setsid();
    if (::fork() == 0) {
      std::signal(SIGTERM, SIG_IGN);
      tell(out, ::getpid());
      pause_for_ever();
    }
    ::_exit(0);
  }
  pause_for_ever();
}

int copied_value = 1; // start_method::fork sees what the host wrote

void tell_copied_value(worker_start& worker) { tell(worker.fds.at(0).get(), copied_value); }

void close_everything(worker_start& worker) {
  std::atomic<std::uint64_t> beat{0};
  start_watch_thread(worker.control.get(), worker.host.get(), &beat, std::chrono::milliseconds{1});
  ::syscall(SYS_close_range, 3, ~0U, 0);
  pause_for_ever();
}

void replace_everything(worker_start& worker) {
  std::atomic<std::uint64_t> beat{0};
  const int control = worker.control.get();
  start_watch_thread(control, worker.host.get(), &beat, std::chrono::milliseconds{1});
  ::dup2(0, control);
  pause_for_ever();
}

std::shared_ptr<forkserver> server() { return forkserver::common(soon()); }

void end(launched& worker) {
  worker.process->kill(SIGKILL);
  const auto exit = worker.wait();
  CHECK((exit.signal == SIGKILL || !exit.known));
}

unique_fd watch_pid(pid_t pid) {
  auto fd = open_pidfd(pid);
  REQUIRE(fd);
  return fd;
}

} // namespace

TEST_CASE("exit codes, signals and used time of workers are told") {
  const leak_guard guard;
  for (const auto method : methods) {
    auto request = request_for(return_7);
    request.method = method;
    auto exit = start(request).wait();
    CHECK(exit.known);
    CHECK(exit.started);
    CHECK(exit.code == 7);
    CHECK(exit.signal == 0);

    for (const int signal : {SIGTERM, SIGSEGV, SIGKILL, SIGXCPU}) {
      request = request_for(exit_by_signal);
      request.method = method;
      request.start.resize(sizeof signal);
      std::memcpy(request.start.data(), &signal, sizeof signal);
      exit = start(request).wait();
      CHECK(exit.known);
      CHECK(exit.signal == signal);
      CHECK(exit.code == 0);
    }
    request = request_for(use_time);
    request.method = method;
    CHECK(start(request).wait().usage.ru_utime.tv_usec >= 20'000);
  }
}

TEST_CASE("a pid is known when launch returns, and kill reaches exactly that process") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(serve_for_ever, {pipe.write.get()});
  CHECK(hear<pid_t>(pipe.read.get()) == worker.process->pid());
  CHECK(worker.process->kill(0));
  end(worker);
  CHECK_FALSE(worker.process->kill(0));
}

TEST_CASE("a worker ends when the host hangs up") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(serve_for_ever, {pipe.write.get()});
  hear<pid_t>(pipe.read.get());
  worker.process->hang_up();
  CHECK(worker.wait().code == exit_hung_up);
}

TEST_CASE("a worker whose task closed or replaced its descriptors ends") {
  const leak_guard guard;
  for (const auto entry : {close_everything, replace_everything}) {
    auto worker = start(entry);
    CHECK(worker.wait().code == exit_hung_up);
  }
}

TEST_CASE("children and daemons of a killed worker are gone, also those of another session") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(leave_descendants, {pipe.write.get()});
  const auto first = watch_pid(hear<pid_t>(pipe.read.get()));
  const auto second = watch_pid(hear<pid_t>(pipe.read.get()));
  end(worker);
  CHECK(ends_in_time(first.get()));
  CHECK(ends_in_time(second.get()));
}

TEST_CASE("a worker with a child that holds its descriptors is still seen to die") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(leave_descendants, {pipe.write.get()});
  hear<pid_t>(pipe.read.get());
  hear<pid_t>(pipe.read.get());
  worker.process->kill(SIGSEGV);
  CHECK(worker.wait().signal == SIGSEGV);
}

TEST_CASE("workers outlive a killed forkserver, a new one starts, and all ends are told") {
  const leak_guard guard;
  for (int round = 0; round < 5; ++round) {
    pipe_ends hello;
    pipe_ends word;
    auto old = start(wait_for_word, {hello.write.get(), word.read.get()});
    hear<pid_t>(hello.read.get());
    const auto dead = server();
    const auto gone = watch_pid(dead->pid());
    REQUIRE(send_signal(gone.get(), SIGKILL));
    CHECK(ends_in_time(gone.get()));

    CHECK(start(return_7).wait().code == 7);
    CHECK(server()->pid() != dead->pid());
    tell(word.write.get(), 'x');
    const auto exit = old.wait();
    CHECK((!exit.known || exit.code == 5));
  }
}

TEST_CASE("launches survive a forkserver that is killed again and again") {
  const leak_guard guard;
  std::atomic<bool> stop{false};
  std::thread nemesis{[&] {
    for (int n = 0; n < 20 && !stop; ++n) {
      const auto victim = server();
      const auto fd = open_pidfd(victim->pid());
      for (int turn = 0; turn < 5; ++turn) // let some launches through
        start(return_7).wait();
      if (fd)
        send_signal(fd.get(), SIGKILL);
    }
    stop = true;
  }};
  int done = 0;
  int refused = 0;
  while (!stop || done < 50) {
    try {
      const auto exit = start(return_7).wait();
      CHECK((!exit.known || exit.code == 7 || exit.code == exit_hung_up));
      ++done;
    } catch (const launch_error&) {
      ++refused; // killed twice in one launch
    }
  }
  nemesis.join();
  CHECK(done >= 50);
  MESSAGE(done << " launches, " << refused << " refused");
}

TEST_CASE("a forkserver that is stopped is replaced, and its half-started worker never runs") {
  const leak_guard guard;
  const auto stopped = server();
  const auto fd = watch_pid(stopped->pid());
  REQUIRE(send_signal(fd.get(), SIGSTOP));
  CHECK(start(return_7).wait().code == 7);
  CHECK(ends_in_time(fd.get()));
  CHECK(server()->pid() != stopped->pid());
}

TEST_CASE("a launch whose own deadline passes is refused and leaves the forkserver alone") {
  const leak_guard guard;
  const auto current = server();
  const auto fd = watch_pid(current->pid());
  REQUIRE(send_signal(fd.get(), SIGSTOP));
  const auto request = request_for(return_7);
  CHECK_THROWS_AS(launch(request, {}, std::chrono::steady_clock::now()), launch_error);
  REQUIRE(send_signal(fd.get(), SIGCONT));
  CHECK(start(return_7).wait().code == 7);
  CHECK(server() == current);
}

TEST_CASE("a worker lives on when the thread that launched it ends") {
  const leak_guard guard;
  pipe_ends hello;
  pipe_ends word;
  launched worker;
  std::thread{[&] {
    worker = start(wait_for_word, {hello.write.get(), word.read.get()});
    hear<pid_t>(hello.read.get());
  }}.join();
  tell(word.write.get(), 'x');
  CHECK(worker.wait().code == 5);
}

TEST_CASE("a copy of the host sees the host's data and is refused while there are other threads") {
  const leak_guard guard;
  copied_value = 42;
  pipe_ends pipe;
  auto request = request_for(tell_copied_value, {pipe.write.get()});
  request.method = start_method::fork;
  CHECK_THROWS_AS(start(request), bulkhead::config_error);
  {
    const auto keeps_our_thread = reactor::acquire();
    request.server = copy_host();
    copied_value = 1;
    auto worker = start(request);
    CHECK(hear<int>(pipe.read.get()) == 42);
    worker.wait();
    request.server.reset();
  }
  std::promise<void> may_end;
  std::promise<void> named;
  std::thread stranger{[&] {
    pthread_setname_np(pthread_self(), "stranger");
    named.set_value();
    may_end.get_future().wait();
  }};
  named.get_future().wait();
  std::string text;
  try {
    copy_host();
  } catch (const launch_error& e) {
    text = e.what();
  }
  may_end.set_value();
  stranger.join();
  CHECK(text.find("stranger (") != std::string::npos);
}

TEST_CASE("a thousand launches leak nothing") {
  const leak_guard guard;
  const auto loop = reactor::acquire();
  for (int n = 0; n < 1000; ++n) {
    const auto exit = start(return_7).wait();
    REQUIRE(exit.code == 7);
  }
}

TEST_CASE("launches of many threads at once all succeed") {
  const leak_guard guard;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int n = 0; n < 8; ++n)
    threads.emplace_back([&] {
      for (int round = 0; round < 25; ++round)
        good += start(return_7).wait().code == 7;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(good == 200);
}

TEST_CASE("a limit of descriptors that the host had for a while binds no later launch") {
  const leak_guard guard;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit tight = before;
  tight.rlim_cur = 32;
  ::setrlimit(RLIMIT_NOFILE, &tight);
  auto first = start(return_7);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(first.wait().code == 7);
  const pipe_ends pipe;
  CHECK(start(return_7, std::vector<int>(100, pipe.write.get())).wait().code == 7);
}

TEST_CASE("with any number of descriptors left, a launch works or fails cleanly") {
  const leak_guard guard;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  int failed = 0;
  int worked = 0;
  for (rlim_t limit = 3; limit <= 64; ++limit) {
    rlimit tight = before;
    tight.rlim_cur = limit;
    ::setrlimit(RLIMIT_NOFILE, &tight);
    try {
      auto worker = start(return_7);
      ::setrlimit(RLIMIT_NOFILE, &before);
      CHECK(worker.wait().code == 7);
      ++worked;
    } catch (const std::system_error& e) { // launch_error's kin: from the reactor
      ::setrlimit(RLIMIT_NOFILE, &before);
      CHECK(e.code().value() == EMFILE);
      ++failed;
    } catch (const launch_error& e) {
      ::setrlimit(RLIMIT_NOFILE, &before);
      CHECK_MESSAGE(e.code() == EMFILE, e.what());
      ++failed;
    }
  }
  CHECK(failed > 0);
  CHECK(worked > 0);
}
