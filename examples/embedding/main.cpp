// A service with threads, actors, signals and children of its own, which also owns a pool. It
// lives as before: the pool touches neither its signals nor its children.

#include <bulkhead/actor.hpp>
#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

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
BULKHEAD_TASK("evaluate", evaluate)

/// One of the service's actors, in the service's own process: hands requests on to the pool, which
/// is an actor too.
caf::behavior front_desk(caf::event_based_actor* self, const caf::actor& pool) {
  return {
    [self, pool](int request) { return self->delegate(pool, std::string{"evaluate"}, request); },
  };
}

struct settings : caf::actor_system_config {
  settings() { bulkhead::configure(*this); }
};

class service {
public:
  /// For the service's threads. Throws worker_died, pool_closed.
  int answer(int request) { return pool_.apply(evaluate, request); }

  /// For the service's actors: takes a request, answers with the value or an error.
  const caf::actor& desk() const { return desk_; }
  caf::actor_system& system() { return system_; }
  /// For its administrator's browser; /metrics there is for Prometheus.
  std::string page() const { return page_.url(); }

  /// No more requests; those that came are answered.
  void stop() {
    pool_.close();
    pool_.join();
  }

private:
  settings settings_;
  caf::actor_system system_{settings_};
  bulkhead::pool pool_{system_, {.workers = 2, .name = "evaluation"}};
  bulkhead::observe::web_page page_{pool_}; // of this machine alone
  caf::actor desk_ = system_.spawn(front_desk, pool_.actor());
};

std::atomic<int> answered = 0;
std::atomic<int> crashed = 0;

void count_crash() {
  if (++crashed == 8)
    kill(getpid(), SIGTERM); // as the administrator would
}

/// A thread that calls the pool, until the service is closed.
void thread_client(service& s) {
  for (int request = 0;; ++request)
    try {
      s.answer(request);
      ++answered;
    } catch (const bulkhead::worker_died&) {
      count_crash();
    } catch (const bulkhead::pool_closed&) {
      return;
    }
}

/// The same with messages to the actor.
void actor_client(service& s) {
  caf::scoped_actor self{s.system()};
  bool open = true;
  for (int request = 0; open; ++request)
    self->request(s.desk(), caf::infinite, request)
      .receive([](int) { ++answered; },
               [&open](const caf::error& error) {
                 const auto failure = bulkhead::failure_of(error);
                 if (failure && failure->kind == bulkhead::failure_kind::worker_died)
                   count_crash();
                 else
                   open = false;
               });
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

/// Serves until SIGTERM; returns how many children ended meanwhile.
int run_until_terminated(const sigset_t& signals) {
  int children = 0;
  for (bool running = true; running || children == 0;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGCHLD)
      children += reap_children();
    else
      running = false;
  }
  return children;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const auto signals = own_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr); // inherited by all threads of the service

  service s;
  std::cerr << "the pool shows at " << s.page() << std::endl;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back(thread_client, std::ref(s));
    clients.emplace_back(actor_client, std::ref(s));
  }
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  posix_spawn(nullptr, program, nullptr, nullptr, arguments, environ);

  const int children = run_until_terminated(signals);
  s.stop();
  clients.clear();
  std::cout << "SIGTERM came; the service has answered what it had\n"
            << answered << " requests were answered, " << crashed
            << " crashed a worker and were told so\n"
            << "children that the service saw: " << children << std::endl;
}
