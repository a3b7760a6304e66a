#include <bulkhead/barrier.hpp>

#include "runtime/ipc/counters.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <atomic>
#include <new>
#include <string>

// A barrier that breaks when one of its waiters dies. See "Each object" in docs/ipc.md; every
// change is one store under the monitor's lock, and each waiter holds the lock of its seat while it
// waits.
namespace bulkhead {

using runtime::monitor;
using runtime::robust_lock;
using runtime::waiting_line;

namespace {

constexpr std::chrono::milliseconds look_for_dead{50};

enum class seat_end : std::uint32_t { open, passed, broken };

/// Where one party waits. It holds `alive` meanwhile, so that the others see it die.
struct seat {
  robust_lock alive;
  std::uint64_t round; ///< in which it is taken; 0: never was
  seat_end end;        ///< how that round ended; read once the round is over
};

// All of it is read and written under `access`; the commit is the store to `round`, `broken`, or a
// seat's `round`.
struct barrier_words {
  detail::shared_kind kind;
  monitor access;
  waiting_line waiters;
  std::uint64_t parties; ///< never changes
  std::uint64_t round;   ///< from 1
  std::uint64_t broken;
  seat seats[1]; ///< 2 * parties: who leaves a round may still sit where the next begins
};

std::size_t bytes_for(std::size_t parties) {
  if (parties == 0 || parties > barrier::most_parties)
    throw config_error("barrier: " + std::to_string(parties) + " parties; from 1 to "
                       + std::to_string(barrier::most_parties) + " work");
  return sizeof(barrier_words) + 2 * parties * sizeof(seat);
}

/// The calling party's way through one round; with the monitor's lock held.
class round_of {
public:
  explicit round_of(barrier_words& words) : words_(words), round_(words.round) {}

  /// Those who wait in this round.
  std::size_t count() const {
    return static_cast<std::size_t>(
      std::count_if(begin(), end(), [&](const seat& s) { return s.round == round_; }));
  }

  /// Sits down where nobody sits. Never null: there are twice as many seats as parties.
  seat* take_seat() {
    for (auto* s = begin(); s != end(); ++s) {
      // The seat's lock is taken first, then its round is stored: a death in between leaves a seat
      // of no round, which anybody takes.
      if (s->round == round_ || !sit(*s))
        continue;
      s->end = seat_end::open;
      BULKHEAD_HOOK("ipc.barrier_seated");
      s->round = round_;
      return s;
    }
    return nullptr;
  }

  /// Whether one who waits in this round is dead.
  bool has_dead() {
    return std::any_of(begin(), end(), [&](seat& s) { return s.round == round_ && is_dead(s); });
  }

  bool is_over() const noexcept { return words_.round != round_; }

  /// Ends the round for all who sit in it. The caller has announced it.
  void close(seat_end how) {
    for (auto* s = begin(); s != end(); ++s)
      if (s->round == round_)
        s->end = how;
    BULKHEAD_HOOK("ipc.committing");
    // The one store: whoever dies before it leaves the round as it was, with ends that nobody reads
    // yet.
    words_.round = round_ + 1;
    BULKHEAD_HOOK("ipc.committed");
  }

private:
  seat* begin() const noexcept { return words_.seats; }
  seat* end() const noexcept { return words_.seats + 2 * words_.parties; }

  static bool sit(seat& s) {
    const auto got = s.alive.try_lock();
    if (got == robust_lock::got::owner_died)
      s.alive.make_consistent();
    return got == robust_lock::got::owner_died || got == robust_lock::got::locked;
  }

  // A seat of this round that can be had is nobody's any more.
  static bool is_dead(seat& s) {
    if (!sit(s))
      return false;
    s.alive.unlock();
    return true;
  }

  barrier_words& words_;
  std::uint64_t round_;
};

[[noreturn]] void say_broken() {
  throw broken_barrier(
    "the barrier is broken: it was aborted or reset, one who waited died, or the "
    "time of one was over; reset() makes it whole");
}

void break_it(barrier_words& w, monitor::guard& held) {
  held.announce(w.waiters);
  BULKHEAD_HOOK("ipc.committing");
  w.broken = 1;
}

detail::time_point next_look(detail::time_point deadline) {
  return std::min(deadline, std::chrono::steady_clock::now() + look_for_dead);
}

/// Sits until the round is over or the barrier breaks. False: it broke.
bool sit_out(barrier_words& w, round_of& round, monitor::guard& held, detail::time_point deadline) {
  while (!round.is_over()) {
    if (w.broken != 0)
      return false;
    const bool late =
      deadline != detail::time_point::max() && std::chrono::steady_clock::now() >= deadline;
    if (late || round.has_dead()) {
      break_it(w, held);
      return false;
    }
    held.wait(w.waiters, next_look(deadline), detail::time_point::max());
    runtime::require_held(held);
  }
  return true;
}

} // namespace

barrier::barrier(std::size_t parties)
  : shared_object(detail::shared_kind::barrier, "bulkhead-barrier", bytes_for(parties)) {
  auto& w = words<barrier_words>();
  w.access.init();
  w.parties = parties;
  w.round = 1;
  for (std::size_t i = 0; i < 2 * parties; ++i)
    w.seats[i].alive.init(robust_lock::kind::plain);
}

barrier::barrier(detail::arrived_t arrived, detail::shared_segment segment)
  : shared_object(arrived, detail::shared_kind::barrier, std::move(segment)) {
  if (this->segment().size() < bytes_for(parties()))
    throw codec_error("the shared memory that came is too small for its barrier");
}

std::size_t barrier::arrive(detail::time_point deadline) {
  auto& w = words<barrier_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  round_of round{w};
  if (w.broken == 0 && round.has_dead())
    break_it(w, held);
  if (w.broken != 0)
    say_broken();
  const auto before = round.count();
  if (before + 1 == w.parties) {
    held.announce(w.waiters);
    round.close(seat_end::passed);
    return before;
  }
  auto* mine = round.take_seat();
  if (mine == nullptr)
    throw config_error("barrier: more parties wait at it than it was made for, "
                       + std::to_string(w.parties));
  const bool whole = sit_out(w, round, held, deadline);
  const bool passed = whole && mine->end == seat_end::passed;
  if (!whole)
    mine->round = 0; // it no longer waits
  // Last, and under the monitor's lock: until then the others must not take it for a dead one's.
  mine->alive.unlock();
  if (!passed)
    say_broken();
  return before;
}

void barrier::abort() {
  auto& w = words<barrier_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  break_it(w, held);
}

void barrier::reset() {
  auto& w = words<barrier_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  held.announce(w.waiters);
  round_of{w}.close(seat_end::broken);
  w.broken = 0;
}

std::size_t barrier::parties() const noexcept {
  return static_cast<std::size_t>(words<barrier_words>().parties);
}

std::size_t barrier::waiting() const {
  auto& w = words<barrier_words>();
  const monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  return round_of{w}.count();
}

bool barrier::broken() const {
  auto& w = words<barrier_words>();
  const monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  return w.broken != 0;
}

} // namespace bulkhead
