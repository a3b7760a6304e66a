#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace bulkhead::runtime {

/// Tells stderr what a callback has just thrown. Only within a catch block.
void report_callback_exception() noexcept;

/// The thread on which a pool runs user code: callbacks, resumed coroutines, events. Started when
/// it is first needed. What a callback throws is reported to stderr.
class callback_thread {
public:
  callback_thread() : state_(std::make_shared<state>()) {}
  callback_thread(const callback_thread&) = delete;
  callback_thread& operator=(const callback_thread&) = delete;
  ~callback_thread() { stop(); }

  /// Runs what is queued, then ends the thread. Waits for that, except on the thread itself, where
  /// it goes on alone. What is queued later runs on a thread of its own.
  void stop() noexcept;

  /// Starts the thread before there is anything to run. Throws std::system_error.
  void start();
  /// Throws std::system_error where the thread does not run and cannot be started; then `calls` are
  /// as they were.
  void run(std::list<std::function<void()>>&& calls);
  void run(std::function<void()> call);
  bool on_thread() const noexcept;

private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    std::list<std::function<void()>> queue;
    bool stop = false;
    bool running = false;
    bool alone = false; ///< nobody waits for the thread: it ended its own pool
    std::atomic<std::thread::id> id;
  };
  static void loop(const std::shared_ptr<state>& s);
  void start_locked();

  std::shared_ptr<state> state_;
  std::thread thread_; ///< guarded by the state's mutex
};

} // namespace bulkhead::runtime
