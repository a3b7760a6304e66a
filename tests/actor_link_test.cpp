// ctest-timeout: 120
// What crosses a link between two systems of actors: messages, handles, room and credit.
#include "tests/support/eventually.hpp"
#include "tests/support/standard_world.hpp"

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
