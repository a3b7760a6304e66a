#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace caf {
class resumable;
}

namespace bulkhead::actors {

/// The ready queue of an inline scheduler: a plain deque for the loop thread, a locked one with a
/// wake-up for everybody else. Each entry owns one reference of its resumable.
class ready_queue {
public:
  void adopt_thread() noexcept { owner_ = std::this_thread::get_id(); }
  bool in_loop() const noexcept { return std::this_thread::get_id() == owner_; }
  void on_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  void wake() {
    if (wake_)
      wake_();
  }

  void push(caf::resumable* job);
  /// Loop thread only; null where nothing is ready.
  caf::resumable* pop();
  /// Those that other threads have pushed since the last pop count as one.
  std::size_t size() const noexcept;

private:
  std::thread::id owner_ = std::this_thread::get_id();
  std::function<void()> wake_;
  std::deque<caf::resumable*> local_;
  std::mutex mutex_;
  std::deque<caf::resumable*> foreign_;
  std::atomic<bool> any_foreign_ = false; ///< written with the lock
};

} // namespace bulkhead::actors
