// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/task.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;

struct point {
  int x = 0;
  int y = 0;
};
template <class Inspector>
auto inspect(Inspector& f, point& p) {
  return bulkhead::tests::inspect_members(f, p, p.x, p.y);
}
BULKHEAD_MESSAGE(point)

// Where CAF numbers its types, one that is not declared does not compile.
#if BULKHEAD_CAF_0
struct never_declared {
  int x = 0;
};
template <class Inspector>
auto inspect(Inspector& f, never_declared& p) {
  return f(p.x);
}
caf::behavior takes_unknown(caf::event_based_actor*, never_declared) {
  return {[](int x) { return x; }};
}
#endif

caf::behavior service(caf::event_based_actor* self) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](int a, int b) { return a + b; },
    [](point p) {
      return point{p.y, p.x};
    },
    [self](caf::forward_atom, const caf::actor& other) { return self->delegate(other, 20, 22); },
    [self](caf::flush_atom) { return bulkhead::tests::never_answer(self); },
    [](caf::close_atom) -> int { std::abort(); },
    [](caf::unlink_atom, int code) -> int { ::_exit(code); },
    [self](caf::ok_atom) { self->quit(make_error(caf::exit_reason::user_shutdown)); },
  };
}

caf::behavior without_self() {
  return {[](int x) { return 2 * x; }};
}

struct counter_state {
  int count = 0;
};
caf::behavior counter(caf::stateful_actor<counter_state>* self, int begin,
                      const std::string& name) {
  bulkhead::actors::state_of(self).count = begin;
  return {[self, name](const std::string& who) {
    return name + " " + who + " " + std::to_string(++bulkhead::actors::state_of(self).count);
  }};
}

class adder : public caf::event_based_actor {
public:
  adder(caf::actor_config& config, int base) : event_based_actor(config), base_(base) {}
  caf::behavior make_behavior() override {
    return {[this](int x) { return base_ + x; }};
  }

private:
  int base_;
};

using typed_adder = caf::typed_actor<bulkhead::tests::answers<int, int, int>>;
typed_adder::behavior_type typed_service() {
  return {[](int a, int b) { return a + b; }};
}

caf::behavior asks(caf::event_based_actor* self, const caf::actor& other) {
  return {[self, other](int x) { return self->delegate(other, x, 1); }};
}

#if BULKHEAD_CAF_0
caf::behavior asks_and_waits(caf::event_based_actor*, const caf::actor& other) {
  return {[other](int x) -> caf::result<int> {
    caf::scoped_actor self{other->home_system()};
    caf::result<int> result{caf::sec::runtime_error};
    self->request(other, caf::infinite, x, 1)
      .receive([&](int y) { result = y; }, [&](caf::error& e) { result = std::move(e); });
    return result;
  }};
}
#endif

caf::behavior waits(caf::event_based_actor* self) {
  return {
    [self](int x) {
      caf::scoped_actor { self->system() } -> receive([](int) {});
      return x;
    },
  };
}

caf::behavior counts_up(caf::event_based_actor*, std::atomic<int>* count) {
  return {[count](int x) { *count += x; }};
}

/// Talks to `sink` without a pause.
caf::behavior talker(caf::event_based_actor* self, const caf::actor& sink) {
  return {
    [self, sink](caf::tick_atom) {
      for (int i = 0; i < 50; ++i)
        self->send(sink, 1);
      self->send(self, caf::tick_atom_v);
    },
    [](int x) { return x; },
    [self](caf::flush_atom) { return bulkhead::tests::never_answer(self); },
  };
}

/// Never rests once told to begin, and says nothing.
caf::behavior muser(caf::event_based_actor* self) {
  return {[self](caf::tick_atom) { self->send(self, caf::tick_atom_v); }};
}

caf::behavior refuses_to_start(caf::event_based_actor*, int) {
  throw std::runtime_error("no such device");
}

BULKHEAD_ACTOR("counter", counter)
int twice(int x) { return 2 * x; }
point mirror(point p) { return {-p.x, -p.y}; }
void fails(const std::string& text) { throw std::invalid_argument(text); }
void dies() { ::raise(SIGKILL); }
BULKHEAD_TASK("twice", twice)
BULKHEAD_TASK("mirror", mirror)
BULKHEAD_TASK("fails", fails)
BULKHEAD_TASK("dies", dies)

bulkhead::pool_options small(std::size_t actor_workers = 1) {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = actor_workers;
  return o;
}

template <class... Ts>
caf::error error_of(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  caf::error result;
  self->request(whom, 20s, std::forward<Ts>(xs)...)
    .receive([](const caf::message&) {}, [&](const caf::error& e) { result = e; });
  return result;
}

} // namespace

using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

TEST_CASE("an actor lives in another process: functions, lambdas, state, classes, names") {
  leak_guard guard;
  bulkhead::pool p{small()};
  auto s = p.spawn(service);
  caf::scoped_actor self{s->home_system()};
  const auto pid = ask<std::int32_t>(self, s, caf::get_atom_v);
  CHECK(pid > 0);
  CHECK(pid != ::getpid());
  CHECK(ask<int>(self, s, 40, 2) == 42);
  CHECK(ask<point>(self, s, point{1, 2}).x == 2);
  CHECK(ask<int>(self, p.spawn(without_self), 21) == 42);
  auto lambda =
    p.spawn([](caf::event_based_actor*,
               int base) -> caf::behavior { return {[base](int x) { return base + x; }}; },
            5);
  CHECK(ask<int>(self, lambda, 6) == 11);
  auto c = p.spawn(counter, 10, "visitor");
  CHECK(ask<std::string>(self, c, std::string{"ann"}) == "visitor ann 11");
  auto named = p.spawn("counter", 1, std::string{"guest"});
  CHECK(ask<std::string>(self, named, std::string{"bob"}) == "guest bob 2");
  CHECK(ask<int>(self, p.spawn<adder>(100), 1) == 101);
  CHECK(ask<int>(self, p.spawn(typed_service), 1, 2) == 3);
  CHECK(ask<int>(self, p.spawn(asks, s), 9) == 10);
}

TEST_CASE("a request without an answer times out, however much its worker has to say") {
  const leak_guard guard;
  host_system host;
  bulkhead::pool p{*host.system, small()};
  std::atomic<int> count{0};
  const auto sink = host.system->spawn(counts_up, &count);
  const auto t = p.spawn(talker, sink);
  caf::scoped_actor self{*host.system};
  for (int i = 0; i < 10; ++i) {
    CHECK(ask<int>(self, t, i) == i); // quickly, so that the next one reads the answer itself
    if (i == 0)
      caf::anon_send(t, caf::tick_atom_v);
    caf::error result;
    self->request(t, 20ms, caf::flush_atom_v)
      .receive([](const caf::message&) {}, [&](const caf::error& e) { result = e; });
    CHECK(result == caf::sec::request_timeout);
  }
  CHECK(count > 100);
  caf::anon_send_exit(t, caf::exit_reason::kill);
  caf::anon_send_exit(sink, caf::exit_reason::kill);
}

TEST_CASE("an actor that never rests keeps no frame from the others of its worker") {
  const leak_guard guard;
  host_system host;
  bulkhead::pool p{*host.system, small()};
  const auto restless = p.spawn(muser);
  const auto other = p.spawn(service);
  caf::scoped_actor self{*host.system};
  caf::anon_send(restless, caf::tick_atom_v);
  for (int i = 0; i < 20; ++i)
    CHECK(ask<int>(self, other, i, 1) == i + 1);
  CHECK(ask<int>(self, p.spawn(service), 1, 2) == 3);
}

TEST_CASE("what cannot start says why, and nothing hangs") {
  leak_guard guard;
  bulkhead::pool p{small()};
  CHECK_THROWS_WITH_AS(p.spawn("nobody"), doctest::Contains("nobody"), bulkhead::config_error);
  CHECK_THROWS_WITH_AS(p.spawn("counter", 1.5),
                       doctest::Contains("takes the arguments (int, std::string), and was given"),
                       bulkhead::task_error);
  CHECK_THROWS_WITH_AS(p.spawn(refuses_to_start, 1), doctest::Contains("while it started"),
                       bulkhead::task_error);
}

#if BULKHEAD_CAF_0
TEST_CASE("a type that was not declared is an error that names it") {
  leak_guard guard;
  bulkhead::pool p{small()};
  CHECK_THROWS_WITH_AS(p.spawn(takes_unknown, never_declared{}),
                       doctest::Contains("never_declared"), bulkhead::codec_error);
  auto s = p.spawn(service);
  caf::scoped_actor self{s->home_system()};
  auto f = bulkhead::failure_of(error_of(self, s, never_declared{1}));
  REQUIRE(f);
  CHECK(f->message.find("never_declared") != std::string::npos);
}
TEST_CASE("a behaviour that blocks on a request is told so, and its worker goes on") {
  leak_guard guard;
  bulkhead::pool p{small(2)};
  auto s = p.spawn(service);
  auto blocking = p.spawn(asks_and_waits, s);
  caf::scoped_actor self{s->home_system()};
  const auto f = bulkhead::failure_of(error_of(self, blocking, 1));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::rejected);
  CHECK(f->message.find("would wait for ever") != std::string::npos);
  CHECK(ask<int>(self, s, 1, 2) == 3);
}
#endif

TEST_CASE("a behaviour that waits without a limit fails, and its worker goes on") {
  leak_guard guard;
  bulkhead::pool p{small()};
  auto s = p.spawn(service);
  caf::scoped_actor self{s->home_system()};
  const auto f = bulkhead::failure_of(error_of(self, p.spawn(waits), 1));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::task_exception);
  CHECK(ask<int>(self, s, 1, 2) == 3);
}

TEST_CASE(
  "a crash of a worker is an error with its exit status, and the next spawn gets a new one") {
  leak_guard guard;
  bulkhead::pool p{small()};
  auto s = p.spawn(service);
  caf::scoped_actor self{s->home_system()};
  auto bystander = p.spawn(service);
  self->monitor(bystander);
  const auto first = ask<std::int32_t>(self, s, caf::get_atom_v);
  auto status = bulkhead::exit_status_of(error_of(self, s, caf::close_atom_v));
  REQUIRE(status);
  CHECK(status->signal == SIGABRT);
  CHECK(status->cause == bulkhead::exit_cause::crashed);
  self->receive(
    [&](const caf::down_msg& down) { CHECK(bulkhead::exit_status_of(down.reason) == status); });
  auto late = bulkhead::failure_of(error_of(self, s, 1, 2));
  REQUIRE(late);
  CHECK_FALSE(late->may_have_executed);
  auto again = p.spawn(service);
  CHECK(ask<std::int32_t>(self, again, caf::get_atom_v) != first);
  status = bulkhead::exit_status_of(error_of(self, again, caf::unlink_atom_v, 7));
  REQUIRE(status);
  CHECK(status->code == 7);
}

TEST_CASE(
  "kill -9 under traffic: one outcome for each request, one down, the other worker goes on") {
  leak_guard guard;
  host_system host;
  bulkhead::pool p{*host.system, small(2)};
  auto survivor = p.spawn(service);
  for (int round = 0; round < 10; ++round) {
    auto doomed = p.spawn(bulkhead::placement::own_process, service);
    caf::scoped_actor self{*host.system};
    const auto pid = ask<std::int32_t>(self, doomed, caf::get_atom_v);
    constexpr int requests = 400;
    std::vector<std::atomic<int>> each(requests);
    std::atomic<int> outcomes = 0;
    std::atomic<int> downs = 0;
    auto asker = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
      me->set_down_handler([&](const caf::down_msg&) { ++downs; });
      me->monitor(doomed);
      for (int i = 0; i < requests; ++i) {
        auto answered = [&each, &outcomes, i] {
          ++each[static_cast<std::size_t>(i)];
          ++outcomes;
        };
        me->request(doomed, 60s, i, 1)
          .then([answered](int) { answered(); }, [answered](caf::error&) { answered(); });
      }
      return {[me](int) { me->quit(); }};
    });
    CHECK(eventually([&] { return outcomes >= round * 30; }));
    ::kill(pid, SIGKILL);
    CHECK(eventually([&] { return outcomes == requests && downs == 1; }));
    for (auto& n : each)
      CHECK(n == 1);
    CHECK(ask<int>(self, survivor, 1, 2) == 3);
    caf::anon_send(asker, 1);
  }
}

TEST_CASE("handles pass between two pools of one system, and through a user's middleman system") {
  leak_guard guard;
  caf::actor_system_config config;
  bulkhead::tests::load_middleman(config);
  bulkhead::configure(config);
  caf::actor_system system{config};
  {
    bulkhead::pool one{system, small()};
    bulkhead::pool two{system, small()};
    auto a = one.spawn(service);
    auto b = two.spawn(service);
    caf::scoped_actor self{system};
    CHECK(ask<int>(self, a, caf::forward_atom_v, b) == 42);
    CHECK(ask<int>(self, two.spawn(asks, a), 5) == 6);
    const auto pid = ask<std::int32_t>(self, a, caf::get_atom_v);
    self->monitor(b);
    ::kill(pid, SIGKILL);
    CHECK(bulkhead::exit_status_of(error_of(self, a, caf::flush_atom_v)).value().signal == SIGKILL);
    CHECK(ask<int>(self, b, 1, 1) == 2);
  }
}

TEST_CASE("a worker of its own ends with its actor") {
  leak_guard guard;
  host_system host;
  bulkhead::pool p{*host.system, small()};
  auto own = p.spawn(bulkhead::placement::own_process, service);
  caf::scoped_actor self{*host.system};
  const auto pid = ask<std::int32_t>(self, own, caf::get_atom_v);
  CHECK(pid != ask<std::int32_t>(self, p.spawn(service), caf::get_atom_v));
  caf::anon_send(own, caf::ok_atom_v);
  CHECK(eventually([&] { return ::kill(pid, 0) != 0; }));
}

TEST_CASE("the pool actor answers named tasks with results and whole failures") {
  leak_guard guard;
  host_system host;
  bulkhead::pool p{*host.system, small()};
  auto pool_actor = p.actor();
  caf::scoped_actor self{*host.system};
  CHECK(ask<int>(self, pool_actor, "twice", 21) == 42);
  CHECK(ask<point>(self, pool_actor, "mirror", point{1, 2}).y == -2);
  auto f = bulkhead::failure_of(error_of(self, pool_actor, "fails", std::string{"bad input"}));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::task_exception);
  CHECK(f->type == "std::invalid_argument");
  CHECK(f->message.find("bad input") != std::string::npos);
  f = bulkhead::failure_of(error_of(self, pool_actor, "dies"));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::worker_died);
  CHECK(f->exit.signal == SIGKILL);
  CHECK(f->may_have_executed);
  f = bulkhead::failure_of(error_of(self, pool_actor, "twise", 1));
  REQUIRE(f);
  CHECK(f->message.find("twice") != std::string::npos);
  f = bulkhead::failure_of(error_of(self, pool_actor, "twice", std::string{"x"}));
  REQUIRE(f);
  CHECK(f->message.find("argument 1") != std::string::npos);
  CHECK(bulkhead::failure_of(error_of(self, pool_actor, 1, 2)).has_value());
  // From an actor in a worker, through its handle.
  auto remote = p.spawn(
    [](caf::event_based_actor* me, const caf::actor& pool) -> caf::behavior {
      return {[me, pool](int x) { return me->delegate(pool, std::string{"twice"}, x); }};
    },
    pool_actor);
  CHECK(ask<int>(self, remote, 4) == 8);
  self->monitor(pool_actor);
  p.terminate();
  bool down = false;
  self->receive([&](const caf::down_msg&) { down = true; });
  CHECK(down);
  f = bulkhead::failure_of(error_of(self, pool_actor, "twice", 1));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::pool_closed);
}

TEST_CASE("an exit message ends the pool of a pool actor") {
  leak_guard guard;
  host_system host;
  bulkhead::pool p{*host.system, small()};
  auto pool_actor = p.actor();
  caf::scoped_actor self{*host.system};
  self->monitor(pool_actor);
  self->send_exit(pool_actor, caf::exit_reason::user_shutdown);
  self->receive(
    [&](const caf::down_msg& down) { CHECK(down.reason == caf::exit_reason::user_shutdown); });
  CHECK(eventually([&] { return p.workers().empty(); }));
}

TEST_CASE("a system that was not prepared is refused with the line to add") {
  leak_guard guard;
  caf::actor_system_config config;
  caf::actor_system system{config};
  CHECK_THROWS_WITH_AS((bulkhead::pool{system, small()}), doctest::Contains("bulkhead::configure"),
                       bulkhead::config_error);
}

TEST_CASE("system and pool end in any order, with actors alive and requests open") {
  leak_guard guard;
  for (int round = 0; round < 30; ++round) {
    auto host = std::make_unique<host_system>();
    auto p = std::make_unique<bulkhead::pool>(*host->system, small());
    auto s = p->spawn(service);
    auto asker = host->system->spawn(
      [s](caf::event_based_actor* me) { me->request(s, 60s, caf::flush_atom_v).then([](int) {}); });
    asker = nullptr;
    if (round % 3 == 0) {
      p = nullptr;
      host = nullptr;
    } else if (round % 3 == 1) {
      // Without the pool's end the asker would keep its system waiting: CAF's own rule.
      p->terminate();
      host = nullptr;
      p = nullptr;
    } else {
      s = nullptr;
      p = nullptr;
      host = nullptr;
    }
  }
}

TEST_CASE(
  "a pool ends in another thread than it began, while a third has used its private system") {
  leak_guard guard;
  auto p = std::make_unique<bulkhead::pool>(small());
  auto s = p->spawn(service);
  std::promise<void> leave;
  std::promise<void> used;
  std::thread third{[&] {
    {
      caf::scoped_actor self{s->home_system()};
      CHECK(ask<int>(self, s, 1, 2) == 3);
    }
    used.set_value();
    leave.get_future().wait();
  }};
  used.get_future().wait();
  s = nullptr;
  std::thread{[&] { p = nullptr; }}.join();
  leave.set_value();
  third.join();
}
