// ctest-timeout: 120
#include "tests/support/eventually.hpp"
#include "tests/support/link_world.hpp"

#include "actors/caf/verbs.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <utility>

// The tables of requests without an answer hold what somebody waits for and little more.

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

caf::behavior silent(caf::event_based_actor* self) {
  return {[self](std::int32_t) { return never_answer(self); }, [](caf::ok_atom) { return 7; }};
}

/// Asks until `left` requests have timed out, a hundred at a time, and answers then.
class impatient : public caf::event_based_actor {
public:
  using event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {
      [this](caf::get_atom, const caf::actor& whom, std::int32_t count) {
        whom_ = whom;
        left_ = count;
        done_ = make_response_promise();
        for (std::int32_t i = 0; i < 100; ++i)
          ask_one();
        return done_;
      },
      [this](caf::put_atom, const caf::actor& whom) {
        actors::ask(this, whom, caf::infinite, std::int32_t{1})
          .then([](std::int32_t) {}, [this](const caf::error&) { ++deaths_; });
        return true;
      },
      [this](caf::ok_atom) { return deaths_; },
    };
  }

private:
  void ask_one() {
    actors::ask(this, whom_, 1ms, std::int32_t{1})
      .then([](std::int32_t) {}, [this](const caf::error&) { gave_up(); });
  }
  void gave_up() {
    if (left_-- > 100)
      ask_one();
    else if (left_ == 0)
      done_.deliver(std::int32_t{0});
  }

  caf::actor whom_;
  std::int32_t left_ = 0;
  std::int32_t deaths_ = 0;
  caf::response_promise done_;
};

struct silent_world : link_world {
  silent_world() : link_world(2, {.grants = true}) {
    makers[1] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn(silent));
    };
    makers[2] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn<impatient>());
    };
    start();
  }
  /// Entries of the host after so many requests that timed out.
  std::size_t after(const caf::actor& asker, const caf::actor& whom, std::int32_t requests) {
    caf::scoped_actor self{*system};
    actors::ask(&*self, asker, 100s, caf::get_atom_v, whom, requests)
      .receive([](std::int32_t) {}, [](const caf::error& e) { FAIL_CHECK(to_string(e)); });
    return edge->census().pending;
  }
};

constexpr std::int32_t few = 3000;
constexpr std::size_t bound = 2500; // a table of 1024 and as much before the next look, and a rest

} // namespace

TEST_CASE("requests that timed out in the host leave its table, and those that wait stay") {
  silent_world w;
  const auto whom = w.spawn(1, 1);
  const auto asker = caf::actor{w.system->spawn<impatient>()};
  caf::scoped_actor self{*w.system};
  for (int i = 0; i < 5; ++i)
    actors::ask(&*self, asker, 60s, caf::put_atom_v, whom)
      .receive([](bool) {}, [](const caf::error&) { FAIL_CHECK("not asked"); });
  CHECK(w.after(asker, whom, few) < bound);
  CHECK(w.after(asker, whom, 10 * few) < bound);
  w.kill(1);
  std::int32_t deaths = 0;
  CHECK(eventually([&] {
    actors::ask(&*self, asker, 60s, caf::ok_atom_v)
      .receive([&](std::int32_t n) { deaths = n; }, [](const caf::error&) {});
    return deaths == 5;
  }));
  self->send_exit(asker, caf::exit_reason::kill);
}

TEST_CASE("requests from worker to worker that timed out leave the host's table too") {
  silent_world w;
  const auto whom = w.spawn(1, 1);
  const auto asker = w.spawn(2, 2);
  CHECK(w.after(asker, whom, few) < bound);
  CHECK(w.after(asker, whom, 10 * few) < bound);
  CHECK(w.bad == 0);
}
