#pragma once

#include "runtime/system/spin.hpp"

#include <atomic>
#include <thread>

namespace bulkhead::actors {

/// One thread at a time reads a link: the runtime thread, or one that waits for an answer. All
/// operations are seq_cst: who comes in vain leaves its note first and then finds the turn taken;
/// the reader gives the turn back first and then looks for the note. One of them sees the other.
class reader_turn {
public:
  /// False: another reads; its leave() tells it that somebody came.
  bool try_enter_or_note() noexcept {
    noted_.store(true);
    if (!try_enter())
      return false;
    noted_.store(false);
    return true;
  }
  bool try_enter() noexcept { return !taken_.exchange(true); }
  /// For one that waits for an answer: takes the turn over from a reader that only looks on. A
  /// reader that has just delivered may have lost its core to the one it woke, so a busy one is let
  /// run first; one that sleeps waits for an answer itself.
  bool try_take_over() noexcept {
    if (try_enter())
      return true;
    if (sleeps())
      return false;
    wanted_.store(true);
    bool taken = false;
    for (int yields = 0; !taken && yields < 4; ++yields) {
      if (!looks_on_.load())
        std::this_thread::yield();
      for (int i = 0; !(taken = try_enter()) && looks_on_.load() && i < 200; ++i)
        runtime::cpu_pause();
    }
    wanted_.store(false);
    return taken;
  }
  /// While true, the reader has nothing to do and ends as soon as the turn is wanted().
  void look_on(bool on) noexcept { looks_on_.store(on); }
  bool wanted() const noexcept { return wanted_.load(); }

  /// Waits for a reader, whom `wake` rouses where it is in sleep().
  template <class Wake>
  void enter(Wake&& wake) noexcept {
    claimed_.store(true);
    if (!try_enter()) {
      if (sleeps())
        wake();
      while (!try_enter())
        taken_.wait(true);
    }
    claimed_.store(false);
  }
  /// True while somebody is in enter(): a reader that waits for more must leave.
  bool claimed() const noexcept { return claimed_.load(); }
  /// For the reader: somebody came in vain, and what he came for is to be done now.
  bool take_note() noexcept { return noted_.load() && noted_.exchange(false); }
  /// The reader sleeps in `wait`, unless it has been called for before; who calls it from now on
  /// sees sleeps(). True where it was called, else what `wait` returned.
  template <class Wait>
  bool sleep(Wait&& wait) noexcept {
    sleeps_.store(true);
    const bool come = claimed_.load() || noted_.load() || wait();
    sleeps_.store(false);
    return come;
  }
  bool sleeps() const noexcept { return sleeps_.load(); }
  /// True: somebody came in vain meanwhile, for what the caller may not have seen.
  bool leave() noexcept {
    taken_.store(false);
    taken_.notify_all();
    return noted_.exchange(false);
  }

private:
  std::atomic<bool> taken_ = false;
  std::atomic<bool> noted_ = false;
  std::atomic<bool> looks_on_ = false;
  std::atomic<bool> wanted_ = false;
  std::atomic<bool> claimed_ = false;
  std::atomic<bool> sleeps_ = false;
};

} // namespace bulkhead::actors
