#include "actors/caf/codec.hpp"
#include "actors/caf/failure_error.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"
#include "actors/caf/worker_system.hpp"
#include "tests/support/caf_spelling.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_ostream.hpp>
#include <caf/actor_registry.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace bulkhead::actors;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

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

/// Pumps a worker's loop as a worker process does: run, fire, sleep until woken or due.
struct pump {
  explicit pump(engine kind = engine::in_loop) : worker(kind) {
    worker.on_wake([this] {
      std::lock_guard lock{mutex};
      woken = true;
      bell.notify_one();
    });
    worker.start();
  }

  ~pump() { CHECK(worker.stop(steady_clock::now() + 10s)); }

  template <class Done>
  bool until(Done done) {
    const auto limit = steady_clock::now() + 10s;
    while (!done()) {
      if (steady_clock::now() >= limit)
        return false;
      if (worker.fire_timers() + worker.run_ready(16) == 0)
        sleep(limit);
    }
    return true;
  }

  void sleep(steady_clock::time_point limit) {
    steady_clock::time_point due;
    if (!worker.next_deadline(due) || due > limit)
      due = limit;
    // The threaded engine has no bell: its actors run elsewhere.
    if (worker.context() == nullptr)
      due = std::min(due, steady_clock::now() + 1ms);
    std::unique_lock lock{mutex};
    bell.wait_until(lock, due, [this] { return woken; });
    woken = false;
  }

  worker_system worker;
  std::mutex mutex;
  std::condition_variable bell;
  bool woken = false;
};

const engine engines[] = {engine::in_loop, engine::threaded};

} // namespace

TEST_CASE("a worker system has a node id, and two in one process have different ones") {
  for (auto kind : engines) {
    pump a{kind};
    pump b{kind};
    CHECK(a.worker.system().node());
    CHECK(a.worker.system().node() != b.worker.system().node());
  }
}

TEST_CASE("actors of a worker system run, answer each other and end") {
  for (auto kind : engines) {
    pump p{kind};
    std::atomic<int> answer = 0;
    auto twice = p.worker.system().spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[self](int x) {
        self->quit();
        return 2 * x;
      }};
    });
    p.worker.system().spawn([&answer, twice](caf::event_based_actor* self) {
      ask(self, twice, 5s, 21).then([&answer](int x) { answer = x; });
    });
    CHECK(p.until([&] { return answer == 42; }));
  }
}

TEST_CASE("delayed messages and request timeouts fire in order, also set from another thread") {
  for (auto kind : engines) {
    pump p{kind};
    std::atomic<int> ticks = 0;
    std::atomic<bool> timed_out = false;
    auto& system = p.worker.system();
    auto clock = system.spawn([&ticks](caf::event_based_actor* self) -> caf::behavior {
      return {[self, &ticks](int n) {
        ++ticks;
        if (n > 0)
          tell_after(self, 2ms, caf::actor_cast<caf::actor>(self), n - 1);
        else
          self->quit();
      }};
    });
    auto deaf = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[self](int) { return bulkhead::tests::never_answer(self); }};
    });
    system.spawn([&timed_out, deaf](caf::event_based_actor* self) {
      ask(self, deaf, 5ms, 1)
        .then([](int) {},
              [&timed_out, deaf](const caf::error&) {
                timed_out = true;
                caf::anon_send_exit(deaf, caf::exit_reason::kill);
              });
    });
    std::thread other{[&] { caf::delayed_anon_send(clock, 3ms, 80); }};
    CHECK(p.until([&] { return ticks == 81 && timed_out; }));
    other.join();
  }
}

TEST_CASE("detached actors and messages from other threads wake the sleeping loop") {
  pump p;
  std::atomic<int> answer = 0;
  auto& system = p.worker.system();
  auto detached = system.spawn<caf::detached>([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int x) {
      self->quit();
      return x + 1;
    }};
  });
  auto asker = system.spawn([&answer, detached](caf::event_based_actor* self) -> caf::behavior {
    return {[self, &answer, detached](caf::get_atom) {
      ask(self, detached, 5s, 6).then([self, &answer](int x) {
        answer = x;
        self->quit();
      });
    }};
  });
  std::thread other{[&] { caf::anon_send(asker, caf::get_atom_v); }};
  CHECK(p.until([&] { return answer == 7; }));
  other.join();
}

TEST_CASE("an unexpected message and aout do not crash a system without a printer thread") {
  pump p;
  auto& system = p.worker.system();
  std::atomic<bool> over = false;
  auto talker = system.spawn([&over](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler(caf::drop);
    return {[self, &over](int) {
      caf::aout(self) << "a line from the worker" << std::endl;
      self->quit();
      over = true;
    }};
  });
  caf::anon_send(talker, std::string{"unexpected"});
  caf::anon_send(talker, 1);
  CHECK(p.until([&] { return over.load(); }));
}

TEST_CASE("a worker system that cannot stop says so instead of hanging") {
  auto* p = new worker_system;
  p->start();
  auto stays =
    p->system().spawn([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
  CHECK_FALSE(p->stop(steady_clock::now() + 20ms));
  caf::anon_send_exit(stays, caf::exit_reason::kill);
  CHECK(p->stop(steady_clock::now() + 10s));
  stays = nullptr;
  delete p;
}

TEST_CASE("a host keeps its own middleman and tells when it shuts down") {
  for (bool before : {false, true}) {
    caf::actor_system_config config;
    if (before)
      load_host(config);
    bulkhead::tests::load_middleman(config);
    if (!before)
      load_host(config);
    auto over = std::make_shared<int>(0);
    std::shared_ptr<void> token;
    {
      caf::actor_system system{config};
      CHECK(is_host(system));
      CHECK(system.has_middleman());
      CHECK(system.node());
      token = at_shutdown(system, [over] { ++*over; });
      auto dropped = at_shutdown(system, [over] { *over += 100; });
    }
    CHECK(*over == 1);
  }
}

TEST_CASE("a system that was not prepared is recognised") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  CHECK_FALSE(is_host(system));
}

TEST_CASE("messages, errors and node ids survive the codec") {
  pump p;
  resolve_handle none;
  codec c{p.worker.system(), none};
  byte_buf buf;
  std::string why;
  auto msg = caf::make_message(1, std::string{"two"}, 3.0, std::vector<std::string>{"4", "5"});
  REQUIRE(c.encode(buf, msg, why));
  caf::message back;
  REQUIRE(c.decode(as_bytes(buf), back, why));
  CHECK(back.match_elements<int, std::string, double, std::vector<std::string>>());
  CHECK(back.get_as<std::string>(1) == "two");

  buf.clear();
  REQUIRE(c.encode(buf, make_error(caf::sec::request_timeout)));
  caf::error error;
  REQUIRE(c.decode(as_bytes(buf), error));
  CHECK(error == caf::sec::request_timeout);

  buf.clear();
  REQUIRE(c.encode(buf, p.worker.system().node()));
  caf::node_id node;
  REQUIRE(c.decode(as_bytes(buf), node));
  CHECK(node == p.worker.system().node());

  buf.clear();
  REQUIRE(c.encode(buf, caf::message{}, why));
  REQUIRE(c.decode(as_bytes(buf), back, why));
  CHECK(back.empty());
}

#if BULKHEAD_CAF_0
TEST_CASE("an unregistered type is an error that names it and leaves no bytes") {
  pump p;
  resolve_handle none;
  codec c{p.worker.system(), none};
  byte_buf buf;
  std::string why;
  CHECK_FALSE(c.encode(buf, caf::make_message(1, unknown_to_caf{2}), why));
  CHECK(why.find("unknown_to_caf") != std::string::npos);
  CHECK(buf.empty());
}
#endif

TEST_CASE("cut, lengthened and scribbled messages are refused, never thrown") {
  pump p;
  resolve_handle none;
  codec c{p.worker.system(), none};
  byte_buf good;
  std::string why;
  REQUIRE(c.encode(good, caf::make_message(std::string{"text"}, std::vector<std::string>{"a", "b"}),
                   why));
  caf::message back;
  for (std::size_t n = 0; n < good.size(); ++n)
    CHECK_FALSE(c.decode(as_bytes(good).first(n), back, why));
  auto longer = good;
  longer.push_back({});
  CHECK_FALSE(c.decode(as_bytes(longer), back, why));
  auto seed = 12345u;
  for (int round = 0; round < 2000; ++round) {
    auto bad = good;
    seed = seed * 1103515245u + 12345u;
    bad[seed / 65536 % bad.size()] = static_cast<byte_buf::value_type>(seed >> 24);
    c.decode(as_bytes(bad), back, why);
  }
}

namespace {

struct recording_proxy final : proxy_base {
  using proxy_base::proxy_base;
  recording_proxy(caf::actor_config& config, std::vector<std::string>* events)
    : proxy_base(config), log(events) {}
  void on_send(caf::strong_actor_ptr, caf::message_id mid, caf::message msg) override {
    if (auto exit = as_exit(msg))
      log->push_back(exit->by_death ? "exit by death" : "exit");
    else
      log->push_back(mid.is_request() ? "request" : "message");
  }
  void on_link(caf::abstract_actor*, bool on) override { log->push_back(on ? "link" : "unlink"); }
  std::vector<std::string>* log;
};

} // namespace

TEST_CASE("handles in messages resolve: home to the actor, away to a proxy, forged to an error") {
  pump here;
  pump there;
  std::vector<std::string> events;
  auto& system = here.worker.system();
  auto local = system.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
  auto remote = there.worker.system().spawn(
    [](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
  std::string why;
  byte_buf from_here;
  byte_buf from_there;
  resolve_handle none;
  REQUIRE(codec{system, none}.encode(from_here, caf::make_message(local, caf::actor{}), why));
  REQUIRE(codec{there.worker.system(), none}.encode(from_there, caf::make_message(remote), why));

  caf::message back;
  REQUIRE(codec{system, none}.decode(as_bytes(from_here), back, why));
  CHECK(back.get_as<caf::actor>(0) == local);
  CHECK_FALSE(back.get_as<caf::actor>(1));
  CHECK_FALSE(codec{system, none}.decode(as_bytes(from_there), back, why));

  resolve_handle resolve = [&](const caf::node_id& node, caf::actor_id id) {
    return make_proxy<recording_proxy>(system, id, node, &events);
  };
  REQUIRE(codec{system, resolve}.decode(as_bytes(from_there), back, why));
  auto proxy = back.get_as<caf::actor>(0);
  CHECK(proxy->id() == remote->id());
  CHECK(proxy->node() == there.worker.system().node());
  caf::anon_send(proxy, 5);
  CHECK(events == std::vector<std::string>{"message"});
  for (auto& a : {local, remote})
    caf::anon_send_exit(a, caf::exit_reason::kill);
}

TEST_CASE("a proxy's death reaches monitors and links once, also those that come late") {
  pump p;
  auto& system = p.worker.system();
  std::vector<std::string> events;
  std::atomic<int> downs = 0;
  std::atomic<int> exits = 0;
  auto ptr = make_proxy<recording_proxy>(system, 77, system.node(), &events);
  auto* proxy = static_cast<recording_proxy*>(ptr->get());
  auto handle = caf::actor_cast<caf::actor>(ptr);
  CHECK_FALSE(proxy->observed());
  auto observe = [&](caf::event_based_actor* self) -> caf::behavior {
    trap_exit(self, [&exits](caf::exit_msg&) { ++exits; });
    watch(self, handle, [&downs](const caf::error&) { ++downs; });
    self->link_to(handle);
    return {[self](int) { self->quit(); }};
  };
  auto early = system.spawn(observe);
  CHECK(p.until([&] { return !p.worker.ready(); }));
  CHECK(proxy->observed());
  CHECK(events == std::vector<std::string>{"link"});
  proxy->kill(make_error(caf::exit_reason::user_shutdown));
  proxy->kill(make_error(caf::exit_reason::user_shutdown));
  CHECK(p.until([&] { return downs == 1 && exits == 1; }));
  auto late = system.spawn(observe);
  CHECK(p.until([&] { return downs == 2 && exits == 2 && !p.worker.ready(); }));
  CHECK(downs == 2);
  CHECK(exits == 2);
  for (auto& a : {early, late})
    caf::anon_send(a, 1);
}

TEST_CASE("the token of a delivered message lives until the actor has processed it") {
  pump p;
  auto token = std::make_shared<int>(1);
  std::atomic<int> seen = 0;
  auto actor = p.worker.system().spawn([&seen](caf::event_based_actor* self) -> caf::behavior {
    return {[self, &seen](int x) {
      seen = x;
      self->quit();
    }};
  });
  deliver(caf::actor_cast<caf::strong_actor_ptr>(actor), nullptr, caf::make_message_id(),
          caf::make_message(3), p.worker.context(), token);
  CHECK(token.use_count() == 2);
  CHECK(p.until([&] { return seen == 3 && token.use_count() == 1; }));
}

#if BULKHEAD_CAF_0
TEST_CASE("a blocking request in the loop thread is refused with a text, not waited for") {
  pump p;
  auto& system = p.worker.system();
  std::vector<std::string> events;
  auto proxy =
    caf::actor_cast<caf::actor>(make_proxy<recording_proxy>(system, 77, system.node(), &events));
  auto deaf = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { return self->make_response_promise(); }};
  });
  std::vector<bulkhead::failure> refusals;
  auto asker = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](const caf::actor& whom, bool bounded) {
      caf::scoped_actor inner{self->system()};
      ask(&*inner, whom, bounded ? caf::duration{60s} : caf::duration{caf::infinite}, 1)
        .receive([](int) {},
                 [&](const caf::error& e) { refusals.push_back(failure_of(e).value()); });
    }};
  });
  caf::anon_send(asker, deaf, true);
  caf::anon_send(asker, proxy, false);
  caf::anon_send(asker, proxy, true);
  CHECK(p.until([&] { return refusals.size() == 3; }));
  for (const auto& f : refusals) {
    CHECK(f.kind == bulkhead::failure_kind::rejected);
    CHECK(f.message.find("caf::detached") != std::string::npos);
  }
  CHECK(refusals[0].may_have_executed);
  CHECK_FALSE(refusals[1].may_have_executed);
  CHECK(events.empty());
  for (auto& a : {deaf, asker})
    caf::anon_send_exit(a, caf::exit_reason::kill);
}
#endif

TEST_CASE("a wait without a limit in the loop thread is an exception, not a wait") {
  pump p;
  auto& system = p.worker.system();
  std::vector<std::string> refusals;
  auto deaf = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { return bulkhead::tests::never_answer(self); }};
  });
  auto asker = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](bool asks) {
      caf::scoped_actor inner{self->system()};
      try {
        if (asks)
          ask(&*inner, deaf, caf::infinite, 1).receive([](int) {}, [](const caf::error&) {});
        else
          inner->receive([](int) {});
      } catch (const std::runtime_error& e) {
        refusals.emplace_back(e.what());
      }
    }};
  });
  caf::anon_send(asker, true);
  caf::anon_send(asker, false);
  CHECK(p.until([&] { return refusals.size() == 2; }));
  for (const auto& text : refusals)
    CHECK(text.find("caf::detached") != std::string::npos);
  for (auto& a : {deaf, asker})
    caf::anon_send_exit(a, caf::exit_reason::kill);
}

TEST_CASE("blocking actors with a thread of their own may ask and wait") {
  pump p;
  auto& system = p.worker.system();
  std::atomic<int> answer = 0;
  auto twice = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int x) {
      self->quit();
      return 2 * x;
    }};
  });
  system.spawn<caf::detached>([&answer, twice](caf::event_based_actor* self) {
    caf::scoped_actor inner{self->system()};
    ask(&*inner, twice, 20s, 21).receive([&](int x) { answer = x; }, [](const caf::error&) {});
  });
  CHECK(p.until([&] { return answer == 42; }));
}
