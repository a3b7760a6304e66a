// Snippets of the guide: actors.

#include <bulkhead/actor.hpp>
#include <bulkhead/bulkhead.hpp>
#include <bulkhead/dead_letters.hpp>
#include <bulkhead/deadline.hpp>
#include <bulkhead/instance_pool.hpp>
#include <bulkhead/spawn_beside.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/supervised_work.hpp>
#include <bulkhead/typed_actor.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

//[
struct account_state {
  int balance = 0;
  int bookings = 0;
};

caf::behavior account(caf::stateful_actor<account_state>* self, int opening_balance) {
  self->state.balance = opening_balance;
  return {
    [self](int amount) { return self->state.balance += amount; },
  };
}
//]

//[
BULKHEAD_ACTOR("account", account) // a name for it, at namespace scope

caf::behavior branch(caf::event_based_actor* self) {
  return {
    [self](int opening_balance) {
      auto promise = self->make_response_promise<caf::actor>();
      bulkhead::spawn_beside(self, "account", opening_balance) // in another worker
        .then([promise](caf::actor& made) mutable { promise.deliver(std::move(made)); },
              [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
      return promise;
    },
  };
}
//]

//[
using till = caf::typed_actor<caf::replies_to<int>::with<int>>;

till::behavior_type cashier(till::pointer, int start) {
  return {[start](int amount) { return start + amount; }};
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

void end_and_limit(bulkhead::pool& pool, caf::actor& savings) {
  //[
  auto account_of_a_guest = pool
                              .with(bulkhead::actor_options{
                                .message_timeout = 2s, .memory_limit = 64 << 20, .name = "guest"})
                              .spawn(bulkhead::placement::own_process, account, 0);

  for (const auto& a : pool.actors())
    std::cout << a.name << " in worker " << a.pid << ": " << a.messages << " messages\n";

  bulkhead::kill(savings); // whatever it does
  //]
}

void kept_alive(bulkhead::pool& pool) {
  //[
  using namespace bulkhead;
  supervisor bank{
    pool,
    {.strategy = restart_strategy::rest_for_one, .max_restarts = 3, .within = 10s, .name = "bank"},
    {
      {.id = "ledger", .start = child(placement::own_process, account, 0)},
      {.id = "desk", .start = child(account, 100), .shutdown = 2s},
      {.id = "guests",
       .start =
         child({.strategy = restart_strategy::simple_one_for_one},
               {{.id = "guest", .start = child(account, 0), .restart = restart_type::temporary}})},
    }};

  caf::actor ledger = bank.child("ledger"); // stands for each of its incarnations
  caf::actor guest = bank.start_child(child(account, 5), "guests");
  for (const auto& c : bank.which_children())
    std::cout << c.id << ": " << to_string(c.status) << '\n';
  //]
  kill(ledger);
  static_cast<void>(guest);
}

//[
caf::behavior counter(caf::stateful_actor<account_state>* self, const std::string& snapshot) {
  self->state.balance = snapshot.empty() ? 0 : std::stoi(snapshot);
  return {
    [self](int amount) {
      auto promise = self->make_response_promise<int>();
      const int balance = self->state.balance += amount;
      bulkhead::keep_state(self, std::to_string(balance))
        .then([promise, balance]() mutable { promise.deliver(balance); }, // the host holds it
              [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
      return promise;
    },
  };
}
//]

void kept_state(bulkhead::pool& pool) {
  //[
  bulkhead::supervisor safe{
    pool,
    {},
    {{.id = "counter", .start = bulkhead::child(counter, std::string{}), .state_limit = 64}}};
  //]
}

//[
caf::behavior ledger(caf::stateful_actor<account_state>* self, const std::string& snapshot) {
  self->state.balance = snapshot.empty() ? 0 : std::stoi(snapshot);
  return {
    [self](int amount) {
      const int balance = self->state.balance += amount;
      if (++self->state.bookings % 100 == 0)
        bulkhead::keep_state(self, std::to_string(balance)).then([] {}, [](caf::error&) {});
      return balance;
    },
  };
}
//]

void replayed_messages(bulkhead::pool& pool) {
  //[
  bulkhead::supervisor exact{pool,
                             {},
                             {{.id = "ledger",
                               .start = bulkhead::child(ledger, std::string{}),
                               .state_limit = 64,
                               .replayed_messages = 1000}}};
  //]
}

int index_forever(int rounds) { return rounds; }

[[maybe_unused]] void other_children(bulkhead::pool& pool) {
  //[
  bulkhead::supervisor services{
    pool,
    {.max_restarts = 5},
    {{.id = "indexer", .start = bulkhead::process_child({.name = "indexer"}, index_forever, 3)},
     {.id = "tasks", .start = bulkhead::pool_child({.workers = 2})}}};
  //]
}

[[maybe_unused]] void journaled_state(bulkhead::pool& pool, const std::filesystem::path& folder) {
  //[
  bulkhead::supervisor durable{
    pool,
    {.name = "shop", .journal = folder},
    {{.id = "counter",
      .start =
        bulkhead::child(counter, std::string{}).with(bulkhead::actor_options{.start_timeout = 5s}),
      .state_limit = 64}}};
  //]
}

//[
caf::behavior clerk(caf::event_based_actor* self) {
  bulkhead::register_as(self, "clerk")
    .then([] {}, [self](const caf::error& why) { self->quit(why); }); // the name is taken
  bulkhead::join(self, "staff").then([] {});
  return {
    [self](int order) {
      bulkhead::whereis(self, "stock")
        .then([self, order](const caf::actor& stock) { self->send(stock, order); },
              [](const caf::error&) { std::cout << "there is no stock\n"; });
      bulkhead::publish(self, "staff", std::string{"an order came in"});
    },
    [](const std::string& news) { std::cout << news << '\n'; },
  };
}
//]

void by_name(bulkhead::pool& pool) {
  const auto stock = pool.spawn(account, 0);
  pool.spawn(clerk);
  //[
  const bulkhead::names known{pool};
  known.register_as("stock", stock);
  known.join("staff", stock);
  caf::actor found = known.whereis("clerk"); // empty while nobody has the name
  known.publish("staff", std::string{"closing time"});
  //]
  static_cast<void>(found);
}

void many_of_a_kind(caf::actor_system& system) {
  caf::scoped_actor self{system};
  //[
  caf::actor accounts = bulkhead::spawn_pool(system, {.actor_workers = 4}, account, 0);
  //]
  self->request(accounts, 5s, 7).receive([](int b) { std::cout << b << '\n'; }, [](caf::error&) {});
  //[
  bulkhead::instance_pool many{accounts};
  many.resize(8); // new ones start; fewer: who leaves answers first
  const auto now = many.stats();
  std::cout << now.serving << " of " << now.instances << " serve, " << now.waiting << " wait\n";
  for (const auto& one : many.instances())
    std::cout << one.number << " in process " << one.pid << " owes " << one.unanswered << '\n';
  many.close(); // takes nothing more, answers what it has, ends
  //]
}

void typed_and_watched(bulkhead::pool& pool, caf::actor_system& system) {
  //[
  till desk = bulkhead::spawn_typed(pool, cashier, 10); // a text to it does not compile
  //]
  pool.spawn(branch);
  //[
  bulkhead::dead_letter_watch watch{system,
                                    [](const std::string& why) { std::cerr << why << '\n'; }};
  //]
  static_cast<void>(desk);
}

void in_time(caf::scoped_actor& self, const caf::actor& savings) {
  //[
  bulkhead::request(self, savings, 500ms, 20)
    .receive([](int balance) { std::cout << balance << '\n'; },
             [](const caf::error&) { std::cout << "not in time\n"; });
  //]
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
