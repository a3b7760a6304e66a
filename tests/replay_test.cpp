// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/keep_state.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>

#if BULKHEAD_CAF_0

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

struct sum_state {
  std::int64_t sum = 0;
  std::int64_t messages = 0;
  static inline const char* name = "sum";
};

/// Adds up what it is told, and hands over a snapshot after each `every`-th message; 0: never.
caf::behavior summing(caf::stateful_actor<sum_state>* self, std::int32_t every,
                      const std::string& last) {
  auto& state = actors::state_of(self);
  if (const auto space = last.find(' '); space != std::string::npos) {
    state.sum = std::stoll(last);
    state.messages = std::stoll(last.substr(space));
  }
  const auto save = [self] {
    const auto& s = actors::state_of(self);
    keep_state(self, std::to_string(s.sum) + ' ' + std::to_string(s.messages))
      .then([] {}, [](const caf::error&) {});
  };
  const auto add = [self, every, save](std::int64_t n) {
    auto& s = actors::state_of(self);
    s.sum += n;
    if (++s.messages % std::max(every, 1) == 0 && every != 0)
      save();
    return s.sum;
  };
  return {
    [add](std::int64_t n) { return add(n); },
    [self, add](caf::put_atom, std::int64_t n) { // answers with a message of its own, too
      actors::tell(self, caf::actor_cast<caf::actor>(self->current_sender()), caf::ok_atom_v, n);
      return add(n);
    },
    [self](caf::get_atom) { return actors::state_of(self).sum; },
    [](caf::sys_atom) { return static_cast<std::int32_t>(::getpid()); },
    [save](caf::flush_atom) { save(); },
    [](caf::tick_atom) { ::raise(SIGKILL); },
  };
}

child_spec summing_child(std::int32_t every, std::size_t replayed) {
  child_spec spec{"sum", child(placement::own_process, summing, every, std::string{})};
  spec.state_limit = 64;
  spec.replayed_messages = replayed;
  spec.held_messages = 100'000;
  return spec;
}

pool_options one_worker() {
  pool_options o;
  o.workers = 1;
  return o;
}

supervisor_options patient() {
  supervisor_options o;
  o.max_restarts = 100'000;
  return o;
}

std::string text_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return {};
}

} // namespace

TEST_CASE("plain messages survive the deaths of their actor's process: none is lost, none counts "
          "twice") {
  leak_guard guard;
  host_system host;
  for (const std::int32_t every : {1, 7, 0}) {
    pool workers{*host.system, one_worker()};
    supervisor tree{workers, patient(), {summing_child(every, 100'000)}};
    const auto whom = tree.child("sum");
    caf::scoped_actor self{*host.system};
    constexpr std::int64_t messages = 600;
    std::minstd_rand dice{static_cast<unsigned>(every) + 1};
    std::int64_t expected = 0;
    for (std::int64_t i = 1; i <= messages; ++i) {
      caf::anon_send(whom, i);
      expected += i;
      if (i % 150 == 0) {
        const auto pid = ask<std::int32_t>(self, whom, caf::sys_atom_v);
        if (dice() % 2 == 0)
          ::kill(pid, SIGKILL);
        else
          caf::anon_send(whom, caf::flush_atom_v);
      }
    }
    std::int64_t sum = 0;
    CHECK(eventually([&] {
      self->request(whom, 20s, caf::get_atom_v)
        .receive([&](std::int64_t n) { sum = n; }, [](const caf::error&) {});
      return sum == expected;
    }));
    CHECK(sum == expected);
  }
}

TEST_CASE("an answer and a message to the sender of a replayed message go nowhere") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  supervisor tree{workers, patient(), {summing_child(0, 1000)}};
  const auto whom = tree.child("sum");
  caf::scoped_actor self{*host.system};
  std::atomic<int> answers = 0;
  std::atomic<int> messages = 0;
  auto asker = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
    for (std::int64_t i = 1; i <= 10; ++i)
      me->request(whom, caf::infinite, caf::put_atom_v, i)
        .then([&](std::int64_t) { ++answers; }, [&](const caf::error&) { ++answers; });
    return {[&](caf::ok_atom, std::int64_t) { ++messages; }, [me](int) { me->quit(); }};
  });
  REQUIRE(eventually([&] { return answers == 10 && messages == 10; }));
  for (int deaths = 0; deaths < 3; ++deaths) {
    ::kill(ask<std::int32_t>(self, whom, caf::sys_atom_v), SIGKILL);
    CHECK(
      eventually([&] { return tree.which_children()[0].incarnations == std::size_t(deaths) + 2; }));
    CHECK(ask<std::int64_t>(self, whom, caf::get_atom_v) == 55); // behind all that were replayed
  }
  CHECK(answers == 10);
  CHECK(messages == 10);
  caf::anon_send(asker, 1);
}

TEST_CASE("a request in flight at the death gets its failure, and is carried out again silently") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  auto spec = summing_child(0, 100);
  spec.restart = restart_type::permanent;
  supervisor tree{workers, patient(), {spec}};
  const auto whom = tree.child("sum");
  caf::scoped_actor self{*host.system};
  CHECK(ask<std::int64_t>(self, whom, std::int64_t{5}) == 5);
  int failures = 0;
  // It kills its process at each start, until its supervisor gives up or the child is removed: so
  // at most once here, behind a snapshot.
  self->send(whom, caf::flush_atom_v);
  CHECK(eventually([&] { return tree.which_children()[0].snapshots == 1; }));
  ::kill(ask<std::int32_t>(self, whom, caf::sys_atom_v), SIGKILL);
  self->request(whom, 20s, std::int64_t{7})
    .receive([](std::int64_t) {}, [&](const caf::error&) { ++failures; });
  CHECK(failures <= 1);
  CHECK(eventually([&] { return ask<std::int64_t>(self, whom, caf::get_atom_v) == 12; }));
}

TEST_CASE("more messages without a snapshot than allowed are refused; a snapshot makes room") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  supervisor tree{workers, patient(), {summing_child(4, 4)}};
  const auto whom = tree.child("sum");
  caf::scoped_actor self{*host.system};
  std::int64_t taken = 0;
  std::int64_t refused = 0;
  for (int i = 0; i < 3; ++i)
    CHECK(ask<std::int64_t>(self, whom, std::int64_t{1}) == ++taken);
  self->request(whom, 20s, caf::get_atom_v).receive([](std::int64_t) {}, [](const caf::error&) {});
  self->request(whom, 20s, std::int64_t{1})
    .receive([](std::int64_t) { FAIL_CHECK("it was taken"); },
             [&](const caf::error& e) {
               ++refused;
               const auto f = failure_of(e).value();
               CHECK(f.kind == failure_kind::rejected);
               CHECK(f.message.find("child_spec::replayed_messages") != std::string::npos);
             });
  CHECK(refused == 1);
}

TEST_CASE("messages behind the last snapshot in a journal are replayed too") {
  leak_guard guard;
  const temporary_folder folder;
  host_system host;
  pool workers{*host.system, one_worker()};
  auto options = patient();
  options.journal = folder.path();
  supervisor tree{workers, options, {summing_child(3, 100)}};
  const auto whom = tree.child("sum");
  caf::scoped_actor self{*host.system};
  for (std::int64_t i = 1; i <= 8; ++i)
    CHECK(ask<std::int64_t>(self, whom, std::int64_t{1}) == i);
  ::kill(ask<std::int32_t>(self, whom, caf::sys_atom_v), SIGKILL);
  CHECK(eventually([&] { return tree.which_children()[0].incarnations == 2; }));
  CHECK(ask<std::int64_t>(self, whom, std::int64_t{1}) == 9);
}

TEST_CASE("a child that was terminated and started again is what it was") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  supervisor tree{workers, patient(), {summing_child(3, 100)}};
  const auto whom = tree.child("sum");
  caf::scoped_actor self{*host.system};
  for (std::int64_t i = 1; i <= 8; ++i)
    CHECK(ask<std::int64_t>(self, whom, std::int64_t{1}) == i);
  tree.terminate_child("sum");
  tree.restart_child("sum");
  CHECK(ask<std::int64_t>(self, whom, caf::get_atom_v) == 8);
}

TEST_CASE("replay without snapshots is refused, with what is missing") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  auto spec = summing_child(1, 10);
  spec.state_limit = 0;
  const auto why = text_of([&] { supervisor tree{workers, patient(), {spec}}; });
  CHECK(why.find("child_spec::replayed_messages is 10") != std::string::npos);
  CHECK(why.find("set state_limit") != std::string::npos);
}

#endif
