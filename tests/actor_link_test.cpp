// ctest-timeout: 120
#include "tests/support/eventually.hpp"
#include "tests/support/link_world.hpp"

#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <doctest/doctest.h>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using actors::ask;

namespace {

// Where CAF numbers its types, one that is not declared does not compile.
#if BULKHEAD_CAF_0
struct unknown_to_caf {
  int value = 0;
};
template <class Inspector>
auto inspect(Inspector& f, unknown_to_caf& x) {
  return f(x.value);
}
#endif

caf::behavior calculator(caf::event_based_actor* self) {
  return {
    [](int a, int b) { return a + b; },
    [](const std::string& text) -> caf::result<std::string> {
      if (text == "bad")
        return make_error(caf::sec::invalid_argument, text);
      return text + "!";
    },
    [self](caf::get_atom, const caf::actor& other, int x) { return self->delegate(other, x, x); },
    [self](caf::flush_atom) { return never_answer(self); },
    [self](caf::forward_atom, const caf::actor& other) {
      // Asks somebody else and answers with what it heard.
      auto promise = self->make_response_promise<int>();
      ask(self, other, 10s, 3, 4)
        .then([promise](int x) mutable { promise.deliver(x); },
              [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
      return promise;
    },
    [self](caf::spawn_atom) { return caf::actor{self->spawn(calculator)}; },
    [self](caf::close_atom) { self->quit(make_error(caf::exit_reason::user_shutdown)); },
    [self](caf::link_atom, const caf::actor& other) {
      self->link_to(other);
      return true;
    },
    [](caf::put_atom, const std::vector<caf::actor>& xs) { return static_cast<int>(xs.size()); },
    [](caf::ok_atom, const caf::actor& other) { return other; },
    [](caf::tick_atom, const std::string& big) { return static_cast<int>(big.size()); },
    [](caf::exit_reason) { throw std::runtime_error("the behaviour throws"); },
  };
}

using typed_adder = caf::typed_actor<answers<int, int, int>>;
typed_adder::behavior_type typed_calculator() {
  return {[](int a, int b) { return a + b; }};
}

struct standard_world : link_world {
  explicit standard_world(std::size_t workers, actors::link_limits limits = {},
                          actors::engine kind = actors::engine::in_loop)
    : link_world(workers, limits, kind) {
    makers[1] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn(calculator));
    };
    makers[2] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn(typed_calculator));
    };
    start();
  }
};

template <class T, class... Ts>
T ask_or(T otherwise, caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  T result = otherwise;
  ask(&*self, whom, 10s, std::forward<Ts>(xs)...)
    .receive([&](const T& x) { result = x; },
             [&](const caf::error& e) { MESSAGE(actors::render(self->system(), e)); });
  return result;
}

template <class... Ts>
caf::error error_of(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  caf::error result;
  ask(&*self, whom, 10s, std::forward<Ts>(xs)...)
    .receive([](const caf::message&) {}, [&](const caf::error& e) { result = e; });
  return result;
}

} // namespace

TEST_CASE("requests, errors and unexpected messages cross in both engines") {
  for (auto kind : {actors::engine::in_loop, actors::engine::threaded}) {
    standard_world w{1, {}, kind};
    auto calc = w.spawn(1, 1);
    caf::scoped_actor self{*w.system};
    CHECK(ask_or(0, self, calc, 1, 2) == 3);
    CHECK(ask_or(std::string{}, self, calc, std::string{"hi"}) == "hi!");
    CHECK(error_of(self, calc, std::string{"bad"}) == caf::sec::invalid_argument);
    CHECK(error_of(self, calc, 3.0) == caf::sec::unexpected_message);
    CHECK(ask_or(0, self, w.spawn(1, 2), 20, 22) == 42);
    CHECK(w.edge->census().pending == 0);
  }
}

TEST_CASE("a request time-out is the requester's, and a throwing behaviour answers at once") {
  standard_world w{1};
  auto calc = w.spawn(1, 1);
  caf::scoped_actor self{*w.system};
  caf::error timed_out;
  ask(&*self, calc, 20ms, caf::flush_atom_v)
    .receive([](const caf::message&) {}, [&](const caf::error& e) { timed_out = e; });
  CHECK(timed_out == caf::sec::request_timeout);
  CHECK(ask_or(0, self, calc, 1, 2) == 3);
}

TEST_CASE("handles travel: home, to a child, to another worker and back, in both engines") {
  for (auto kind : {actors::engine::in_loop, actors::engine::threaded}) {
    standard_world w{2, {}, kind};
    auto one = w.spawn(1, 1);
    auto two = w.spawn(2, 1);
    caf::scoped_actor self{*w.system};
    auto local = w.system->spawn(calculator);
    CHECK(ask_or(0, self, one, caf::forward_atom_v, local) == 7);
    CHECK(ask_or(0, self, one, caf::forward_atom_v, two) == 7);
    CHECK(ask_or(0, self, one, caf::get_atom_v, two, 4) == 8);
    CHECK(ask_or(0, self, one, caf::get_atom_v, local, 5) == 10);
    CHECK(ask_or(caf::actor{}, self, one, caf::ok_atom_v, local) == local);
    CHECK(ask_or(caf::actor{}, self, one, caf::ok_atom_v, two) == two);
    CHECK(ask_or(caf::actor{}, self, one, caf::ok_atom_v, one) == one);
    CHECK_FALSE(ask_or(one, self, one, caf::ok_atom_v, caf::actor{}));
    auto child = ask_or(caf::actor{}, self, one, caf::spawn_atom_v);
    CHECK(ask_or(0, self, child, 5, 6) == 11);
    CHECK(ask_or(0, self, two, caf::forward_atom_v, child) == 7);
    CHECK(ask_or(0, self, one, caf::put_atom_v, std::vector<caf::actor>{one, two, child, local})
          == 4);
    CHECK(w.edge->census().pending == 0);
    caf::anon_send_exit(local, caf::exit_reason::kill);
    CHECK(w.bad == 0);
  }
}

TEST_CASE("messages larger than the channel pass in pieces, in both directions") {
  standard_world w{1};
  auto calc = w.spawn(1, 1);
  caf::scoped_actor self{*w.system};
  const std::string big(1 << 20, 'x');
  CHECK(ask_or(0, self, calc, caf::tick_atom_v, big) == 1 << 20);
  CHECK(ask_or(std::string{}, self, calc, big) == big + "!");
}

#if BULKHEAD_CAF_0
TEST_CASE("an unregistered type is an error that names it, never an empty message") {
  standard_world w{1};
  auto calc = w.spawn(1, 1);
  caf::scoped_actor self{*w.system};
  auto e = error_of(self, calc, unknown_to_caf{1});
  auto f = actors::failure_of(e);
  REQUIRE(f);
  CHECK(f->kind == failure_kind::codec);
  CHECK(f->message.find("unknown_to_caf") != std::string::npos);
  actors::tell(&*self, calc, unknown_to_caf{2});
  CHECK(w.edge->letters.count() == 1);
}
#endif

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

TEST_CASE("handles are given back on both sides when nobody holds them") {
  standard_world w{1};
  auto calc = w.spawn(1, 1);
  const auto before = w.edge->census();
  for (int i = 0; i < 20; ++i) {
    caf::scoped_actor self{*w.system};
    auto child = ask_or(caf::actor{}, self, calc, caf::spawn_atom_v);
    CHECK(ask_or(0, self, child, i, 1) == i + 1);
  }
  CHECK(eventually([&] {
    const auto now = w.edge->census();
    return now.proxies <= before.proxies && now.exported <= before.exported
           && w.worker(1).exported <= 1;
  }));
  CHECK(w.bad == 0);
}

TEST_CASE("an actor that nobody can reach any more ends, in the worker too") {
  std::atomic<int> alive = 0;
  struct counted {
    explicit counted(std::atomic<int>& n) : n_(n) { ++n_; }
    ~counted() { --n_; }
    std::atomic<int>& n_;
  };
  link_world own{1};
  own.makers[1] = [&alive](caf::actor_system& s) {
    return caf::actor_cast<caf::strong_actor_ptr>(
      s.spawn([&alive](caf::event_based_actor*) -> caf::behavior {
        auto state = std::make_shared<counted>(alive);
        return {[state](int x) { return x; }};
      }));
  };
  own.start();
  auto held = own.spawn(1, 1);
  CHECK(eventually([&] { return alive == 1; }));
  held = nullptr;
  // The fake worker keeps its roots; only proxies and exports go.
  CHECK(eventually([&] { return own.worker(1).exported == 0 && own.edge->census().proxies == 0; }));
}

TEST_CASE("a full mailbox blocks or answers with an error, never silence") {
  actors::link_limits limits;
  limits.capacity = 8;
  limits.patience = 10ms;
  link_world w{1, limits};
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future();
  w.makers[1] = [gate](caf::actor_system& s) {
    return caf::actor_cast<caf::strong_actor_ptr>(
      s.spawn([gate](caf::event_based_actor*) -> caf::behavior {
        return {[gate](const std::string& x) {
          gate.wait();
          return static_cast<int>(x.size());
        }};
      }));
  };
  w.start();
  auto slow = w.spawn(1, 1);
  caf::scoped_actor self{*w.system};
  const std::string kilobyte(1024, 'x');
  std::vector<decltype(self->request(slow, caf::infinite, kilobyte))> answers;
  for (int i = 0; i < 100; ++i)
    answers.push_back(self->request(slow, caf::infinite, kilobyte));
  open.set_value();
  int ok = 0;
  int full = 0;
  for (auto& a : answers)
    a.receive([&](int) { ++ok; },
              [&](const caf::error& e) {
                auto f = actors::failure_of(e);
                full += f && f->kind == failure_kind::rejected && !f->may_have_executed;
              });
  CHECK(ok + full == 100);
  CHECK(ok > 8);
  CHECK(full > 0);
}

TEST_CASE("a flooding worker stalls by its credit while the host's mailbox stays bounded") {
  actors::link_limits limits;
  limits.grants = true;
  link_world w{1, limits, actors::engine::in_loop, 16};
  constexpr int total = 2000;
  std::atomic<int> received = 0;
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future();
  auto sink = w.system->spawn<caf::detached>([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](int) {
      gate.wait();
      if (++received == total)
        self->quit();
    }};
  });
  std::atomic<int> made = 0;
  w.makers[1] = [&made](caf::actor_system& s) {
    return caf::actor_cast<caf::strong_actor_ptr>(
      s.spawn([&made](caf::event_based_actor* self) -> caf::behavior {
        return {[self, &made](const caf::actor& to, int left) {
          ++made;
          self->send(to, left);
          if (left > 1)
            self->send(caf::actor_cast<caf::actor>(self), to, left - 1);
        }};
      }));
  };
  w.start();
  auto source = w.spawn(1, 1);
  caf::anon_send(source, sink, total);
  CHECK(eventually([&] { return made >= 16; }));
  // Nothing is processed, so the source cannot go on: window, one in hand, one turn of the loop.
  for (int i = 0; i < 1000; ++i)
    std::this_thread::yield();
  CHECK(made <= 16 + 64);
  open.set_value();
  CHECK(eventually([&] { return received == total; }));
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
