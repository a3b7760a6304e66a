#pragma once

#include <bulkhead/detail/completion_queue.hpp>
#include <bulkhead/detail/duration.hpp>
#include <bulkhead/detail/future_core.hpp>
#include <bulkhead/detail/task_sink.hpp>
#include <bulkhead/error.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

namespace bulkhead::detail {

/// Something that becomes ready once and can be waited for by many threads.
class event_latch {
public:
  // seq_cst: see future_base::attend.
  bool ready() const noexcept { return (state_.load() & ready_bit) != 0; }

  /// Makes it ready and wakes all. Idempotent. Returns true where somebody may have been asleep.
  bool set() noexcept;

  /// Sleeps until ready or the deadline. True when ready.
  bool wait_until(time_point deadline) noexcept;

private:
  static constexpr std::uint32_t ready_bit = 1;
  static constexpr std::uint32_t waiter_bit = 2;
  std::atomic<std::uint32_t> state_{0};
};

/// The untyped part of a future: what is shared by its copies and the pool. A million of them may
/// wait at once, so what few futures need is made when it is needed.
class future_base : public task_sink {
public:
  explicit future_base(std::shared_ptr<future_core> core) noexcept : core_(std::move(core)) {}
  ~future_base() override;

  bool ready() const noexcept { return latch_.ready(); }
  bool wait_until(time_point deadline);
  virtual bool cancel(bool kill_running);
  /// Some of it runs in a worker now.
  virtual bool running();
  /// 0 to 1; 1 once it is ready.
  virtual double progress();
  /// Ready, and not with a value.
  virtual bool failed() = 0;

  /// Runs `f` on the pool's callback thread once ready; at once in that thread's queue when it is.
  /// Throws std::system_error where that thread cannot start; then `f` never runs.
  void when_ready(std::function<void()> f);

  using watch_list = std::list<completion_watch>;
  /// Tells the queue `index` as soon as the future is ready: now, or once in the thread that takes
  /// the outcome. Until then `unwatch` takes it back.
  watch_list::iterator watch(std::shared_ptr<completion_queue> queue, std::size_t index);
  /// For each `watch` once, whether or not the queue was told.
  void unwatch(watch_list::iterator which) noexcept;

  /// The task's number in its pool; set before submit returns.
  std::uint64_t id() const noexcept { return id_; }
  void placed(void* where, std::uint64_t id) noexcept override {
    place = where;
    if (id_ != id) // told again where the task moves on, while others may read it
      id_ = id;
  }

  event_latch& latch() noexcept { return latch_; }

  /// Wakes the waiters and queues the callbacks; the outcome must be in place. Once.
  void finish() noexcept;

  const std::shared_ptr<future_core>& core() const noexcept { return core_; }

protected:
  /// Where the outcome is. After ready() whoever makes something of it holds it as `busy`.
  enum class stage : std::uint8_t {
    empty,   ///< not here, or decode() knows where
    encoded, ///< as bytes
    busy,    ///< one thread reads the bytes
    decoded, ///< as it is told
    taken,   ///< moved out
  };
  std::atomic<stage> stage_{stage::empty};
  std::atomic<bool> told_{false}; ///< that somebody asked for the outcome

private:
  struct attendants {
    std::mutex mutex; ///< guards the lists
    std::list<std::function<void()>> callbacks;
    watch_list watches; ///< those that were told have an empty index
  };
  attendants& attend();

  event_latch latch_;
  std::uint64_t id_ = 0;
  std::shared_ptr<future_core> core_;
  std::atomic<attendants*> attendants_{nullptr}; ///< owned; null: nobody asked to be told

public: // at the end, so that the small ones share a word
  /// Where the pool keeps the task; guarded by the pool's lock, null once it has its outcome.
  void* place = nullptr;
};

} // namespace bulkhead::detail
