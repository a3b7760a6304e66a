// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/names.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

std::string shown(caf::event_based_actor* self, const caf::error& e) {
  return actors::render(self->system(), e);
}

/// Carries out what the test says and answers "done", a name's owner, or the error's text.
caf::behavior citizen(caf::event_based_actor* self) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::add_atom) { ::raise(SIGKILL); },
    [](std::int32_t x) { return x + 1; },
    [self](const std::string& verb, const std::string& text) {
      auto promise = self->make_response_promise<std::string>();
      const auto done = [promise]() mutable { promise.deliver(std::string{"done"}); };
      const auto failed = [self, promise](const caf::error& e) mutable {
        promise.deliver(shown(self, e));
      };
      if (verb == "register")
        register_as(self, text).then(done, failed);
      else if (verb == "unregister")
        unregister(self, text).then(done, failed);
      else if (verb == "join")
        join(self, text).then(done, failed);
      else if (verb == "leave")
        leave(self, text).then(done, failed);
      else if (verb == "publish")
        publish(self, text, std::int64_t{1}), promise.deliver(std::string{"done"});
      else if (verb == "call")
        whereis(self, text)
          .then(
            [self, promise, failed](const caf::actor& found) mutable {
              actors::ask(self, found, 20s, caf::get_atom_v)
                .then([promise](std::int32_t pid) mutable { promise.deliver(std::to_string(pid)); },
                      failed);
            },
            failed);
      else
        members(self, text)
          .then(
            [promise](const std::vector<caf::actor>& all) mutable {
              promise.deliver(std::to_string(all.size()));
            },
            failed);
      return promise;
    },
    [self](std::int64_t times) { // joins so often; answers what the last attempt got
      auto promise = self->make_response_promise<std::string>();
      for (; times > 1; --times)
        bulkhead::join(self, "flood").then([] {}, [](const caf::error&) {});
      bulkhead::join(self, "flood")
        .then([promise]() mutable { promise.deliver(std::string{"done"}); },
              [self, promise](const caf::error& e) mutable { promise.deliver(shown(self, e)); });
      return promise;
    },
    [self](const std::string& text, const caf::actor& other) {
      auto promise = self->make_response_promise<std::string>();
      register_as(self, text, other)
        .then([promise]() mutable { promise.deliver(std::string{"done"}); },
              [self, promise](const caf::error& e) mutable { promise.deliver(shown(self, e)); });
      return promise;
    },
  };
}

std::string says(caf::scoped_actor& self, const caf::actor& whom, const char* verb,
                 const std::string& text) {
  return ask<std::string>(self, whom, std::string{verb}, text);
}

pool_options two_workers() {
  pool_options o;
  o.workers = 1;
  o.actor_workers = 2;
  return o;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

template <class F>
std::string refusal_of(F f) {
  try {
    f();
  } catch (const name_error& e) {
    return e.what();
  }
  return "nothing was refused";
}

} // namespace

TEST_CASE("an actor that a worker names is found from the host and from another worker") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{workers};
  caf::scoped_actor self{*host.system};
  auto ann = workers.spawn(placement::own_process, citizen);
  const auto bob = workers.spawn(placement::own_process, citizen);
  const auto pid = ask<std::int32_t>(self, ann, caf::get_atom_v);
  CHECK(says(self, ann, "register", "database") == "done");
  CHECK(all.whereis("database") == ann);
  CHECK(says(self, bob, "call", "database") == std::to_string(pid));
  CHECK(says(self, ann, "call", "database") == std::to_string(pid));
  CHECK(has(says(self, bob, "call", "cellar"), "nobody is registered as 'cellar'"));
  ann = nullptr; // the name holds it
  CHECK(ask<std::int32_t>(self, all.whereis("database"), caf::get_atom_v) == pid);
  CHECK(all.registered() == std::vector<std::string>{"database"});
  CHECK(all.unregister("database"));
  CHECK_FALSE(all.unregister("database"));
  CHECK(all.whereis("database") == nullptr);
}

TEST_CASE("a taken name, a bad one and one of a foreign actor are refused with their reasons") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{*host.system};
  caf::scoped_actor self{*host.system};
  const auto ann = workers.spawn(placement::own_process, citizen);
  const auto bob = workers.spawn(placement::own_process, citizen);
  all.register_as("database", ann);
  CHECK(has(says(self, bob, "register", "database"), "the name 'database' is taken"));
  CHECK(has(says(self, ann, "register", "database"), "the name 'database' is taken"));
  CHECK(has(says(self, bob, "unregister", "database"), "has no name"));
  CHECK(all.whereis("database") == ann);
  CHECK(has(says(self, ann, "register", ""), "allowed: 1 to 255 bytes"));
  CHECK(has(says(self, ann, "join", std::string(256, 'x')), "a text of 256 bytes is no name"));
  CHECK(has(says(self, ann, "leave", "choir"), "is in no group 'choir'"));
  CHECK(has(ask<std::string>(self, ann, std::string{"stolen"}, bob), "its own actors only"));
  CHECK(has(refusal_of([&] { all.register_as("database", bob); }), "is taken"));
  CHECK(has(refusal_of([&] { all.register_as("nobody", {}); }), "an empty handle"));
}

TEST_CASE("a name and the memberships go with their actor's death, however it ends") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{workers};
  caf::scoped_actor self{*host.system};
  const auto ann = workers.spawn(placement::own_process, citizen);
  auto bob = workers.spawn(placement::own_process, citizen);
  CHECK(says(self, ann, "register", "database") == "done");
  CHECK(says(self, ann, "join", "choir") == "done");
  all.join("choir", bob);
  all.join("choir", bob);
  CHECK(all.members("choir") == std::vector<caf::actor>{ann, bob, bob});
  CHECK(says(self, bob, "members", "choir") == "3");
  actors::tell(&*self, ann, caf::add_atom_v);
  CHECK(eventually([&] { return all.registered().empty(); }));
  CHECK(eventually([&] { return all.members("choir") == std::vector<caf::actor>{bob, bob}; }));
  CHECK(all.leave("choir", bob));
  CHECK(all.members("choir").size() == 1);
  caf::anon_send_exit(bob, caf::exit_reason::user_shutdown);
  CHECK(eventually([&] { return all.groups().empty(); }));
  CHECK(eventually([&] { return has(refusal_of([&] { all.join("choir", bob); }), "has ended"); }));
  CHECK(all.members("choir").empty());
}

TEST_CASE("a worker that names without end is stopped at its share, and harms no other") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{workers};
  caf::scoped_actor self{*host.system};
  const auto bad = workers.spawn(placement::own_process, citizen);
  const auto good = workers.spawn(placement::own_process, citizen);
  CHECK(has(ask<std::string>(self, bad, std::int64_t{5000}), "have 4096 names and memberships"));
  CHECK(all.members("flood").size() == 4096);
  CHECK(says(self, good, "register", "database") == "done");
  CHECK(says(self, good, "members", "flood") == "4096");
  actors::tell(&*self, bad, caf::add_atom_v);
  CHECK(eventually([&] { return all.groups().empty(); }));
  CHECK(all.registered() == std::vector<std::string>{"database"});
}

TEST_CASE("a name does not keep an actor of the host, nor its system") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{workers};
  auto here = host.system->spawn(citizen);
  all.register_as("here", here);
  const auto there = workers.spawn(placement::own_process, citizen);
  caf::scoped_actor self{*host.system};
  CHECK(says(self, there, "call", "here") == std::to_string(::getpid()));
  here = nullptr;
  CHECK(eventually([&] { return all.registered().empty(); }));
  const auto stays = host.system->spawn(citizen);
  all.register_as("stays", stays);
  CHECK(all.whereis("stays") == stays);
}

TEST_CASE("what is published reaches every member, in the order of its publisher") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{workers};
  caf::scoped_actor self{*host.system};
  const auto ann = workers.spawn(placement::own_process, citizen);
  all.join("choir", caf::actor_cast<caf::actor>(self));
  for (int i = 0; i < 3; ++i)
    CHECK(says(self, ann, "publish", "choir") == "done");
  CHECK(all.publish("choir", std::int64_t{2}) == 1);
  int heard = 0;
  std::int64_t sum = 0;
  for (int i = 0; i < 4; ++i)
    self->receive(
      [&](std::int64_t x) {
        ++heard;
        sum += x;
        if (x == 1)
          CHECK(self->current_sender() == ann);
      },
      caf::after(60s) >> [] { FAIL_CHECK("a message is missing"); });
  CHECK(heard == 4);
  CHECK(sum == 5);
  CHECK(all.publish("nobody", std::int64_t{1}) == 0);
}

TEST_CASE(
  "a supervised child keeps its name through its restarts, and a taken one does not start") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, two_workers()};
  const names all{workers};
  caf::scoped_actor self{*host.system};
  child_spec spec{"db", child(placement::own_process, citizen)};
  spec.name = "database";
  supervisor shop{workers, {.max_restarts = 100}, {spec}};
  const auto handle = all.whereis("database");
  REQUIRE(handle == shop.child("db"));
  const auto pid = ask<std::int32_t>(self, handle, caf::get_atom_v);
  const auto there = workers.spawn(placement::own_process, citizen);
  CHECK(says(self, there, "call", "database") == std::to_string(pid));
  actors::tell(&*self, handle, caf::add_atom_v);
  CHECK(eventually([&] { return shop.which_children().front().incarnations == 2; }));
  CHECK(all.whereis("database") == handle);
  const auto again = says(self, there, "call", "database");
  CHECK(again != std::to_string(pid));
  child_spec second = spec;
  second.id = "db2";
  std::string why;
  try {
    shop.start_child(second);
  } catch (const supervision_error& e) {
    why = e.what();
  }
  CHECK(has(why, "the name 'database' is taken"));
  shop.terminate_child("db");
  shop.delete_child("db");
  CHECK(all.whereis("database") == nullptr);
  const auto next = shop.start_child(second);
  CHECK(all.whereis("database") == next);
  shop.stop();
  CHECK(all.registered().empty());
}

TEST_CASE("names of a system that has no pool yet are those of its later pools") {
  leak_guard guard;
  host_system host;
  const names before{*host.system};
  pool workers{*host.system, {.workers = 1, .actor_workers = 1}};
  names{workers}.register_as("citizen", workers.spawn(citizen));
  CHECK(before.registered() == std::vector<std::string>{"citizen"});
  CHECK(before.whereis("citizen"));
}
