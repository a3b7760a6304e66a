// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/worker.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using bulkhead::actor_options;
using bulkhead::config_error;
using bulkhead::distribution;
using bulkhead::worker_kind;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior worker(caf::event_based_actor* self) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [self](caf::add_atom) {
      static auto& children = *new std::vector<caf::actor>; // who has no handle ends
      children.push_back(self->spawn(worker));
      return static_cast<std::int32_t>(0);
    },
    [](std::int32_t x) { return x + 1; },
    [](caf::put_atom) { ::pause(); },
    [](caf::close_atom) -> std::int32_t { std::abort(); },
    [](caf::join_atom) {
      return std::string{bulkhead::this_worker::active() ? "active " : "none "}
             + std::to_string(bulkhead::this_worker::id()) + ' '
             + std::string{bulkhead::this_worker::pool_name()};
    },
    [](caf::flush_atom) { // niceness and limit, as the kernel says
      rlimit files{};
      ::getrlimit(RLIMIT_NOFILE, &files);
      return std::to_string(::getpriority(PRIO_PROCESS, 0)) + ' ' + std::to_string(files.rlim_cur);
    },
  };
}

BULKHEAD_ACTOR("worker", worker)

bulkhead::pool_options one() {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = 1;
  o.name = "seen";
  return o;
}

const bulkhead::actor_info* find(const std::vector<bulkhead::actor_info>& all,
                                 const std::string& name) {
  const auto i =
    std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.name == name; });
  return i == all.end() ? nullptr : &*i;
}

/// The text of the config_error that `f` throws; empty where it throws none.
template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const config_error& e) {
    return e.what();
  }
  return {};
}

} // namespace

TEST_CASE("actors() lists each actor with its name, worker and work, one that hangs too") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, one()};
  CHECK(pool.actors().empty());
  caf::scoped_actor self{*host.system};
  auto first = pool.with(actor_options{.name = "first"}).spawn(worker);
  auto second = pool.spawn("worker");
  for (int i = 0; i < 10; ++i)
    ask<std::int32_t>(self, first, i);
  const auto pid = ask<std::int32_t>(self, second, caf::get_atom_v);
  auto all = pool.actors();
  REQUIRE(all.size() == 2);
  const auto* a = find(all, "first");
  REQUIRE(a != nullptr);
  CHECK(a->id == first.id());
  CHECK(a->pid == pid);
  CHECK(a->messages >= 10);
  CHECK(a->busy > 0ns);
  CHECK(a->in_hand == 0ns);
  CHECK(!a->type.empty());
  REQUIRE(find(all, "worker") != nullptr);
  CHECK(find(all, "worker")->id == second.id());

  ask<std::int32_t>(self, second, caf::add_atom_v);
  CHECK(eventually([&] { return pool.actors().size() == 3; }));
  self->send(first, caf::put_atom_v);
  CHECK(eventually([&] {
    const auto now = pool.actors();
    const auto* hangs = find(now, "first");
    return hangs != nullptr && hangs->in_hand > 1ms && hangs->busy >= hangs->in_hand;
  }));
  const auto workers = pool.workers();
  REQUIRE(workers.size() == 2);
  CHECK(workers.at(0).kind == worker_kind::tasks);
  CHECK(workers.at(1).kind == worker_kind::actors);
  CHECK(workers.at(1).pid == pid);
  CHECK(workers.at(1).state == bulkhead::worker_state::busy);
  CHECK(workers.at(1).rss_bytes > 0);
  bulkhead::kill(first, 0s);
  CHECK(eventually([&] { return pool.actors().empty() && pool.workers().size() == 1; }));
}

TEST_CASE("an actor that has ended leaves the list, however it ended") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, one()};
  caf::scoped_actor self{*host.system};
  auto stays = pool.spawn(worker);
  for (int i = 0; i < 20; ++i) {
    auto goes = pool.with(actor_options{.name = "goes"}).spawn(worker);
    ask<std::int32_t>(self, goes, i);
    if (i % 2 == 0)
      caf::anon_send_exit(goes, caf::exit_reason::user_shutdown);
  } // the others lose their last handle
  CHECK(eventually([&] {
    ask<std::int32_t>(self, stays, 1);
    return pool.actors().size() == 1;
  }));
  CHECK(pool.actors().at(0).id == stays.id());
}

TEST_CASE("an actor knows its worker and its pool") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, one()};
  caf::scoped_actor self{*host.system};
  auto actor = pool.spawn(worker);
  CHECK(ask<std::string>(self, actor, caf::join_atom_v) == "active 1 seen");
  CHECK(pool.workers().at(1).id == 1);
}

TEST_CASE("options of processes hold for actor workers, and options that cannot are refused") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  auto options = one();
  options.nice = 3;
  options.limits.open_files = 77;
  bulkhead::pool pool{*host.system, options};
  CHECK(ask<std::string>(self, pool.spawn(worker), caf::flush_atom_v)
        == std::to_string(::getpriority(PRIO_PROCESS, 0) + 3) + " 77");

  for (const auto how : {bulkhead::start_method::thread, bulkhead::start_method::eager}) {
    auto wrong = one();
    wrong.start = how;
    bulkhead::pool threads{*host.system, wrong};
    CHECK(refusal([&] { threads.spawn(worker); }).find("start must be forkserver or spawn")
          != std::string::npos);
  }
  CHECK(refusal([&] {
          pool.with(actor_options{.message_timeout = -1ns});
        }).find("actor_options::message_timeout is -1 ns")
        != std::string::npos);
  CHECK(refusal([&] {
          pool.with(actor_options{.memory_limit = 1 << 20}).spawn(worker);
        }).find("placement::own_process")
        != std::string::npos);
  auto poison = one();
  poison.poison_after = 9;
  CHECK(refusal([&] {
          bulkhead::spawn_pool(*host.system, poison, worker);
        }).find("poison_after is 9, and applies to tasks only")
        != std::string::npos);
  auto many = one();
  many.max_tasks_per_worker = 5;
  CHECK(refusal([&] {
          bulkhead::spawn_pool(*host.system, many, worker);
        }).find("max_tasks_per_worker is 5, and applies to tasks only")
        != std::string::npos);
  auto ahead = one();
  ahead.prefetch = 1;
  CHECK(refusal([&] {
          bulkhead::spawn_pool(*host.system, ahead, worker);
        }).find("prefetch is set, and applies to tasks only")
        != std::string::npos);
}

TEST_CASE("first, to_all and scatter wait while instances restart") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  const auto halves = distribution::scatter(
    [](const caf::message& m, std::size_t) { return std::vector<caf::message>{m}; },
    [](const std::vector<caf::message>& answers) { return answers.at(0); });
  for (const auto& how : {distribution::first(), distribution::to_all(), halves}) {
    auto options = one();
    options.restart.backoff_initial = 50ms;
    auto pool = bulkhead::spawn_pool(*host.system, options, how, worker);
    self->request(pool, 60s, caf::close_atom_v)
      .receive([](std::int32_t) { FAIL_CHECK("it lives"); }, [](const caf::error&) {});
    CHECK(ask<std::int32_t>(self, pool, 4) == 5);
  }
}
