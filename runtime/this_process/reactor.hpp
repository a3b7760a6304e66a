#pragma once

#include "runtime/system/unique_fd.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

struct epoll_event;

namespace bulkhead::runtime {

/// The runtime thread: one thread, all signals blocked, that waits for descriptors and timers.
/// It exists while somebody holds it; without events it sleeps without any wake-up. All calls are
/// thread-safe. Handlers run on the runtime thread; they must not block. What one throws
/// all the same is told on stderr and ends nothing else.
class reactor {
public:
  using clock = std::chrono::steady_clock;
  using handler = std::function<void(std::uint32_t events)>;

  /// The process's reactor, started if nobody holds one. The last holder joins the thread when it
  /// lets go; released on the runtime thread, the thread ends by itself after the current handler.
  /// Throws std::system_error, and config_error in a forked copy.
  static std::shared_ptr<reactor> acquire();

  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// Level-triggered. `fd` is borrowed and must stay open until unwatch. Throws std::system_error.
  std::uint64_t watch(int fd, std::uint32_t epoll_events, handler run);
  /// One epoll_ctl; unknown watches are ignored.
  void change(std::uint64_t watch, std::uint32_t epoll_events) noexcept;
  /// Afterwards the handler does not run any more: waits for a running one, unless called on the
  /// runtime thread. The handler is destroyed in the calling thread or later on the runtime thread.
  void unwatch(std::uint64_t watch) noexcept;

  /// Runs `run` once at or after `when`.
  std::uint64_t at(clock::time_point when, std::function<void()> run);
  /// The same guarantee as unwatch; a timer that ran is ignored.
  void cancel(std::uint64_t timer) noexcept;
  /// As cancel, but does not wait: a timer that runs at this moment goes on.
  void retract(std::uint64_t timer) noexcept;

  /// Runs `run` soon.
  void post(std::function<void()> run);

  bool on_thread() const noexcept;

private:
  struct watched {
    int fd;
    handler run;
  };
  using timer_key = std::pair<clock::time_point, std::uint64_t>;

  reactor();
  ~reactor() = default; // the thread has ended, or this is a forked copy
  static void release(reactor* self) noexcept;
  static void* thread_main(void* self);
  void start_thread();
  void loop();
  void wake() noexcept;
  bool sleep_until_next(epoll_event* events, int capacity, int& count);
  void dispatch(std::uint64_t id, std::uint32_t events);
  void run_due();
  void run_posted();
  void run_as(std::uint64_t id, std::unique_lock<std::mutex>& lock,
              const std::function<void()>& run);
  void wait_until_idle(std::uint64_t id, std::unique_lock<std::mutex>& lock) noexcept;
  std::function<void()> remove_timer(std::uint64_t timer) noexcept;

  std::uint64_t owner_;
  unique_fd epoll_;
  unique_fd wake_;
  pthread_t thread_{};
  std::atomic<pthread_t> self_{}; ///< set by the thread itself; only it can find itself equal
  std::mutex mutex_;
  std::condition_variable ran_;
  std::unordered_map<std::uint64_t, std::shared_ptr<watched>> watches_;
  std::map<timer_key, std::function<void()>> timers_;
  std::unordered_map<std::uint64_t, clock::time_point> timer_times_;
  std::vector<std::function<void()>> posted_;
  std::uint64_t next_id_ = 1;
  std::uint64_t running_ = 0;                                 ///< watch or timer whose handler runs
  clock::time_point sleeps_until_ = clock::time_point::min(); ///< min: awake
  bool stop_ = false;
  bool deletes_itself_ = false;
};

} // namespace bulkhead::runtime
