// ctest-label: fault
// ctest-timeout: 300
// Every named point of the actors' link, on both sides: what happens there costs no request its one
// answer, and delivers nothing twice.
#include "tests/support/asking_actor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/lose_host.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/tasks.hpp>
#include <bulkhead/testing/hooks.hpp>

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using testing::hook_action;

namespace {

constexpr std::int32_t bursts = 4;
constexpr std::int32_t burst = 12;
constexpr std::int32_t requests = bursts * burst;
constexpr std::int32_t messages = 12; ///< without an answer; their items follow the requests'

/// Arms the first actor worker: the pool's one task worker has come before.
void arm_first_actor_worker(const std::string& path, const std::string& point, std::uint32_t count,
                            hook_action action) {
  witness::open(path);
  if (witness::arrival() == 1)
    testing::arm_hook(point, count, action);
}

caf::behavior passing(caf::event_based_actor* self) {
  return {[self](std::int32_t x) {
    self->quit();
    return x;
  }};
}

/// Makes the worker pass all of its points: answers, sends, children that end, links.
caf::behavior busy(caf::event_based_actor* self, const caf::actor& sink) {
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
    [self](caf::spawn_atom) { return caf::actor{self->spawn(passing)}; },
  };
}

/// Counts what arrives of each number.
caf::behavior counting(caf::event_based_actor*, std::vector<std::atomic<int>>* counts) {
  return {
    [counts](std::int32_t n) { ++(*counts)[static_cast<std::size_t>(n)]; },
    [](caf::flush_atom) { return true; },
  };
}

struct scenario {
  std::string point;
  std::uint32_t count;
  hook_action action;
};

class play {
public:
  explicit play(const scenario& s)
    : scenario_(s), counts_(requests + messages), marks_(requests + messages),
      pool_{*host_.system,
            {.workers = 1,
             .initializer = call(arm_first_actor_worker, marks_.path(), s.point, s.count, s.action),
             .grace = 100ms,
             .unresponsive_after = 300ms,
             .actor_workers = 1}},
      sink_(host_.system->spawn(counting, &counts_)), self_{*host_.system} {
    pool_.apply([] {});
    for (std::size_t i = 0; i < requests; ++i)
      told_.submitted(i);
  }
  ~play() { caf::anon_send_exit(sink_, caf::exit_reason::user_shutdown); }

  /// Whether the worker died of it.
  bool run() {
    auto a = spawn();
    auto observer = host_.system->spawn<asking_actor>(seen_);
    caf::anon_send(observer, caf::monitor_atom_v, a);
    caf::anon_send(observer, caf::link_atom_v, a);
    for (std::int32_t i = 0; i < bursts; ++i)
      traffic(a, i);
    if (scenario_.point.find("release") != std::string::npos) // handles linger up to a second
      holds_for(1600ms, [&] { return seen_->downs != 0; });
    ask(sink_, caf::flush_atom_v);
    check();
    const bool died = died_at_start_ || died_since(a);
    caf::anon_send(observer, caf::close_atom_v);
    CHECK(answers(spawn()));
    return died;
  }

private:
  caf::actor spawn() {
    try {
      return pool_.spawn(busy, sink_);
    } catch (const error& e) {
      CHECK_FALSE(died_at_start_);
      CHECK(e.info().kind == failure_kind::worker_died);
      died_at_start_ = true;
    }
    return pool_.spawn(busy, sink_);
  }

  void traffic(const caf::actor& a, std::int32_t i) {
    auto asker = host_.system->spawn<asking_actor>(seen_);
    caf::anon_send(asker, caf::put_atom_v, a, i * burst, (i + 1) * burst);
    for (auto n = requests + i * messages / bursts; n < requests + (i + 1) * messages / bursts; ++n)
      caf::anon_send(a, caf::add_atom_v, n);
    caf::actor child;
    self_->request(a, 20s, caf::spawn_atom_v)
      .receive([&](const caf::actor& x) { child = x; }, [](const caf::error&) {});
    if (child)
      ask(child, i);
    CHECK(eventually([&] { return seen_->outcomes == (i + 1) * std::uint64_t{burst}; }, 30s));
    caf::anon_send(asker, caf::close_atom_v); // and its end is told to the worker
  }

  template <class... Ts>
  void ask(const caf::actor& whom, Ts... question) {
    self_->request(whom, 20s, question...)
      .receive([](const caf::message&) {}, [](const caf::error&) {});
  }

  bool answers(const caf::actor& a) {
    bool value = false;
    self_->request(a, 20s, caf::spawn_atom_v)
      .receive([&](const caf::actor&) { value = true; }, [](const caf::error&) {});
    return value;
  }

  bool died_since(const caf::actor& a) {
    const bool dead = !answers(a);
    if (dead)
      CHECK(eventually([&] { return seen_->downs == 1; }, 30s));
    CHECK(seen_->downs == (dead ? 1 : 0));
    return dead;
  }

  template <class F>
  static void holds_for(std::chrono::milliseconds time, F until) {
    const auto limit = std::chrono::steady_clock::now() + time;
    while (!until() && std::chrono::steady_clock::now() < limit)
      std::this_thread::yield();
  }

  void check() {
    CHECK(told_.violations(marks_) == "");
    CHECK(seen_->responses == requests);
    CHECK(seen_->wrong == 0);
    CHECK(seen_->exits <= 1);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      CHECK(marks_.starts(i) <= 1);
      CHECK(counts_[i] <= static_cast<int>(marks_.starts(i)));
    }
  }

  const scenario scenario_;
  std::vector<std::atomic<int>> counts_;
  witness marks_;
  history told_{history::taker::one_process};
  std::shared_ptr<asked> seen_ = std::make_shared<asked>(told_);
  user_system host_;
  pool pool_;
  caf::actor sink_;
  caf::scoped_actor self_;
  bool died_at_start_ = false;
};

void enumerate(hook_action action) {
  const leak_guard guard;
  for (const auto point : testing::actor_worker_hooks()) {
    int deaths = 0;
    for (const std::uint32_t count : {1U, 3U}) {
      const auto place = std::string(point) + " count " + std::to_string(count);
      CAPTURE(place);
      deaths += play{{std::string(point), count, action}}.run();
    }
    if (action == hook_action::delay)
      CHECK_MESSAGE(deaths == 0, "somebody died at ", std::string(point));
    else
      CHECK_MESSAGE(deaths > 0, "nobody died at ", std::string(point));
  }
}

} // namespace

TEST_CASE("an actor worker killed at any step: one outcome a request, nothing twice") {
  enumerate(hook_action::kill);
}

TEST_CASE("an actor worker that crashes at any step: one outcome a request, nothing twice") {
  enumerate(hook_action::crash);
}

TEST_CASE("an actor worker that exits with 0 at any step is dead all the same") {
  enumerate(hook_action::exit);
}

TEST_CASE("an actor worker stopped at any step is found and replaced") {
  enumerate(hook_action::stop);
}

TEST_CASE("an actor worker that is late at any step loses nothing and is not killed") {
  enumerate(hook_action::delay);
}

TEST_CASE("a host of actors killed at any step leaves no process behind") {
  const leak_guard guard;
  double longest = 0;
  for (const auto point : testing::actor_host_hooks())
    for (const int count : {1, 3}) {
      CAPTURE(std::string(point));
      longest = std::max(longest, lose_host("hooked_actor_host", std::string(point), count));
    }
  MESSAGE("the last descendant was gone " << longest << " ms after its host");
}

#endif
