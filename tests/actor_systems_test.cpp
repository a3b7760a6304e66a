// ctest-label: fault
// ctest-timeout: 180
// Systems and pools made and ended one after the other. 1000 of them; BULKHEAD_TEST_SYSTEMS in the
// environment is another number.
#include "tests/support/asking_actor.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/task.hpp>

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include <cstdlib>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

caf::behavior same(caf::event_based_actor* self) {
  return {
    [](std::int32_t x) { return x; },
    [self](caf::flush_atom) { return self->make_response_promise(); }, // never answers
  };
}

std::int32_t same_task(std::int32_t x) { return x; }
BULKHEAD_TASK("same_task", same_task)

int rounds_wanted() {
  const auto* text = std::getenv("BULKHEAD_TEST_SYSTEMS");
  return text != nullptr ? std::atoi(text) : 1000;
}

pool_options one() {
  pool_options o;
  o.workers = 1;
  o.actor_workers = 1;
  return o;
}

template <class... Ts>
void ask(caf::actor_system& system, const caf::actor& whom, Ts... question) {
  caf::scoped_actor self{system};
  std::int32_t answer = 0;
  self->request(whom, 20s, question..., std::int32_t{7})
    .receive([&](std::int32_t x) { answer = x; },
             [&](const caf::error& e) { FAIL_CHECK(system.render(e)); });
  CHECK(answer == 7);
}

/// Leaves a request open for ever.
void leave_waiting(caf::actor_system& system, const caf::actor& whom) {
  system.spawn([whom](caf::event_based_actor* self) {
    self->request(whom, caf::infinite, caf::flush_atom_v).then([](std::int32_t) {});
  });
}

void private_system(bool handle_first) {
  auto p = std::make_unique<pool>(one());
  auto a = p->spawn(same);
  ask(a->home_system(), a);
  ask(a->home_system(), p->actor(), std::string{"same_task"});
  if (handle_first)
    a = nullptr;
  p = nullptr;
}

void pool_first() {
  user_system host;
  pool p{*host.system, one()};
  auto a = p.spawn(same);
  ask(*host.system, a);
  leave_waiting(*host.system, a);
}

void system_first() {
  auto host = std::make_unique<user_system>();
  pool p{*host->system, one()};
  auto a = p.spawn(same);
  ask(*host->system, a);
  ask(*host->system, p.actor(), std::string{"same_task"});
  host = nullptr;
}

void instances() {
  user_system host;
  auto a = spawn_pool(*host.system, one(), same);
  ask(*host.system, a);
}

} // namespace

TEST_CASE("systems and pools come and go in any order, and nothing of them is left") {
  const leak_guard guard;
  std::size_t descriptors = 0;
  std::size_t rss = 0;
  const int rounds = rounds_wanted();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) {
    switch (i % 5) {
    case 0:
      private_system(true);
      break;
    case 1:
      pool_first();
      break;
    case 2:
      private_system(false);
      break;
    case 3:
      system_first();
      break;
    default:
      instances();
    }
    if (i == 19) {
      descriptors = own_descriptors();
      rss = own_rss_bytes();
    }
  }
  if (rounds > 20) {
    CHECK(own_descriptors() <= descriptors + 8);
    // 16 KiB a system would be a leak that a service feels.
    CHECK(own_rss_bytes()
          <= rss + (std::size_t{8} << 20) + static_cast<std::size_t>(rounds) * 4096);
  }
  MESSAGE(rounds << " systems in "
                 << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()
                 << " s");
}
