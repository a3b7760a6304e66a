#pragma once

#include "runtime/ipc/robust_lock.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/testing/hooks.hpp"

#include <atomic>
#include <cstdint>

namespace bulkhead::runtime {

/// Those who wait for one kind of change. In shared memory.
struct waiting_line {
  std::atomic<std::uint32_t> turn;     ///< counts announcements; the futex word
  std::atomic<std::uint32_t> sleepers; ///< not 0: somebody may sleep. Written under the lock
};

/// The lock of one shared object and the protocol of all of them (docs/ipc.md): whoever holds it
/// may die at any point, so a change is made by one store (the commit), and whoever waits for it is
/// woken before the commit, while the lock is held. In shared memory.
class monitor {
public:
  /// In place, before any other process sees it. Throws std::system_error.
  void init() { lock_.init(robust_lock::kind::plain); }

  /// The lock for as long as it lives; not held where the deadline, and a moment, passed first.
  class guard {
  public:
    guard(monitor& of, detail::time_point deadline) noexcept : of_(of), held_(of.enter(deadline)) {}
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() {
      if (!held_)
        return;
      BULKHEAD_HOOK("ipc.unlocking");
      of_.lock_.unlock();
    }

    explicit operator bool() const noexcept { return held_; }

    /// Wakes all in the line: they look again as soon as the lock is free. Before the commit.
    void announce(waiting_line& line) noexcept {
      // relaxed: written under the lock, which orders it.
      if (line.sleepers.load(std::memory_order_relaxed) != 0)
        wake(line);
    }

    /// Sleeps without the lock until an announcement, at most until the deadline, and takes it
    /// again. False: the deadline has passed, and the lock is held or not. Returns early for no
    /// reason, too; callers look again.
    bool wait(waiting_line& line, detail::time_point deadline) noexcept {
      return wait(line, deadline, deadline);
    }
    /// The same with another deadline for taking the lock again.
    bool wait(waiting_line& line, detail::time_point deadline, detail::time_point to_lock) noexcept;

    /// The first half of wait(): the lock is not held afterwards. False: the deadline has passed,
    /// and it is held.
    bool sleep(waiting_line& line, detail::time_point deadline) noexcept;

    /// For one that sleeps by itself, without the lock: what `turn` of the line is now. It is
    /// another after the next announcement, which wakes those who sleep on it.
    std::uint32_t expect(waiting_line& line) noexcept {
      line.sleepers.store(1, std::memory_order_relaxed); // under the lock, as its readers
      return line.turn.load(std::memory_order_relaxed);  // written under the lock alone
    }

  private:
    static void wake(waiting_line& line) noexcept;

    monitor& of_;
    bool held_;
  };

private:
  bool enter(detail::time_point deadline) noexcept {
    if (!holds(lock_within(deadline)))
      return false;
    BULKHEAD_HOOK("ipc.locked");
    return true;
  }
  // The lock is held for a moment only: who finds it taken looks again before it goes to sleep.
  robust_lock::got lock_within(detail::time_point deadline) noexcept {
    for (int look = 0; look < looks; ++look) {
      const auto result = lock_.try_lock();
      if (result != robust_lock::got::timed_out)
        return result;
      for (int i = 0; i < 4 << look; ++i)
        cpu_pause();
    }
    return lock_.lock(patient(deadline));
  }
  // A dead holder's change is committed or was never made: there is nothing to repair.
  bool holds(robust_lock::got result) noexcept {
    if (result == robust_lock::got::owner_died)
      lock_.make_consistent();
    return result == robust_lock::got::locked || result == robust_lock::got::owner_died;
  }
  static detail::time_point patient(detail::time_point deadline) noexcept {
    return deadline == detail::time_point::max() ? deadline : a_moment_at_least(deadline);
  }
  static detail::time_point a_moment_at_least(detail::time_point deadline) noexcept;

  static constexpr int looks = 5; ///< some microseconds in all

  robust_lock lock_;
};

} // namespace bulkhead::runtime
