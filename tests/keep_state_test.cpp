// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/keep_state.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

struct notebook_state {
  std::string text;
  static inline const char* name = "notebook";
};

/// Adds what it is told, and answers when the host holds it.
caf::behavior notebook(caf::stateful_actor<notebook_state>* self, const std::string& start,
                       const std::string& last) {
  actors::state_of(self).text = last.empty() ? start : last;
  return {
    [self](const std::string& more) {
      auto promise = self->make_response_promise<std::string>();
      auto& text = actors::state_of(self).text;
      text += more;
      keep_state(self, text)
        .then([promise]() mutable { promise.deliver(std::string{"kept"}); },
              [self, promise](const caf::error& why) mutable {
                promise.deliver(actors::render(self->system(), why));
              });
      return promise;
    },
    [self](caf::get_atom) { return actors::state_of(self).text; },
    [](caf::add_atom) { ::raise(SIGKILL); },
    [self](caf::put_atom, const std::string& lost) { actors::state_of(self).text += lost; },
    [self](caf::tick_atom) { self->quit(caf::exit_reason::unhandled_exception); },
  };
}

child_spec kept_child(std::size_t limit) {
  child_spec spec{"book", child(placement::own_process, notebook, std::string{"-"}, "")};
  spec.state_limit = limit;
  return spec;
}

pool_options one_worker() {
  pool_options o;
  o.workers = 1;
  return o;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

child_info info_of(const supervisor& s) { return s.which_children().front(); }

std::string faults_with(pool& workers, const child_spec& spec) {
  try {
    supervisor{workers, {}, {spec}};
  } catch (const config_error& e) {
    return e.what();
  }
  return "nothing was refused";
}

} // namespace

TEST_CASE("what a child was told is kept is what its next incarnation begins with") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  supervisor desk{workers, {.max_restarts = 100}, {kept_child(64)}};
  caf::scoped_actor self{*host.system};
  const auto book = desk.child("book");
  CHECK(ask<std::string>(self, book, caf::get_atom_v) == "-"); // what child() was given
  CHECK(ask<std::string>(self, book, std::string{"a"}) == "kept");
  CHECK(ask<std::string>(self, book, std::string{"b"}) == "kept");
  actors::tell(&*self, book, caf::put_atom_v, std::string{"told to nobody"});
  actors::tell(&*self, book, caf::add_atom_v);
  CHECK(eventually([&] { return info_of(desk).incarnations == 2; }));
  CHECK(ask<std::string>(self, book, caf::get_atom_v) == "-ab");
  CHECK(ask<std::string>(self, book, std::string{"c"}) == "kept");
  actors::tell(&*self, book, caf::tick_atom_v); // it ends, its worker does not crash
  CHECK(eventually([&] { return info_of(desk).incarnations == 3; }));
  CHECK(ask<std::string>(self, book, caf::get_atom_v) == "-abc");
  const auto info = info_of(desk);
  CHECK(info.snapshots == 3);
  CHECK(info.state_bytes == 4);
  desk.terminate_child("book");
  CHECK(desk.restart_child("book") == book);
  CHECK(ask<std::string>(self, book, caf::get_atom_v) == "-abc");
}

TEST_CASE("a snapshot beyond its limit, or of an actor that keeps none, is refused with a text") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  supervisor desk{workers, {.max_restarts = 100}, {kept_child(4)}};
  caf::scoped_actor self{*host.system};
  const auto book = desk.child("book");
  CHECK(ask<std::string>(self, book, std::string{"abc"}) == "kept");
  const auto why = ask<std::string>(self, book, std::string{"d"});
  CHECK(has(why, "the snapshot has 5 bytes; allowed by child_spec::state_limit: 4"));
  actors::tell(&*self, book, caf::add_atom_v);
  CHECK(eventually([&] { return info_of(desk).incarnations == 2; }));
  CHECK(ask<std::string>(self, book, caf::get_atom_v) == "-abc");
  const auto stranger = workers.spawn(notebook, std::string{"-"}, "");
  CHECK(has(ask<std::string>(self, stranger, std::string{"a"}), "no supervised child"));
}

TEST_CASE("a state_limit that cannot be kept is refused, and nothing is started") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  auto spec = kept_child(std::size_t{1} << 30);
  CHECK(has(faults_with(workers, spec), "allowed: 1 to 67108864"));
  spec = kept_child(4);
  spec.start = host_child([](caf::actor_system&) { return caf::actor{}; });
  CHECK(has(faults_with(workers, spec), "actors in workers only"));
  spec.start = child([](caf::event_based_actor*, int) { return caf::behavior{[](int) {}}; }, 1);
  CHECK(has(faults_with(workers, spec), "whose last argument is a std::string"));
}
