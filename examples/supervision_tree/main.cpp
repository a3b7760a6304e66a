// A tree of supervisors whose workers are killed from outside; the log shows who is started again.
#include <bulkhead/init.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

// Each one in a process of its own, where it can be killed alone.
caf::behavior clerk(caf::event_based_actor*) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}

child_spec a_clerk(std::string id) {
  return {.id = std::move(id), .start = child(placement::own_process, clerk)};
}

/// Prints what supervisors tell, and remembers it, so that the next fault waits for its turn.
class event_log {
public:
  void add(const supervision_event& e) {
    const std::lock_guard lock{mutex_};
    const auto path = e.child.empty() ? e.supervisor : e.supervisor + '/' + e.child;
    std::cout << "  " << path << ' ' << to_string(e.kind);
    if (e.kind == supervision_event_kind::started)
      std::cout << ", incarnation " << e.incarnation;
    std::cout << '\n';
    exits_[path] += e.kind == supervision_event_kind::exited;
    if (e.kind == supervision_event_kind::started)
      running_[path] = e.incarnation;
    else
      running_.erase(path);
    changed_.notify_all();
  }

  std::size_t exits(const std::string& path) {
    const std::lock_guard lock{mutex_};
    return exits_[path];
  }

  /// Until the child has ended once more, and all these run.
  bool wait(const std::string& victim, std::size_t exits, const std::vector<std::string>& all) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 60s, [&] {
      for (const auto& path : all)
        if (!running_.contains(path))
          return false;
      return victim.empty() || exits_[victim] > exits;
    });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::size_t> exits_;
  std::map<std::string, std::size_t> running_;
};

/// From outside, as the system's out-of-memory killer would.
void kill_worker_of(caf::scoped_actor& self, const caf::actor& whom) {
  self->request(whom, 60s, caf::get_atom_v)
    .receive([](std::int32_t pid) { ::kill(pid, SIGKILL); },
             [&](const caf::error& e) { std::cout << self->system().render(e) << '\n'; });
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  event_log log;
  const auto tell = [&log](const supervision_event& e) { log.add(e); };

  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  pool workers{system, {.workers = 1}};

  std::cout << "the shop opens\n";
  supervisor shop{
    workers,
    {.max_restarts = 100, .within = 1h, .name = "shop", .on_event = tell},
    {
      a_clerk("till"),
      {.id = "stock",
       .start = child({.strategy = restart_strategy::rest_for_one, .within = 1h, .on_event = tell},
                      {a_clerk("shelves"), a_clerk("picker"), a_clerk("packer")})},
    }};
  const std::vector<std::string> all{"shop/till", "shop/stock", "shop/stock/shelves",
                                     "shop/stock/picker", "shop/stock/packer"};
  log.wait({}, 0, all);

  caf::scoped_actor self{system};
  std::vector<std::string> faults(argv + 1, argv + argc);
  if (faults.empty())
    faults = {"till", "stock/picker", "stock/shelves"};
  for (const auto& victim : faults) {
    const auto before = log.exits("shop/" + victim);
    std::cout << "the worker of " << victim << " is killed\n";
    kill_worker_of(self, shop.child(victim));
    if (!log.wait("shop/" + victim, before, all)) {
      std::cout << "the shop is not whole again\n";
      return 1;
    }
  }

  std::cout << "the shop closes\n";
  shop.stop();
}
