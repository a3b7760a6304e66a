// Messages of actors: floods, waits, errors of the user's code, distribution.
#include "tests/field/actor_helpers.hpp"

#include <caf/io/middleman.hpp>

#include <atomic>

#include <sys/resource.h>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

/// A value that cannot be read where it is negative.
struct moody {
  int v = 0;
  std::string text = "not raw";
};
template <class Inspector>
auto inspect(Inspector& f, moody& x) {
  return f(x.v, x.text, caf::meta::load_callback([&]() -> caf::error {
             if (x.v < 0)
               throw std::out_of_range("negative");
             return caf::none;
           }));
}
BULKHEAD_MESSAGE(moody)
moody make_moody(int v) { return {.v = v}; }
BULKHEAD_TASK("field.moody", make_moody)
void boom(int) { throw std::runtime_error("boom"); }
BULKHEAD_TASK("field.boom", boom)

caf::behavior asker(caf::event_based_actor* self) {
  return {[self](const caf::actor& a, int x) {
    auto promise = self->make_response_promise();
    self->request(a, 60s, x).then(
      [promise](int y) mutable { promise.deliver(y); },
      [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
    return promise;
  }};
}

/// Sends to another in one go, and counts what it gets itself.
caf::behavior flooder(caf::event_based_actor* self) {
  auto got = std::make_shared<int>(0);
  return {
    [self](caf::spawn_atom, const caf::actor& to, int n) {
      for (int i = 0; i < n; ++i)
        self->send(to, i);
    },
    [self, got](caf::join_atom, const caf::actor& to, int n) {
      for (int i = 0; i < n; ++i)
        self->request(to, caf::infinite, i, 1).then([got](int) { ++*got; });
    },
    [got](int) { ++*got; },
    [](int x, int y) { return x + y; },
    [got](caf::get_atom) { return *got; },
  };
}

/// Asks until all have come; CAF's own request keeps the pace.
std::string arrived(caf::scoped_actor& self, const caf::actor& a, int wanted) {
  std::string got;
  eventually(
    [&] {
      got = answer<int>(self, a, caf::get_atom::value);
      return got == std::to_string(wanted);
    },
    100s);
  return got;
}

caf::behavior large_streamer(caf::event_based_actor* self) {
  return {[self](caf::spawn_atom, const caf::actor& to, int n) {
    self->send(to, std::string(1 << 20, 'y'));
    if (n > 1)
      self->send(self, caf::spawn_atom::value, to, n - 1);
  }};
}

caf::behavior keyed(caf::event_based_actor*) {
  auto seen = std::make_shared<std::vector<int>>();
  return {
    [seen](const std::string&, int n) {
      seen->push_back(n);
      return n;
    },
    [](const std::string&, caf::ok_atom) { return own_pid(); },
    [](const std::string&, caf::join_atom, const std::string& gate) { return pass(gate); },
    [seen](const std::string&, caf::get_atom) {
      return static_cast<int>(seen->size()) * (std::is_sorted(seen->begin(), seen->end()) ? 1 : -1);
    },
  };
}

} // namespace

FIELD_PROGRAM(a_result_that_cannot_be_read_is_an_answer, "value, error, value", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto ask = [&](int v) { return answer<moody>(self, p.actor(), "field.moody", v); };
  const auto first = ask(1);
  const auto second = ask(-1);
  return first + ", " + second + ", " + ask(2);
}

FIELD_PROGRAM(what_a_split_or_a_key_throws_is_an_answer, "error, error", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto a = p.spawn(asker);
  const auto split =
    spawn_pool(*host.system, {.workers = 1, .actor_workers = 2},
               distribution::scatter(
                 [](const caf::message&, std::size_t) -> std::vector<caf::message> {
                   throw std::runtime_error("cannot split");
                 },
                 [](const std::vector<caf::message>& all) { return all.front(); }),
               echo);
  const auto by_key =
    spawn_pool(*host.system, {.workers = 1, .actor_workers = 1},
               distribution::by_key([](const caf::message&) -> std::string { throw 42; }), twice);
  return answer<int>(self, a, split, 1) + ", " + answer<int>(self, a, by_key, 1);
}

FIELD_PROGRAM(instances_that_cannot_start_are_an_exception, "2 of 2 threw", "") {
  const actor_host host;
  int threw = 0;
  for (int i = 0; i < 2; ++i)
    try {
      spawn_pool(*host.system,
                 {.workers = 1, .initializer = [] { std::abort(); }, .actor_workers = 8}, echo);
    } catch (const error&) {
      ++threw;
    }
  return std::to_string(threw) + " of 2 threw";
}

FIELD_PROGRAM(two_workers_that_flood_each_other_get_everything, "30000, 30000", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 2}};
  caf::scoped_actor self{*host.system};
  const auto a = p.spawn(flooder);
  const auto b = p.spawn(flooder);
  caf::anon_send(a, caf::spawn_atom::value, b, 30'000);
  caf::anon_send(b, caf::spawn_atom::value, a, 30'000);
  return arrived(self, a, 30'000) + ", " + arrived(self, b, 30'000);
}

FIELD_PROGRAM(requests_in_one_go_are_all_answered, "30000", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 2}};
  caf::scoped_actor self{*host.system};
  const auto a = p.spawn(flooder);
  const auto b = p.spawn(flooder);
  caf::anon_send(a, caf::join_atom::value, b, 30'000);
  return arrived(self, a, 30'000);
}

FIELD_PROGRAM(an_answer_does_not_wait_behind_messages, "42", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto a = p.spawn(flooder);
  const auto other = p.spawn(echo);
  self->send(a, caf::spawn_atom::value, caf::actor{self}, 20'000);
  self->receive([](int) {});
  const auto seen = answer<int>(self, other, 42); // while the others wait in this actor's mailbox
  return seen;
}

FIELD_PROGRAM(a_full_worker_stops_neither_scheduler_nor_clock, "answered, ticks", "") {
  const actor_host host{1};
  const gate closed;
  pool p{*host.system,
         {.workers = 1, .queue_capacity = 10, .ring_capacity = 64 << 10, .actor_workers = 1}};
  const auto busy = p.spawn(echo);
  caf::anon_send(busy, caf::join_atom::value, closed.path());
  std::atomic<int> ticks = 0;
  host.system->spawn([&](caf::event_based_actor* s) -> caf::behavior {
    s->delayed_send(s, 5ms, caf::tick_atom::value);
    return {[&ticks, s](caf::tick_atom) {
      ++ticks;
      s->delayed_send(s, 5ms, caf::tick_atom::value);
    }};
  });
  const std::string text(1000, 'x');
  host.system->spawn([&](caf::event_based_actor* s) -> caf::behavior {
    for (int i = 0; i < 90; ++i) {
      s->send(busy, text);
      s->delayed_send(busy, 10ms, text);
    }
    return {[](int) {}};
  });
  caf::scoped_actor self{*host.system};
  const auto bystander = host.system->spawn(echo);
  const bool answered = answer<int>(self, bystander, 1) == "1";
  const int before = ticks;
  const bool ticking = eventually([&] { return ticks > before + 5; }); // the gate is still closed
  leave(std::string(answered ? "answered" : "no answer") + (ticking ? ", ticks" : ", no ticks"));
}

FIELD_PROGRAM(queues_of_workers_are_bounded_in_bytes, "flat", "") {
  const actor_host host;
  const gate closed;
  pool p{*host.system, {.workers = 1, .queue_bytes = 16 << 20, .actor_workers = 1}};
  const auto busy = p.spawn(echo);
  caf::anon_send(busy, caf::join_atom::value, closed.path());
  const auto before = own_rss_bytes();
  std::atomic<bool> sent = false;
  // Whoever sends may be refused, never be held for ever; a thread of its own may wait for room.
  host.system->spawn([&](caf::event_based_actor* s) -> caf::behavior {
    s->set_error_handler([](caf::error&) {});
    for (int i = 0; i < 200; ++i)
      s->send(busy, std::string(1 << 20, 'x'));
    sent = true;
    return {[](int) {}};
  });
  eventually([&] { return sent.load(); });
  leave(growth(before, std::size_t{100} << 20));
}

FIELD_PROGRAM(a_worker_that_floods_a_slow_actor_is_held_back, "flat", "") {
  const actor_host host;
  const gate closed;
  pool p{*host.system, {.workers = 1, .queue_bytes = 16 << 20, .actor_workers = 1}};
  const auto s = p.spawn(large_streamer);
  const auto slow = host.system->spawn<caf::detached>(
    [path = closed.path()](caf::event_based_actor*) -> caf::behavior {
      return {[path](const std::string&) { pass(path); }};
    });
  const auto before = own_rss_bytes();
  caf::anon_send(s, caf::spawn_atom::value, slow, 1000);
  ::usleep(2'000'000); // what is measured is what comes in meanwhile
  leave(growth(before, std::size_t{200} << 20));
}

FIELD_PROGRAM(plain_messages_to_all_keep_their_sender, "2 of 2", "") {
  const actor_host host;
  caf::scoped_actor self{*host.system};
  const auto all =
    spawn_pool(*host.system, {.workers = 2, .actor_workers = 2}, distribution::to_all(), echo);
  self->send(all, caf::add_atom::value, 1);
  int got = 0;
  for (int i = 0; i < 2; ++i)
    self->receive([&](caf::add_atom, int) { ++got; }, caf::after(30s) >> [] {});
  return std::to_string(got) + " of 2";
}

FIELD_PROGRAM(a_send_never_ends_its_sender, "lives, lives, lives", "") {
  const actor_host host;
  const gate closed;
  pool p{*host.system,
         {.workers = 1,
          .queue_capacity = 4,
          .on_full = on_full::reject,
          .ring_capacity = 64 << 10,
          .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto tasks = p.actor();
  const auto busy = p.spawn(echo);
  caf::anon_send(busy, caf::join_atom::value, closed.path());
  std::string seen;
  const auto after = [&](auto send) {
    const auto letters = p.stats().dead_letters;
    const auto a = host.system->spawn([send](caf::event_based_actor* s) -> caf::behavior {
      send(s);
      return {[](int x) { return x; }};
    });
    eventually([&] { return p.stats().dead_letters > letters; });
    seen +=
      (seen.empty() ? "" : ", ") + std::string(answer<int>(self, a, 7) == "7" ? "lives" : "ended");
  };
  after([tasks](caf::event_based_actor* s) { s->send(tasks, "field.boom", 1); });
  after([tasks](caf::event_based_actor* s) { s->send(tasks, "field.unknown", 1); });
  after([busy](caf::event_based_actor* s) {
    for (int i = 0; i < 200; ++i)
      s->send(busy, std::string(1000, 'x'));
  });
  leave(seen);
}

FIELD_PROGRAM(requests_that_move_on_keep_their_order, "30", "") {
  const actor_host host;
  const gate closed;
  const auto all =
    spawn_pool(*host.system, {.workers = 2, .actor_workers = 2}, distribution::by_key(), keyed);
  caf::scoped_actor self{*host.system};
  const std::string key = "k";
  const auto pid = answer<int>(self, all, key, caf::ok_atom::value);
  self->send(all, key, caf::join_atom::value, closed.path());
  using pending = decltype(self->request(all, 60s, key, 1));
  std::vector<pending> open;
  for (int i = 0; i < 30; ++i)
    open.push_back(self->request(all, 60s, key, i));
  ::kill(std::stoi(pid), SIGKILL);
  for (auto& request : open)
    request.receive([](int) {}, [](const caf::error&) {});
  return answer<int>(self, all, key, caf::get_atom::value);
}

FIELD_PROGRAM(no_message_of_a_detached_actor_is_lost, "20000 of 20000", "") {
  const actor_host host;
  const gate closed;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  const auto starter = p.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const caf::actor& to, int n) {
      self->spawn<caf::detached>([to, n](caf::event_based_actor* s) {
        for (int i = 0; i < n; ++i)
          s->send(to, i);
      });
    }};
  });
  std::atomic<int> got = 0;
  const auto slow = host.system->spawn<caf::detached>(
    [&got, path = closed.path()](caf::event_based_actor*) -> caf::behavior {
      return {[&got, path](int i) {
        if (i == 0)
          pass(path);
        ++got;
      }};
    });
  caf::anon_send(starter, slow, 20'000);
  ::usleep(1'000'000); // the pause in which nothing may be lost
  closed.open();
  eventually([&] { return got == 20'000; }, 60s);
  leave(std::to_string(got) + " of 20000");
}

FIELD_PROGRAM(a_launch_that_fails_heals, "1, 2, 3", "") {
  const actor_host host;
  const auto all =
    spawn_pool(*host.system,
               {.workers = 3, .dispatch = dispatch_policy::round_robin, .actor_workers = 3}, echo);
  caf::scoped_actor self{*host.system};
  const auto pid = std::stoi(answer<int>(self, all, caf::ok_atom::value));
  rlimit as_before{};
  ::getrlimit(RLIMIT_NOFILE, &as_before);
  const rlimit few{20, as_before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few); // for a while nothing can be started
  ::kill(pid, SIGKILL);
  eventually([&] { return state_of(pid) == '\0'; });
  ::usleep(300'000);
  ::setrlimit(RLIMIT_NOFILE, &as_before);
  const auto one = answer<int>(self, all, 1);
  const auto two = answer<int>(self, all, 2);
  return one + ", " + two + ", " + answer<int>(self, all, 3);
}

FIELD_PROGRAM(an_instance_ends_with_its_unlinked_children, "ended", "") {
  const actor_host host;
  const auto all = spawn_pool(*host.system, {.workers = 1, .grace = 5s, .actor_workers = 1},
                              [](caf::event_based_actor* self) -> caf::behavior {
                                const auto child = self->spawn(twice);
                                return {[=](int x) { return self->delegate(child, x); },
                                        [](caf::ok_atom) { return own_pid(); }};
                              });
  caf::scoped_actor self{*host.system};
  const auto pid = std::stoi(answer<int>(self, all, caf::ok_atom::value));
  caf::anon_send_exit(all, caf::exit_reason::user_shutdown);
  const bool ended = eventually([&] { return state_of(pid) == '\0' || state_of(pid) == 'Z'; });
  return ended ? "ended" : "lives";
}

FIELD_PROGRAM(published_actors_answer_beside_a_middleman, "5, 5, 5", "open long") {
  caf::actor_system_config config;
  config.load<caf::io::middleman>();
  configure(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  caf::actor_system_config afar_config;
  afar_config.load<caf::io::middleman>();
  afar_config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system afar{afar_config};
  pool p{system, {.workers = 1, .actor_workers = 1}};
  const auto in_worker = p.spawn(echo);
  const auto keeps = p.spawn(keeper);
  const auto local = system.spawn(echo);
  const auto port = system.middleman().publish(in_worker, 0, "127.0.0.1");
  const auto local_port = system.middleman().publish(local, 0, "127.0.0.1");
  if (!port || !local_port)
    leave("cannot publish");
  const auto remote = afar.middleman().remote_actor("127.0.0.1", *port);
  const auto remote_local = afar.middleman().remote_actor("127.0.0.1", *local_port);
  if (!remote || !remote_local)
    leave("cannot connect");
  caf::scoped_actor self{system};
  caf::scoped_actor far_self{afar};
  const auto first = answer<int>(far_self, *remote_local, 5);
  answer<int>(self, keeps, caf::tick_atom::value, local); // goes to a worker, and comes back
  answer<int>(self, keeps, caf::ok_atom::value);
  const auto second = answer<int>(far_self, *remote, 5);
  leave(first + ", " + second + ", " + answer<int>(far_self, *remote_local, 5));
}

FIELD_PROGRAM(a_kill_of_one_instance_leaves_other_pools_alone, "timeout, 1", "") {
  const actor_host host;
  const gate closed;
  pool other{*host.system, {.workers = 1, .actor_workers = 1}};
  const auto quick = other.spawn(echo);
  const auto full = spawn_pool(*host.system,
                               {.workers = 2,
                                .queue_capacity = 10,
                                .dispatch = dispatch_policy::round_robin,
                                .ring_capacity = 64 << 10,
                                .actor_workers = 2},
                               echo);
  caf::scoped_actor self{*host.system};
  const auto pid = std::stoi(answer<int>(self, full, caf::ok_atom::value));
  for (int i = 0; i < 2; ++i)
    caf::anon_send(full, caf::join_atom::value, closed.path());
  for (int i = 0; i < 120; ++i)
    caf::anon_send(full, std::string(1000, 'x'));
  ::kill(pid, SIGKILL); // what waited for it looks for room at the other, which is full
  const auto limited = other.with({.timeout = 200ms}).submit([] { ::pause(); });
  const auto seen = limited.wait(60s) ? word(limited.outcome()) : std::string("no outcome");
  leave(seen + ", " + answer<int>(self, quick, 1));
}
