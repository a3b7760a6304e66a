// ctest-timeout: 120
// How a link and what hangs on it ends: deaths, monitors, exit messages, nonsense from a worker.
#include "tests/support/eventually.hpp"
#include "tests/support/standard_world.hpp"

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using actors::ask;

TEST_CASE("the death of a worker answers every waiting request once, with the exit status") {
  standard_world w{2};
  auto doomed = w.spawn(1, 1);
  auto other = w.spawn(2, 1);
  constexpr int requests = 200;
  std::atomic<int> errors = 0;
  std::atomic<int> values = 0;
  std::atomic<int> executed = 0;
  std::atomic<int> sent = 0;
  auto asker = w.system->spawn([&](caf::event_based_actor* self) -> caf::behavior {
    for (int i = 0; i < requests; ++i)
      ask(self, doomed, 60s, caf::flush_atom_v)
        .then([&](const caf::message&) { ++values; },
              [&](caf::error& e) {
                if (auto f = actors::failure_of(e); f && f->exit.signal == 9 && f->worker == 1001) {
                  ++errors;
                  executed += f->may_have_executed ? 1 : 0;
                }
              });
    sent = requests;
    return {[](int) {}};
  });
  // One that the host only routes: worker 2 waits for worker 1.
  caf::scoped_actor self{*w.system};
  auto routed = self->request(other, 60s, caf::forward_atom_v, doomed);
  CHECK(eventually([&] { return sent == requests && w.worker_port(1).idle(); }));
  w.kill(1);
  CHECK(eventually([&] { return errors == requests; }));
  CHECK(values == 0);
  CHECK(executed > 0);
  bool failed = false;
  routed.receive([](int) {}, [&](const caf::error&) { failed = true; });
  // The nested request is either lost (an error) or was answered before the kill.
  static_cast<void>(failed);
  CHECK(w.edge->census().pending == 0);
  auto late = actors::failure_of(error_of(self, doomed, 1, 2));
  REQUIRE(late);
  CHECK_FALSE(late->may_have_executed);
  CHECK(late->exit.signal == 9);
  CHECK(ask_or(0, self, other, 1, 2) == 3);
  caf::anon_send_exit(asker, caf::exit_reason::kill);
}

TEST_CASE("monitors and links fire once for quit, kill and process death, with the reason") {
  standard_world w{2};
  caf::scoped_actor self{*w.system};
  struct counts {
    std::atomic<int> downs = 0;
    std::atomic<int> exits = 0;
    std::atomic<int> signal = 0;
  };
  auto observer = [&w](counts& c, const caf::actor& whom) {
    return w.system->spawn([&c, whom](caf::event_based_actor* me) -> caf::behavior {
      actors::trap_exit(me, [&c](caf::exit_msg& m) {
        ++c.exits;
        if (auto f = actors::failure_of(m.reason))
          c.signal = f->exit.signal;
      });
      actors::watch(me, whom, [&c](const caf::error&) { ++c.downs; });
      me->link_to(whom);
      return {[me](int) { me->quit(); }, [](caf::ok_atom) { return true; }};
    });
  };
  auto sync = [&](const caf::actor& a) { CHECK(ask_or(false, self, a, caf::ok_atom_v)); };

  counts quits;
  auto quitter = w.spawn(1, 1);
  auto o1 = observer(quits, quitter);
  sync(o1);
  caf::anon_send(quitter, caf::close_atom_v);
  CHECK(eventually([&] { return quits.downs == 1 && quits.exits == 1; }));

  counts deaths;
  auto doomed = w.spawn(1, 1);
  auto o2 = observer(deaths, doomed);
  sync(o2);
  w.kill(1);
  CHECK(eventually([&] { return deaths.downs == 1 && deaths.exits == 1; }));
  CHECK(deaths.signal == 9);

  counts late;
  auto o3 = observer(late, doomed);
  CHECK(eventually([&] { return late.downs == 1 && late.exits == 1; }));
  sync(o1);
  sync(o2);
  sync(o3);
  CHECK(quits.downs == 1);
  CHECK(quits.exits == 1);
  CHECK(deaths.downs == 1);
  CHECK(deaths.exits == 1);
  CHECK(late.downs == 1);
  CHECK(late.exits == 1);
  for (auto& o : {o1, o2, o3})
    caf::anon_send(o, 1);
}

TEST_CASE("a worker actor linked to a host actor dies with it, across two workers too") {
  standard_world w{2};
  caf::scoped_actor self{*w.system};
  auto one = w.spawn(1, 1);
  auto two = w.spawn(2, 1);
  auto local = w.system->spawn(calculator);
  CHECK(ask_or(false, self, one, caf::link_atom_v, local));
  CHECK(ask_or(false, self, two, caf::link_atom_v, one));
  self->monitor(two);
  caf::anon_send(local, caf::close_atom_v);
  int downs = 0;
  self->receive([&](caf::down_msg& d) {
    ++downs;
    CHECK(d.reason == caf::exit_reason::user_shutdown);
  });
  CHECK(downs == 1);
}

TEST_CASE("an explicit exit message reaches an actor of another process") {
  standard_world w{1};
  caf::scoped_actor self{*w.system};
  auto calc = w.spawn(1, 1);
  self->monitor(calc);
  self->send_exit(calc, caf::exit_reason::kill);
  self->receive([&](caf::down_msg& d) { CHECK(d.reason == caf::exit_reason::kill); });
}

TEST_CASE("a dead process is forgotten with the last handle of its actors, and not before") {
  standard_world w{2};
  caf::scoped_actor self{*w.system};
  auto doomed = w.spawn(1, 1);
  auto other = w.spawn(2, 1);
  CHECK(w.edge->census().peers == 3);
  // Worker 2 holds a handle too.
  auto held = ask_or(caf::actor{}, self, other, caf::ok_atom_v, doomed);
  w.kill(1);
  const auto late = actors::failure_of(error_of(self, doomed, 1, 2));
  REQUIRE(late);
  CHECK(late->exit.signal == 9);
  CHECK(w.edge->census().peers == 3);
  doomed = nullptr;
  held = nullptr;
  CHECK(eventually([&] {
    w.edge->tidy(std::chrono::steady_clock::now() + 1h);
    return w.edge->census().peers == 2;
  }));
  CHECK(ask_or(0, self, other, 1, 2) == 3);
}

TEST_CASE("nonsense from a worker is refused and costs that worker only") {
  auto poison = [](auto make_frame) {
    standard_world w{2};
    auto healthy = w.spawn(2, 1);
    auto victim = w.spawn(1, 1);
    auto bytes = make_frame(w);
    w.worker_port(1).try_push(bytes);
    CHECK(eventually([&] { return w.bad == 1; }));
    caf::scoped_actor self{*w.system};
    auto f = actors::failure_of(error_of(self, victim, 1, 2));
    REQUIRE(f);
    CHECK(f->exit.cause == exit_cause::bad_message);
    CHECK(ask_or(0, self, healthy, 1, 2) == 3);
    CHECK(w.bad == 1);
  };
  auto bytes_of = [](actors::frame_kind kind, actors::frame_header h, std::string body = {}) {
    actors::byte_buf buf;
    actors::begin_frame(buf);
    const auto* raw = reinterpret_cast<const actors::byte_buf::value_type*>(body.data());
    buf.insert(buf.end(), raw, raw + body.size());
    actors::finish_frame(buf, kind, h);
    auto* p = reinterpret_cast<const std::byte*>(buf.data());
    return std::vector<std::byte>(p, p + buf.size());
  };
  using kind = actors::frame_kind;
  poison([&](auto&) { return std::vector<std::byte>(3); });
  poison([&](auto&) { return std::vector<std::byte>(64, std::byte{0xff}); });
  poison([&](auto&) { return bytes_of(kind::message, {.dest_actor = 12345, .id = 7}); });
  poison([&](auto&) { return bytes_of(kind::down, {.source_peer = 2, .source_actor = 1}); });
  poison([&](auto&) { return bytes_of(kind::spawn, {}); });
  poison([&](auto&) { return bytes_of(kind::hello, {.source_peer = 1}, "again"); });
  // Undecodable content for an actor that the worker may name.
  poison([&](standard_world& w) {
    auto local = w.system->spawn(calculator);
    w.link(1).exported.add({0, local->id()}, caf::actor_cast<caf::strong_actor_ptr>(local));
    auto result =
      bytes_of(kind::message, {.source_peer = 1, .dest_actor = local->id(), .id = 0}, "nonsense");
    caf::anon_send_exit(local, caf::exit_reason::kill);
    return result;
  });
  // A sender that belongs to another worker.
  poison([&](standard_world& w) {
    auto local = w.system->spawn(calculator);
    w.link(1).exported.add({0, local->id()}, caf::actor_cast<caf::strong_actor_ptr>(local));
    auto result = bytes_of(
      kind::message, {.source_peer = 2, .source_actor = 77, .dest_actor = local->id(), .id = 0});
    caf::anon_send_exit(local, caf::exit_reason::kill);
    return result;
  });
}

TEST_CASE("a worker that names what it was never told of is told that it is gone, and lives") {
  standard_world w{1};
  auto calc = w.spawn(1, 1);
  auto push = [&](actors::frame_kind kind, actors::frame_header h) {
    actors::byte_buf buf;
    actors::begin_frame(buf);
    actors::finish_frame(buf, kind, h);
    auto* p = reinterpret_cast<const std::byte*>(buf.data());
    CHECK(w.worker_port(1).try_push({p, buf.size()}));
  };
  using kind = actors::frame_kind;
  push(kind::monitor, {.dest_actor = 999});
  push(kind::release, {.dest_actor = 999, .id = 1});
  push(kind::release_observed, {.dest_actor = 999, .id = 1});
  push(kind::link, {.source_peer = 1, .source_actor = calc->id(), .dest_actor = 999});
  caf::scoped_actor self{*w.system};
  CHECK(ask_or(0, self, calc, 1, 2) == 3);
  CHECK(w.bad == 0);
}

TEST_CASE("random kills under traffic: each request has exactly one outcome, in both engines") {
  for (int round = 0; round < 20; ++round) {
    standard_world w{2, {}, round % 2 == 0 ? actors::engine::in_loop : actors::engine::threaded};
    auto doomed = w.spawn(1, 1);
    auto relay = w.spawn(2, 1);
    constexpr int requests = 300;
    std::atomic<int> outcomes = 0;
    std::atomic<int> downs = 0;
    std::vector<std::atomic<int>> each(requests);
    auto asker = w.system->spawn([&](caf::event_based_actor* self) -> caf::behavior {
      actors::watch(self, doomed, [&](const caf::error&) { ++downs; });
      for (int i = 0; i < requests; ++i) {
        auto answered = [&each, &outcomes, i] {
          ++each[static_cast<std::size_t>(i)];
          ++outcomes;
        };
        if (i % 3 == 0)
          ask(self, relay, 60s, caf::forward_atom_v, doomed)
            .then([answered](int) { answered(); }, [answered](caf::error&) { answered(); });
        else
          ask(self, doomed, 60s, i, 1)
            .then([answered](int) { answered(); }, [answered](caf::error&) { answered(); });
      }
      return {[self](int) { self->quit(); }};
    });
    const int when = round * requests / 20;
    CHECK(eventually([&] { return outcomes >= when; }));
    w.kill(1);
    CHECK(eventually([&] { return outcomes == requests && downs == 1; }));
    for (auto& n : each)
      CHECK(n == 1);
    CHECK(w.edge->census().pending == 0);
    caf::anon_send(asker, 1);
  }
}
