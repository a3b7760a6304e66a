// How a user tests an actor: first in virtual time without any process, then in a real worker that
// is killed. Any test framework does; this program only counts.
#include <bulkhead/init.hpp>
#include <bulkhead/testing.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

// The actor under test: answers with a cached value, and forgets it after ten minutes.
struct cache_state {
  int value = 0; // 0: forgotten
  int loads = 0;
};
caf::behavior cache(caf::stateful_actor<cache_state>* self) {
  return {
    [self](caf::get_atom) {
      auto& s = self->state;
      if (s.value == 0) {
        s = {42, s.loads + 1};
        self->delayed_send(self, 600s, caf::flush_atom_v);
      }
      return s.value;
    },
    [self](caf::flush_atom) { self->state.value = 0; },
    [self](caf::put_atom) { return self->state.loads; },
  };
}

int failures = 0;

void check(const std::string& claim, bool holds) {
  std::cout << (holds ? "ok: " : "FAILED: ") << claim << '\n';
  failures += !holds;
}

void in_virtual_time() {
  bulkhead::testing::deterministic world;
  auto actor = world.spawn(cache);
  auto ask = [&](auto what) {
    caf::anon_send(actor, what);
    world.run();
  };
  auto loads = [&] {
    int result = 0;
    world.spawn([&result, actor](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, caf::put_atom_v).then([&result](int n) { result = n; });
    });
    world.run();
    return result;
  };
  ask(caf::get_atom_v);
  ask(caf::get_atom_v);
  check("two requests, one load", loads() == 1);
  world.advance(599s);
  ask(caf::get_atom_v);
  check("still one after 599 seconds", loads() == 1);
  world.advance(1s);
  world.run();
  ask(caf::get_atom_v);
  check("a second load after ten minutes, which took no time", loads() == 2);
}

void in_a_worker() {
  bulkhead::testing::leak_guard guard;
  {
    bulkhead::testing::real_workers workers;
    auto actor = workers.pool().spawn(cache);
    caf::scoped_actor self{workers.system()};
    int value = 0;
    self->request(actor, 5s, caf::get_atom_v)
      .receive([&](int x) { value = x; }, [](const caf::error&) {});
    check("the same behaviour in a process of its own", value == 42);

    workers.hang(actor);
    auto lost = self->request(actor, caf::infinite, caf::get_atom_v);
    workers.kill(actor);
    lost.receive([](int) { check("no answer from a dead process", false); },
                 [](const caf::error& e) {
                   auto f = bulkhead::failure_of(e);
                   check("a request it never saw is an error that says so",
                         f && !f->may_have_executed && f->exit.signal == 9);
                 });
  }
  check("nothing is left behind", guard.leaked().empty());
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  in_virtual_time();
  { bulkhead::testing::real_workers warm_up; } // what the library keeps is made once
  in_a_worker();
  return failures == 0 ? 0 : 1;
}
