// ctest-label: fault
#include "runtime/this_process/own_process.hpp"

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/this_process/reactor.hpp"
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/process.hpp>

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <csignal>
#include <optional>

using namespace bulkhead::tests;
using namespace bulkhead::runtime;

namespace {

/// Runs `check` in a copy of this process, as system() and popen() make them; true if it returned
/// true and the copy ended in time.
template <class Check>
bool in_copy(Check check) {
  const auto copy = ::fork();
  if (copy == 0)
    ::_exit(check() ? 0 : 1);
  const auto watched = open_pidfd(copy);
  if (!ends_in_time(watched.get()))
    ::kill(copy, SIGKILL);
  int status = -1;
  return ::waitpid(copy, &status, 0) == copy && status == 0;
}

template <class Call>
bool refuses(Call call) {
  try {
    call();
    return false;
  } catch (const bulkhead::config_error&) {
    return true;
  }
}

void serve(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  tell(worker.fds.at(0).get(), own_process::identity());
  for (;;)
    ::pause();
}

void pause_for_ever() {
  for (;;)
    ::pause();
}

} // namespace

TEST_CASE("a process keeps its identity, and a copy has none") {
  const auto identity = own_process::identity();
  CHECK(identity != 0);
  CHECK(own_process::identity() == identity);
  CHECK(own_process::is(identity));
  CHECK_NOTHROW(own_process::require());
  CHECK(in_copy([&] {
    return own_process::identity() == 0 && !own_process::is(identity) && !own_process::is(0)
           && refuses([] { own_process::require(); });
  }));
  CHECK(in_copy([&] { return in_copy([] { return own_process::identity() == 0; }); }));
  CHECK(own_process::is(identity));
}

TEST_CASE("workers have an identity of their own") {
  const leak_guard guard;
  pipe_ends pipe;
  auto first = start(serve, {pipe.write.get()});
  auto second = start(serve, {pipe.write.get()});
  const auto a = hear<std::uint64_t>(pipe.read.get());
  const auto b = hear<std::uint64_t>(pipe.read.get());
  CHECK(a != 0);
  CHECK(b != 0);
  CHECK(a != b);
  CHECK(a != own_process::identity());
  for (auto* each : {&first, &second}) {
    each->process->kill(SIGKILL);
    each->wait();
  }
}

TEST_CASE("in a copy every call is refused") {
  const leak_guard guard;
  const auto loop = reactor::acquire();
  pipe_ends pipe;
  auto worker = start(serve, {pipe.write.get()});
  bulkhead::process child{pause_for_ever};
  child.start();
  CHECK(in_copy([&] {
    return refuses([] { reactor::acquire(); }) && refuses([] { start(serve, {}); })
           && refuses([] { forkserver::common(soon()); }) && refuses([] { copy_host(); })
           && refuses([&] { child.kill(); }) && refuses([&] { child.join(); })
           && refuses([&] { return child.is_alive(); }) && !worker.process->kill(SIGKILL);
  }));
  CHECK(child.is_alive());
  CHECK(worker.process->kill(0));
  child.kill();
  child.join();
  worker.process->kill(SIGKILL);
  worker.wait();
}

TEST_CASE("in a copy destructors end nothing, and the original goes on") {
  const leak_guard guard;
  auto loop = reactor::acquire();
  pipe_ends pipe;
  auto worker = start(serve, {pipe.write.get()});
  std::optional<bulkhead::process> child{std::in_place, pause_for_ever};
  child->start();
  CHECK(in_copy([&] {
    child.reset();
    worker.process.reset();
    loop.reset();
    return true;
  }));
  CHECK(child->is_alive());
  CHECK(worker.process->kill(0));
  child.reset();
  worker.process->kill(SIGKILL);
  worker.wait();
}

TEST_CASE("a copy that holds all sockets does not hide a worker's death") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(serve, {pipe.write.get()});
  hear<std::uint64_t>(pipe.read.get());
  const auto copy = ::fork();
  if (copy == 0)
    pause_for_ever();
  worker.process->kill(SIGTERM);
  CHECK(worker.wait().signal == SIGTERM);
  ::kill(copy, SIGKILL);
  ::waitpid(copy, nullptr, 0);
}
