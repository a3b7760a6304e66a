// A service with threads, signals and children of its own, which also owns a pool. It lives as
// before: the pool touches neither its signals nor its children.

#include <bulkhead/bulkhead.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

/// What a worker does for one request. Each hundredth brings the native library down.
int evaluate(int request) {
  if (request % 100 == 99)
    std::abort();
  return 2 * request;
}

class service {
public:
  /// Thread-safe: every client's thread calls it. Throws worker_died, pool_closed.
  int answer(int request) { return pool_.apply(evaluate, request); }

  /// No more requests; those that came are answered.
  void stop() {
    pool_.close();
    pool_.join();
  }

private:
  bulkhead::pool pool_{{.workers = 2, .name = "evaluation"}};
};

std::atomic<int> answered = 0;
std::atomic<int> crashed = 0;

/// Asks until the service is closed.
void client(service& s) {
  for (int request = 0;; ++request)
    try {
      s.answer(request);
      ++answered;
    } catch (const bulkhead::worker_died&) {
      if (++crashed == 8)
        kill(getpid(), SIGTERM); // as the administrator would
    } catch (const bulkhead::pool_closed&) {
      return;
    }
}

/// The service's own signals, which its main thread waits for.
sigset_t own_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGCHLD);
  return signals;
}

/// The service's own children: waits for any, as old code does.
int reap_children() {
  int ended = 0;
  while (waitpid(-1, nullptr, WNOHANG) > 0)
    ++ended;
  return ended;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const auto signals = own_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr); // inherited by all threads of the service

  service s;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back(client, std::ref(s));

  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  posix_spawn(nullptr, program, nullptr, nullptr, arguments, environ);

  int children = 0;
  bool running = true;
  while (running || children == 0) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGCHLD)
      children += reap_children();
    else
      running = false;
  }
  s.stop();
  clients.clear();

  std::cout << "SIGTERM came; the service has answered what it had\n"
            << answered << " requests were answered, " << crashed
            << " crashed a worker and were told so\n"
            << "children that the service saw: " << children << '\n';
}
