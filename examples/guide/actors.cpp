// Snippets of the guide: actors.

#include <bulkhead/actor.hpp>
#include <bulkhead/bulkhead.hpp>
#include <bulkhead/spawn_pool.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

//[
struct account_state {
  int balance = 0;
};

caf::behavior account(caf::stateful_actor<account_state>* self, int opening_balance) {
  self->state.balance = opening_balance;
  return {
    [self](int amount) { return self->state.balance += amount; },
  };
}
//]

int twice(int x) { return 2 * x; }
BULKHEAD_TASK("twice", twice)

void actor_in_a_worker() {
  //[
  bulkhead::pool pool({.actor_workers = 2});
  caf::actor savings = pool.spawn(account, 100); // lives in another process
  //]
}

void inside_a_system() {
  //[
  caf::actor_system_config config;
  bulkhead::configure(config); // before the system is made
  caf::actor_system system{config};
  bulkhead::pool pool{system, {.workers = 2, .actor_workers = 2}};
  caf::scoped_actor self{system};

  caf::actor savings = pool.spawn(account, 100);
  self->request(savings, 5s, 20)
    .receive([](int balance) { std::cout << balance << '\n'; }, // 120
             [](const caf::error& error) {
               if (auto status = bulkhead::exit_status_of(error)) // its process ended
                 std::cout << to_string(*status) << '\n';
             });

  // the pool is an actor too: it takes the name of a task and its arguments
  self->request(pool.actor(), 5s, "twice", 21)
    .receive([](int answer) { std::cout << answer << '\n'; },
             [](const caf::error& error) {
               if (auto failure = bulkhead::failure_of(error))
                 std::cout << to_string(*failure) << '\n';
             });
  //]
}

void many_of_a_kind(caf::actor_system& system) {
  caf::scoped_actor self{system};
  //[
  caf::actor accounts = bulkhead::spawn_pool(system, {.actor_workers = 4}, account, 0);
  //]
  self->request(accounts, 5s, 7).receive([](int b) { std::cout << b << '\n'; }, [](caf::error&) {});
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  actor_in_a_worker();
  inside_a_system();
  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  many_of_a_kind(system);
}
