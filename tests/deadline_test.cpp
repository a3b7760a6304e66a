// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/deadline.hpp>
#include <bulkhead/keep_state.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/supervisor.hpp>
#include <bulkhead/task.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

/// How often it has run in this worker.
int counted(int pause_ms) {
  static int runs = 0;
  std::this_thread::sleep_for(std::chrono::milliseconds{pause_ms});
  return ++runs;
}
BULKHEAD_TASK("deadline_test.counted", counted)

struct counter_state {
  std::int32_t runs = 0;
  static inline const char* name = "counter";
};

/// Counts what it begins; `put` keeps its worker busy for so long.
caf::behavior counter(caf::stateful_actor<counter_state>* self) {
  return {
    [self](std::int32_t) { return ++actors::state_of(self).runs; },
    [self](caf::get_atom) { return actors::state_of(self).runs; },
    [](caf::put_atom, std::int32_t ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds{ms}); // busy, as a long computation is
      return ms;
    },
    [self](caf::tick_atom) { // how long it has, in ms; -1: for ever
      const auto until = deadline_of(self);
      return until ? static_cast<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(
                                                 *until - std::chrono::steady_clock::now())
                                                 .count())
                   : std::int64_t{-1};
    },
  };
}

/// Passes questions on: by CAF's own request without a limit, in an answer, or by delegation.
caf::behavior clerk(caf::event_based_actor* self, const caf::actor& whom) {
  return {
    [self, whom](caf::tick_atom) {
      auto promise = self->make_response_promise<std::int64_t>();
      actors::ask(self, whom, caf::infinite, caf::tick_atom_v)
        .then([promise](std::int64_t left) mutable { promise.deliver(left); });
      return promise;
    },
    [self,
     whom](caf::get_atom) { // the second request is made when the answer to the first is there
      auto promise = self->make_response_promise<std::int64_t>();
      actors::ask(self, whom, caf::infinite, caf::get_atom_v).then([=](std::int32_t) mutable {
        actors::ask(self, whom, caf::infinite, caf::tick_atom_v)
          .then([promise](std::int64_t left) mutable { promise.deliver(left); });
      });
      return promise;
    },
    [self, whom](caf::sys_atom) { return self->delegate(whom, caf::tick_atom_v); },
  };
}

/// Waits for an answer that comes late, and looks at nothing meanwhile.
caf::behavior waiter(caf::stateful_actor<counter_state>* self, const caf::actor& slow) {
  return {
    [self, slow](caf::put_atom, std::int32_t ms) {
      auto promise = self->make_response_promise<std::int32_t>();
      actors::ask(self, slow, caf::infinite, caf::put_atom_v, ms)
        .await([promise](std::int32_t x) mutable { promise.deliver(x); });
      return promise;
    },
    [self](std::int32_t) { return ++actors::state_of(self).runs; },
    [self](caf::get_atom) { return actors::state_of(self).runs; },
  };
}

pool_options workers_for_actors(std::size_t n) {
  pool_options o;
  o.workers = 1;
  o.actor_workers = n;
  return o;
}

template <class T, class Handle>
std::optional<T> value_of(Handle&& request, std::optional<failure>* why = nullptr) {
  std::optional<T> result;
  request.receive([&](const T& x) { result = x; },
                  [&](const caf::error& e) {
                    if (why != nullptr)
                      *why = failure_of(e);
                  });
  return result;
}

} // namespace

TEST_CASE("a request whose deadline has passed when its worker comes to it is not begun") {
  leak_guard guard;
  host_system host;
  const auto before = expired_requests(*host.system);
  pool workers{*host.system, workers_for_actors(1)};
  const auto whom = workers.spawn(counter);
  caf::scoped_actor busy{*host.system};
  caf::scoped_actor self{*host.system};
  auto long_one = busy->request(whom, caf::infinite, caf::put_atom_v, 300);
  constexpr int late = 20;
  for (int i = 0; i < late; ++i)
    static_cast<void>(request(self, whom, 1ms, std::int32_t{i}));
  CHECK(value_of<std::int32_t>(std::move(long_one)) == 300);
  CHECK(ask<std::int32_t>(busy, whom, caf::get_atom_v) == 0);
  CHECK(expired_requests(*host.system) == before + late);
  // One that has time is begun.
  CHECK(value_of<std::int32_t>(request(self, whom, 60s, std::int32_t{1})) == 1);
}

TEST_CASE("who still waits is told that his request came too late and was not begun") {
  leak_guard guard;
  host_system host;
  const auto before = expired_requests(*host.system);
  pool workers{*host.system, workers_for_actors(1)};
  const auto whom = workers.spawn(counter);
  caf::scoped_actor self{*host.system};
  std::optional<failure> why;
  const detail::deadline_scope past{0s, nullptr};
  CHECK_FALSE(value_of<std::int32_t>(self->request(whom, caf::infinite, std::int32_t{1}), &why));
  REQUIRE(why);
  CHECK(why->kind == failure_kind::timeout);
  CHECK_FALSE(why->may_have_executed);
  CHECK(expired_requests(*host.system) == before + 1);
}

#if BULKHEAD_CAF_0

TEST_CASE("a handler's own requests have what is left: at once, after an answer, by delegation") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, workers_for_actors(2)};
  const auto last = workers.spawn(placement::own_process, counter);
  const auto first = workers.spawn(placement::own_process, clerk, last);
  caf::scoped_actor self{*host.system};
  const auto ask_all = [&](auto... what) {
    const auto left = value_of<std::int64_t>(request(self, first, 60s, what...));
    REQUIRE(left);
    CHECK(*left > 0);
    CHECK(*left <= 60'000);
    // Without a deadline there is none to be inherited, also behind one that had.
    CHECK(ask<std::int64_t>(self, first, what...) == -1);
  };
  ask_all(caf::tick_atom_v);
  ask_all(caf::get_atom_v);
  ask_all(caf::sys_atom_v);
  // A longer one of its own is cut.
  CHECK(value_of<std::int64_t>(request(self, last, 30s, caf::tick_atom_v)).value_or(0) <= 30'000);
}

TEST_CASE("an actor of the host passes on what is left") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, workers_for_actors(2)};
  const auto last = workers.spawn(placement::own_process, counter);
  const auto middle = host.system->spawn(clerk, last);
  const auto first = workers.spawn(placement::own_process, clerk, middle);
  caf::scoped_actor self{*host.system};
  const auto left = value_of<std::int64_t>(request(self, first, 60s, caf::tick_atom_v));
  REQUIRE(left);
  CHECK(*left > 0);
  CHECK(*left <= 60'000);
  CHECK(ask<std::int64_t>(self, first, caf::tick_atom_v) == -1);
  caf::anon_send_exit(middle, caf::exit_reason::kill);
}

TEST_CASE("a request that expires in the mailbox of an actor that waits is dropped there") {
  leak_guard guard;
  host_system host;
  const auto before = expired_requests(*host.system);
  pool workers{*host.system, workers_for_actors(2)};
  const auto slow = workers.spawn(placement::own_process, counter);
  const auto whom = workers.spawn(placement::own_process, waiter, slow);
  caf::scoped_actor busy{*host.system};
  caf::scoped_actor self{*host.system};
  auto long_one = busy->request(whom, caf::infinite, caf::put_atom_v, 400);
  REQUIRE(eventually([&] {
    for (const auto& a : workers.actors())
      if (a.in_hand > 0ns)
        return true;
    return false;
  }));
  for (int i = 0; i < 5; ++i)
    static_cast<void>(request(self, whom, 50ms, std::int32_t{i}));
  auto in_time = busy->request(whom, caf::infinite, std::int32_t{1});
  CHECK(value_of<std::int32_t>(std::move(long_one)) == 400);
  CHECK(value_of<std::int32_t>(std::move(in_time)) == 1); // of six it was the only one begun
  CHECK(ask<std::int32_t>(self, whom, caf::get_atom_v) == 1);
  CHECK(expired_requests(*host.system) == before + 5);
}

#endif

TEST_CASE("deadlines pass through a pool of instances and through a supervised child") {
  leak_guard guard;
  host_system host;
  const auto before = expired_requests(*host.system);
  pool_options options;
  options.workers = 1;
  const auto front = spawn_pool(*host.system, options, counter);
  caf::scoped_actor busy{*host.system};
  caf::scoped_actor self{*host.system};
  CHECK(value_of<std::int64_t>(request(self, front, 60s, caf::tick_atom_v)).value_or(0) > 0);
  auto long_one = busy->request(front, caf::infinite, caf::put_atom_v, 200);
  static_cast<void>(request(self, front, 1ms, std::int32_t{1}));
  CHECK(value_of<std::int32_t>(std::move(long_one)) == 200);
  CHECK(ask<std::int32_t>(busy, front, caf::get_atom_v) == 0);

  pool workers{*host.system, workers_for_actors(1)};
  supervisor tree{workers, {.max_restarts = 10}, {{.id = "one", .start = child(counter)}}};
  const auto one = tree.child("one");
  CHECK(value_of<std::int64_t>(request(self, one, 60s, caf::tick_atom_v)).value_or(0) > 0);
  // It waits for the next incarnation, and longer than it has time.
  auto other_long = busy->request(one, caf::infinite, caf::put_atom_v, 200);
  static_cast<void>(request(self, one, 1ms, std::int32_t{1}));
  CHECK(value_of<std::int32_t>(std::move(other_long)) == 200);
  CHECK(ask<std::int32_t>(busy, one, caf::get_atom_v) == 0);
  CHECK(expired_requests(*host.system) == before + 2);
}

TEST_CASE("a task that a pool's actor was asked for too late is not begun") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, {.workers = 1}};
  caf::scoped_actor busy{*host.system};
  caf::scoped_actor self{*host.system};
  const std::string task = "deadline_test.counted";
  auto long_one = busy->request(workers.actor(), caf::infinite, task, 200);
  for (int i = 0; i < 5; ++i)
    static_cast<void>(request(self, workers.actor(), 1ms, task, 0));
  CHECK(value_of<int>(std::move(long_one)) == 1);
  CHECK(value_of<int>(request(self, workers.actor(), 60s, task, 0)) == 2);
}
