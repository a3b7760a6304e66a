#pragma once

#include <bulkhead/detail/shared_object.hpp>
#include <bulkhead/mutex.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace bulkhead {

/// A condition variable in shared memory that travels; its waiters may be in any process. Waits
/// return early for no reason, too: wait in a loop, or with a predicate. A waiter that is killed
/// takes no notification away from the others: each notification wakes all of them, notify_one()
/// too. A notifier that is killed inside notify leaves nobody asleep for longer than a second.
/// Thread-safe.
class condition : public detail::shared_object {
public:
  condition();
  condition(detail::arrived_t arrived, detail::shared_segment segment);

  /// Releases the lock, sleeps, takes it again. After it look at previous_owner_died(). Throws
  /// what lock() throws.
  void wait(std::unique_lock<mutex>& lock) { sleep(lock, detail::time_point::max()); }
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate done) {
    while (!done())
      wait(lock);
  }

  /// At most so long. `no_timeout`: look again.
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock,
                          std::chrono::duration<Rep, Period> timeout) {
    return sleep(lock, detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  /// False: the time is over and the predicate still false.
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> timeout,
                Predicate done) {
    const auto deadline = detail::deadline_after(detail::to_nanoseconds(timeout));
    while (!done())
      if (sleep(lock, deadline) == std::cv_status::timeout)
        return done();
    return true;
  }

  void notify_one() const noexcept { notify_all(); }
  void notify_all() const noexcept;

private:
  std::cv_status sleep(std::unique_lock<mutex>& lock, detail::time_point deadline);
};

} // namespace bulkhead
