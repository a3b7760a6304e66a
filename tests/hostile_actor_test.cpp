// ctest-label: fault
#include "actors/wire/ring_words.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/testing/hooks.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <thread>

// What code in an actor worker can do to the memory and the bells that it shares with the host.

namespace {

using namespace std::chrono_literals;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

/// Calls `f(fd, path)` for each bell of this process, made to block for whoever shares its flags.
template <class F>
int for_each_bell(std::string_view kind, F f) {
  int count = 0;
  for (int fd = 3; fd < 256; ++fd) {
    const auto path = "/proc/self/fd/" + std::to_string(fd);
    std::array<char, 64> name{};
    if (::readlink(path.c_str(), name.data(), name.size() - 1) < 0
        || !std::string_view{name.data()}.starts_with(kind))
      continue;
    f(fd, path);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    ++count;
  }
  return count;
}

int fill_bells() {
  const auto eventfds = for_each_bell("anon_inode:[eventfd]", [](int fd, const std::string&) {
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max() - 1;
    static_cast<void>(::write(fd, &most, sizeof most));
  });
  const auto pipes = for_each_bell("pipe:", [](int, const std::string& path) {
    const int both = ::open(path.c_str(), O_RDWR | O_NONBLOCK);
    const std::array<char, 4096> much{};
    while (::write(both, much.data(), much.size()) > 0 || ::write(both, much.data(), 1) > 0) {
    }
    ::close(both);
  });
  return eventfds + pipes;
}

/// Takes the rings away under the host's hands.
int drain_bells() {
  return for_each_bell("anon_inode:[eventfd]", [](int fd, const std::string&) {
    std::thread{[fd] {
      for (std::uint64_t rings = 0; ::read(fd, &rings, sizeof rings) > 0 || errno == EAGAIN;) {
      }
    }}.detach();
  });
}

caf::behavior saboteur(caf::event_based_actor* self) {
  return {
    [](caf::put_atom) { return fill_bells(); },
    [](caf::get_atom) { return drain_bells(); },
    [self](caf::forward_atom, const caf::actor& sink) { self->send(sink, 1); },
    [](int x) { return x; },
  };
}

/// Its answers' ring makes no sense any more, the host is told to look at it, and waits in vain.
void scribble() {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:bulkhead-actor-worker") == std::string::npos)
      continue;
    auto* words = reinterpret_cast<bulkhead::actors::ring_words*>(std::stoul(line, nullptr, 16));
    words->tail.store(3);
    for_each_bell("anon_inode:[eventfd]", [](int fd, const std::string&) {
      const std::uint64_t one = 1;
      static_cast<void>(::write(fd, &one, sizeof one));
    });
    ::pause();
  }
}

/// Lies when it is told to end.
caf::behavior late_liar(caf::event_based_actor* self) {
  self->set_exit_handler([](caf::exit_msg&) { scribble(); });
  return {[](int) { return static_cast<int>(::getpid()); }};
}

caf::behavior echo(caf::event_based_actor*) {
  return {[](int x) { return x; }};
}

caf::behavior counts_up(caf::event_based_actor*, std::atomic<int>* count) {
  return {[count](int x) { *count += x; }};
}

bulkhead::pool_options small(std::size_t actor_workers = 1) {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = actor_workers;
  return o;
}

} // namespace

TEST_CASE("a worker that fills its bells, and makes them block, holds nobody up") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small(2)};
  const auto good = p.spawn(echo);
  const auto bad = p.spawn(saboteur);
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, bad, caf::put_atom_v) >= 4);
  for (int i = 0; i < 50; ++i) {
    caf::anon_send(bad, i);
    CHECK(ask<int>(self, bad, i) == i);
    CHECK(ask<int>(self, good, i) == i);
  }
}

TEST_CASE("a worker that takes the host's rings away, and makes reads block, holds nobody up") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto bad = p.spawn(saboteur);
  std::atomic<int> count{0};
  const auto sink = h.system->spawn(counts_up, &count);
  caf::anon_send(bad, caf::get_atom_v); // its answers may be lost from now on
  for (int i = 1; i <= 20; ++i) {
#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
    // Between the bell and the read of it, so that it is taken away in between.
    bulkhead::testing::arm_hook("actor.host.bell", 1, bulkhead::testing::hook_action::delay);
#endif
    caf::anon_send(bad, caf::forward_atom_v, sink);
    // Needs the runtime thread, which must not wait for the next ring.
    auto endless = p.with({.timeout = 20ms}).submit([] { ::pause(); });
    REQUIRE(endless.wait(20s));
    CHECK(endless.outcome().failure().exit.cause == bulkhead::exit_cause::timed_out);
  }
  caf::anon_send_exit(sink, caf::exit_reason::user_shutdown);
}

TEST_CASE("a worker that scribbles over its ring before the host has its handle is refused") {
  const leak_guard guard;
  host_system h;
  auto options = small();
  options.initializer = bulkhead::call(scribble);
#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
  bulkhead::testing::arm_hook("actor.host.launched", 1, bulkhead::testing::hook_action::delay);
#endif
  bulkhead::pool bad{*h.system, options};
  try {
    bad.spawn(echo);
    FAIL("spawned");
  } catch (const bulkhead::worker_died& e) {
    CHECK(e.info().exit.cause == bulkhead::exit_cause::bad_message);
  }
  CHECK(eventually([&] { return bad.stats().bad_messages >= 1; }));
  bulkhead::pool good{*h.system, small()};
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, good.spawn(echo), 7) == 7);
}

TEST_CASE("a worker that lies after it was told to end goes at once, whatever its grace") {
  const leak_guard guard;
  host_system h;
  auto options = small();
  options.grace = 10min;
  auto liar = bulkhead::spawn_pool(*h.system, options, late_liar);
  caf::scoped_actor self{*h.system};
  const pid_t pid = ask<int>(self, liar, 7);
  REQUIRE(pid > 0);
  self->send_exit(liar, caf::exit_reason::user_shutdown);
  CHECK(eventually([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; }));
}
