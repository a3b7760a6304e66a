// ctest-timeout: 120
#include "tests/support/eventually.hpp"
#include "tests/support/link_world.hpp"

#include "actors/caf/verbs.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <utility>

// Whoever observes an actor of another process is told of its end, also where nobody has a handle
// of it any more.

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

/// Monitors whom it is shown and keeps no handle; tells how many ends it saw.
class observer : public caf::event_based_actor {
public:
  using event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    set_down_handler([this](const caf::down_msg&) { ++ends_; });
    return {
      [this](caf::monitor_atom, const caf::actor& whom) {
        monitor(whom);
        return true;
      },
      [this](caf::get_atom) { return ends_; },
    };
  }

private:
  std::int32_t ends_ = 0;
};

/// Has one child and gives its handle away: whom it serves nobody but strangers can reach.
class parent : public caf::event_based_actor {
public:
  using event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {
      [this](caf::spawn_atom) {
        return caf::actor{spawn(
          [](caf::event_based_actor*) -> caf::behavior { return {[](int x) { return x; }}; })};
      },
      [](caf::ok_atom) { return true; },
    };
  }
};

struct observed_world : link_world {
  observed_world() : link_world(2) {
    makers[1] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn<observer>());
    };
    makers[2] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn<parent>());
    };
    start();
  }
  std::int32_t ends_seen_by(const caf::actor& who) {
    caf::scoped_actor self{*system};
    std::int32_t result = -1;
    actors::ask(&*self, who, 60s, caf::get_atom_v)
      .receive([&](std::int32_t n) { result = n; }, [](const caf::error&) {});
    return result;
  }
  /// Shows a new child of `from` to `to`, and keeps nothing of it.
  void show_child(const caf::actor& from, const caf::actor& to) {
    caf::scoped_actor self{*system};
    caf::actor child;
    actors::ask(&*self, from, 60s, caf::spawn_atom_v)
      .receive([&](const caf::actor& x) { child = x; },
               [](const caf::error& e) { FAIL_CHECK(to_string(e)); });
    actors::ask(&*self, to, 60s, caf::monitor_atom_v, child)
      .receive([](bool) {}, [](const caf::error& e) { FAIL_CHECK(to_string(e)); });
  }
};

} // namespace

TEST_CASE("an observer in one worker hears of the end of an actor in another that nobody holds") {
  observed_world w;
  const auto first = w.spawn(1, 1);
  const auto second = w.spawn(2, 2);
  for (std::int32_t n = 1; n <= 3; ++n) {
    w.show_child(second, first);
    CHECK(eventually([&] { return w.ends_seen_by(first) == n; }));
  }
}

TEST_CASE("an observer in the host hears of the end of a worker's actor that nobody holds") {
  observed_world w;
  const auto first = caf::actor{w.system->spawn<observer>()};
  const auto second = w.spawn(2, 2);
  for (std::int32_t n = 1; n <= 3; ++n) {
    w.show_child(second, first);
    CHECK(eventually([&] { return w.ends_seen_by(first) == n; }));
  }
  caf::anon_send_exit(first, caf::exit_reason::kill);
}
