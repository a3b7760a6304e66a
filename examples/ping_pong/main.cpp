// Two actors in two processes play; the host watches, then one of the processes crashes.
#include <bulkhead/actor.hpp>
#include <bulkhead/init.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

// Runs in a process of its own: returns each ball until none is left.
caf::behavior player(caf::event_based_actor* self, const std::string& name) {
  return {
    [self](int balls, const caf::actor& other) {
      auto answer = self->make_response_promise();
      if (balls == 0)
        answer.deliver(0);
      else
        answer.delegate(other, balls - 1, caf::actor_cast<caf::actor>(self));
      return answer;
    },
    [name](caf::get_atom) { return name; },
    [](caf::ping_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::close_atom) -> int { std::abort(); },
  };
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);

  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  bulkhead::pool pool{system, {.workers = 1, .actor_workers = 2}};

  auto ann = pool.spawn(player, "Ann");
  auto bob = pool.spawn(player, "Bob");

  caf::scoped_actor self{system};
  auto fail = [&](const caf::error& e) { std::cout << system.render(e) << '\n'; };
  std::int32_t pids[2] = {};
  self->request(ann, 60s, caf::ping_atom_v).receive([&](std::int32_t pid) { pids[0] = pid; }, fail);
  self->request(bob, 60s, caf::ping_atom_v).receive([&](std::int32_t pid) { pids[1] = pid; }, fail);
  std::cout << "two processes besides this one: " << std::boolalpha
            << (pids[0] != pids[1] && pids[0] != ::getpid() && pids[1] != ::getpid()) << '\n';

  self->request(ann, 60s, 1000, bob)
    .receive([](int left) { std::cout << "1000 balls later: " << left << " left\n"; }, fail);

  self->monitor(bob);
  self->request(bob, 60s, caf::close_atom_v)
    .receive([](int) {},
             [&](const caf::error& e) {
               auto status = bulkhead::exit_status_of(e);
               std::cout << "Bob crashed: "
                         << (status ? bulkhead::to_string(*status) : system.render(e)) << '\n';
             });
  self->receive([](const caf::down_msg&) { std::cout << "one down message\n"; });
  self->request(ann, 60s, caf::get_atom_v)
    .receive([](const std::string& name) { std::cout << name << " plays on\n"; }, fail);
}
