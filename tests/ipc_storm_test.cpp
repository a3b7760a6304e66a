// ctest-label: fault
// ctest-timeout: 180
// Processes that are killed at random while they use a mutex, a semaphore, a condition or a
// barrier; of queues it is in ipc_kill_test. BULKHEAD_TEST_ROUNDS multiplies the kills.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/ipc.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

int rounds() {
  constexpr int usual = 20;
  const char* given = std::getenv("BULKHEAD_TEST_ROUNDS");
  return given == nullptr ? usual : usual * std::atoi(given);
}

/// Starts the function in a process, and kills it at a random moment after it has begun.
class killer {
public:
  template <class F, class... Args>
  void start_and_kill(F f, const Args&... args) {
    shared_value<int> begun(0);
    process victim(f, begun, args...);
    victim.start();
    while (begun.load() == 0)
      std::this_thread::yield();
    const auto until =
      std::chrono::steady_clock::now() + std::chrono::microseconds(random_() % 2000);
    while (std::chrono::steady_clock::now() < until)
      std::this_thread::yield();
    victim.kill();
    victim.join();
  }

private:
  std::minstd_rand random_{4711};
};

/// Two numbers that are equal whenever the mutex is free and its last holder lived.
struct pair_of {
  mutex lock;
  shared_array<int> numbers{2};
};

void change(pair_of& p) {
  const std::scoped_lock held{p.lock};
  if (p.lock.previous_owner_died()) {
    p.numbers[1] = p.numbers[0];
    p.lock.mark_consistent();
  }
  ++p.numbers[0];
  ++p.numbers[1];
}

void change_for_ever(shared_value<int> begun, mutex lock, shared_array<int> numbers) {
  pair_of p{lock, numbers};
  begun.store(1);
  for (;;)
    change(p);
}

void take_and_give_for_ever(shared_value<int> begun, semaphore s) {
  begun.store(1);
  for (;;) {
    s.acquire();
    s.release();
  }
}

void wait_for_ever(shared_value<int> begun, mutex lock, condition told) {
  begun.store(1);
  for (;;) {
    std::unique_lock held{lock};
    if (lock.previous_owner_died())
      lock.mark_consistent();
    told.wait_for(held, 100us);
    told.notify_all();
  }
}

void meet_for_ever(shared_value<int> begun, barrier b) {
  begun.store(1);
  try {
    for (;;)
      b.wait();
  } catch (const broken_barrier&) { // the host has given the round up
  }
}

} // namespace

TEST_CASE("a mutex outlives its holders, and what it guards can be repaired") {
  const tests::leak_guard guard;
  pair_of p;
  killer kills;
  int repaired = 0;
  for (int i = 0; i < rounds(); ++i) {
    kills.start_and_kill(change_for_ever, p.lock, p.numbers);
    REQUIRE(p.lock.try_lock_for(long_enough));
    if (p.lock.previous_owner_died()) {
      ++repaired;
      p.numbers[1] = p.numbers[0];
      p.lock.mark_consistent();
    }
    CHECK(p.numbers[0] == p.numbers[1]);
    p.lock.unlock();
  }
  MESSAGE(rounds() << " kills, " << repaired << " of them of a holder");
}

TEST_CASE("a semaphore keeps its places but those of its dead holders") {
  const tests::leak_guard guard;
  semaphore s(2);
  killer kills;
  int held = 0;
  for (int i = 0; i < rounds(); ++i) {
    kills.start_and_kill(take_and_give_for_ever, s);
    const auto there = s.value();
    CHECK(there >= 1);
    CHECK(there <= 2);
    if (there == 1) { // it died between its acquire and its release
      ++held;
      s.release();
    }
    CHECK(s.try_acquire_for(long_enough));
    CHECK(s.try_acquire_for(long_enough));
    CHECK(!s.try_acquire());
    s.release(2);
  }
  MESSAGE(rounds() << " kills, " << held << " of them of a holder");
}

TEST_CASE("a condition wakes those who live") {
  const tests::leak_guard guard;
  mutex lock;
  condition told;
  killer kills;
  for (int i = 0; i < rounds(); ++i) {
    kills.start_and_kill(wait_for_ever, lock, told);
    bool ready = false;
    std::jthread teller{[&] {
      const std::scoped_lock held{lock};
      if (lock.previous_owner_died())
        lock.mark_consistent();
      ready = true;
      told.notify_one();
    }};
    std::unique_lock held{lock};
    if (lock.previous_owner_died())
      lock.mark_consistent();
    CHECK(told.wait_for(held, long_enough, [&] { return ready; }));
  }
}

TEST_CASE("a barrier breaks by the death of a party that waits, and is whole after a reset") {
  const tests::leak_guard guard;
  barrier b(2);
  killer kills;
  int broken = 0;
  for (int i = 0; i < rounds(); ++i) {
    std::jthread partner{[&](const std::stop_token& end) {
      try {
        while (!end.stop_requested())
          b.wait(long_enough);
      } catch (const broken_barrier&) {
      }
    }};
    kills.start_and_kill(meet_for_ever, b);
    // Whoever arrives while the dead one sits on its seat hears of its death; who arrives where
    // it was between two rounds waits for a second party: so it breaks by the abort.
    partner.request_stop();
    broken += b.broken() ? 1 : 0;
    b.abort();
    partner.join();
    b.reset();
    std::jthread second{[&] { CHECK(b.wait(long_enough) <= 1); }};
    CHECK(b.wait(long_enough) <= 1);
  }
  MESSAGE(rounds() << " kills, " << broken << " of them broke the barrier at once");
}
