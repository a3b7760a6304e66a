// doomed_host: a host with four workers of both start methods. Each has a child and a daemon in a
// session of its own. Writes 13 pids to stdout (forkserver, then three for each worker) and waits
// to be killed.

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/forkserver/launch.hpp"
#include "runtime/process/watch_thread.hpp"

#include <bulkhead/init.hpp>

#include <csignal>
#include <cstdio>
#include <unistd.h>

using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

// Immune to all but SIGKILL, in a session of its own, its parent gone.
pid_t make_daemon() {
  int fds[2];
  if (::pipe(fds) != 0)
    return 0;
  if (const auto middle = ::fork(); middle == 0) {
    ::setsid();
    const auto daemon = ::fork();
    if (daemon == 0) {
      for (int signal = 1; signal < NSIG; ++signal)
        std::signal(signal, SIG_IGN);
      for (;;)
        ::pause();
    }
    [[maybe_unused]] const auto count = ::write(fds[1], &daemon, sizeof daemon);
    ::_exit(0);
  }
  pid_t daemon = 0;
  return ::read(fds[0], &daemon, sizeof daemon) == sizeof daemon ? daemon : 0;
}

pid_t make_child() {
  const auto child = ::fork();
  if (child == 0)
    for (;;)
      ::pause();
  return child;
}

void busy_worker(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  const pid_t pids[] = {::getpid(), make_child(), make_daemon()};
  [[maybe_unused]] const auto count = ::write(worker.fds[0].get(), pids, sizeof pids);
  for (;;)
    ::pause();
}

void launch_one(bulkhead::start_method method) {
  launch_request request;
  request.method = method;
  request.entry = &busy_worker;
  request.fds = {STDOUT_FILENO};
  launch(request, {}, std::chrono::steady_clock::now() + 10s);
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const auto server = forkserver::common(std::chrono::steady_clock::now() + 10s)->pid();
  [[maybe_unused]] const auto count = ::write(STDOUT_FILENO, &server, sizeof server);
  for (int n = 0; n < 2; ++n) {
    launch_one(bulkhead::start_method::forkserver);
    launch_one(bulkhead::start_method::spawn);
  }
  for (;;)
    ::pause();
}
