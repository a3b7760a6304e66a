// ctest-label: fault
// ctest-timeout: 900
// ctest-serial
// Workers of actors killed at random moments under traffic, checked from a history. 100 kills;
// BULKHEAD_TEST_KILLS in the environment is another number (10,000 take some minutes).
#include "tests/support/asking_actor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <vector>

#include <unistd.h>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr std::int32_t requests = 96;
constexpr std::int32_t messages = 32; ///< without an answer; their items follow the requests'

caf::behavior marking(caf::event_based_actor* self, const caf::actor& sink) {
  return {
    [self, sink](std::int32_t n) {
      witness::start(static_cast<std::size_t>(n));
      self->send(sink, n);
      witness::end(static_cast<std::size_t>(n));
      return n;
    },
    [self, sink](caf::add_atom, std::int32_t n) {
      witness::start(static_cast<std::size_t>(n));
      self->send(sink, n);
    },
    [](caf::sys_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}

/// Counts what arrives of each number.
caf::behavior counting(caf::event_based_actor*, std::vector<std::atomic<int>>* counts) {
  return {
    [counts](std::int32_t n) { ++(*counts)[static_cast<std::size_t>(n)]; },
    [](caf::flush_atom) { return true; },
  };
}

int kills_wanted() {
  const auto* text = std::getenv("BULKHEAD_TEST_KILLS");
  return text != nullptr ? std::atoi(text) : 100;
}

struct storm {
  storm()
    : counts(requests + messages), marks(requests + messages),
      p{*host.system,
        {.workers = 1,
         .initializer = call(&witness::open, marks.path()),
         .restart = {.max_restarts = 1'000'000},
         .actor_workers = 2}},
      sink(host.system->spawn(counting, &counts)), self{*host.system} {}
  ~storm() { caf::anon_send_exit(sink, caf::exit_reason::user_shutdown); }

  /// One worker, one burst of traffic, one kill.
  void round(std::mt19937& random) {
    settle();
    marks.forget();
    for (auto& c : counts)
      c = 0;
    history told{history::taker::one_process};
    for (std::size_t i = 0; i < requests; ++i)
      told.submitted(i);
    auto seen = std::make_shared<asked>(told);
    // In turn alone in its process and beside an actor that outlived the last kill.
    auto doomed = p.spawn(random() % 2 == 0 ? placement::own_process : placement{}, marking, sink);
    pid_t pid = 0;
    self->request(doomed, 20s, caf::sys_atom_v)
      .receive([&](std::int32_t x) { pid = x; },
               [&](const caf::error& e) { FAIL(host.system->render(e)); });
    auto asker = host.system->spawn<asking_actor>(seen);
    caf::anon_send(asker, caf::monitor_atom_v, doomed);
    caf::anon_send(asker, caf::link_atom_v, doomed);
    caf::anon_send(asker, caf::put_atom_v, doomed, std::int32_t{0}, requests / 2);
    for (std::int32_t i = 0; i < messages; ++i)
      caf::anon_send(doomed, caf::add_atom_v, requests + i);
    caf::anon_send(asker, caf::put_atom_v, doomed, requests / 2, requests);
    kill_somewhere(pid, *seen, random);
    REQUIRE(eventually([&] { return seen->outcomes == requests && seen->downs == 1; }, 30s));
    CHECK(eventually([&] { return seen->exits == 1; }, 30s));
    caf::anon_send(asker, caf::close_atom_v);
    check(told, *seen);
    values += told.values();
    lost += requests - told.values();
  }

  /// What the last round sent to the sink is counted.
  void settle() {
    self->request(sink, 20s, caf::flush_atom_v).receive([](bool) {}, [](const caf::error&) {});
  }

  static void kill_somewhere(pid_t pid, const asked& seen, std::mt19937& random) {
    // Early more often than late: the traffic is over in a moment.
    const auto after = random() % (random() % 4 == 0 ? requests + requests / 2 : 8);
    const auto pause = std::chrono::microseconds(random() % 100);
    const auto limit = std::chrono::steady_clock::now() + 20ms;
    while (seen.outcomes < after && std::chrono::steady_clock::now() < limit) {
    }
    const auto end = std::chrono::steady_clock::now() + pause;
    while (std::chrono::steady_clock::now() < end) {
    }
    ::kill(pid, SIGKILL);
  }

  void check(const history& told, const asked& seen) {
    settle();
    CHECK(told.violations(marks) == "");
    CHECK(seen.responses == requests);
    CHECK(seen.wrong == 0);
    CHECK(seen.downs == 1);
    CHECK(seen.exits == 1);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      CHECK(counts[i] <= 1);
      CHECK(marks.starts(i) <= 1);
      CHECK(counts[i] <= static_cast<int>(marks.starts(i)));
    }
  }

  std::vector<std::atomic<int>> counts;
  witness marks;
  user_system host;
  pool p;
  caf::actor sink;
  caf::scoped_actor self;
  std::size_t values = 0;
  std::size_t lost = 0;
};

} // namespace

TEST_CASE("random kills of actor workers: one outcome a request, nothing is delivered twice") {
  const leak_guard guard;
  const int kills = kills_wanted();
  std::mt19937 random{2024};
  std::size_t values = 0;
  std::size_t lost = 0;
  {
    storm s;
    std::size_t descriptors = 0;
    std::size_t rss = 0;
    for (int i = 0; i < kills; ++i) {
      CAPTURE(i);
      s.round(random);
      if (i == 50) {
        descriptors = own_descriptors();
        rss = own_rss_bytes();
      }
    }
    if (kills > 50) {
      CHECK(own_descriptors() <= descriptors + 32);
      CHECK(own_rss_bytes()
            <= rss + (std::size_t{8} << 20) + static_cast<std::size_t>(kills) * 1024);
    }
    values = s.values;
    lost = s.lost;
  }
  if (kills >= 100) {
    CHECK(values > 0);
    CHECK(lost > 0);
  }
  MESSAGE(kills << " kills, " << values << " requests answered, " << lost << " lost");
}
