#include "runtime/system/futex.hpp"

#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/detail/future_core.hpp>

#include <new>

// The state behind a future. The thread that takes the answer finishes it, under the pool's lock;
// users' threads wait and register. A callback is run once, whether it came before the end or
// after: see attend().
namespace bulkhead::detail {

time_point deadline_after(std::chrono::nanoseconds timeout) noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (timeout.count() <= 0)
    return now;
  return timeout >= time_point::max() - now ? time_point::max() : now + timeout;
}

bool event_latch::set() noexcept {
  // What the latch announces was written before; seq_cst: see future_base::attend.
  const auto before = state_.fetch_or(ready_bit);
  if ((before & waiter_bit) == 0)
    return false;
  runtime::futex_wake_all(state_, false);
  return true;
}

// acq_rel: what was written before set() is seen; set() sees the waiter, or the waiter the ready
// bit.
bool event_latch::wait_until(time_point deadline) noexcept {
  for (;;) {
    const auto seen = state_.fetch_or(waiter_bit, std::memory_order_acq_rel) | waiter_bit;
    if ((seen & ready_bit) != 0)
      return true;
    if (deadline != time_point::max() && std::chrono::steady_clock::now() >= deadline)
      return false;
    runtime::futex_wait(state_, seen, false, deadline);
  }
}

bool future_base::wait_until(time_point deadline) {
  return ready() || core_->wait(latch_, deadline);
}

bool future_base::cancel(bool kill_running) {
  return !ready() && core_->cancel(*this, kill_running);
}

void expect_room(std::size_t results, std::size_t room) {
  if (results > room)
    throw config_error("there are " + std::to_string(results) + " results and room for "
                       + std::to_string(room) + "; bring a span of at least as many elements");
}

bool future_base::running() { return !ready() && core_->running(*this).has_value(); }

double future_base::progress() { return ready() ? 1 : core_->running(*this).value_or(0); }

future_base::~future_base() {
  delete attendants_.load(
    std::memory_order_acquire); // whoever made them let go of the state before
}

// Who registers makes its place seen and then looks whether the future is ready; who finishes makes
// it ready and then looks for such a place. Both seq_cst: one of them sees the other. Where the
// registrar finds it ready it does the telling itself, else finish() waits for the mutex and tells.
future_base::attendants& future_base::attend() {
  auto* there = attendants_.load();
  if (there == nullptr) {
    auto made = std::make_unique<attendants>();
    if (attendants_.compare_exchange_strong(there, made.get()))
      there = made.release();
  }
  return *there;
}

void future_base::when_ready(std::function<void()> f) {
  core_->expect_callbacks();
  std::list<std::function<void()>> one; // made here: finish() only moves it on
  one.push_back(std::move(f));
  auto& there = attend();
  {
    const std::lock_guard lock{there.mutex};
    if (!ready()) {
      there.callbacks.splice(there.callbacks.end(), one);
      return;
    }
  }
  core_->call_back(std::move(one.front()));
}

future_base::watch_list::iterator future_base::watch(std::shared_ptr<completion_queue> queue,
                                                     std::size_t index) {
  if (!ready())
    core_->require_own_process(); // nobody would ever tell
  watch_list one;
  one.push_back({std::move(queue), {index}});
  const auto made = one.begin();
  auto& there = attend();
  const std::lock_guard lock{there.mutex};
  const bool told = ready();
  there.watches.splice(there.watches.end(), one);
  if (told)
    made->queue->push(std::move(made->index));
  return made;
}

void future_base::unwatch(watch_list::iterator which) noexcept {
  if (!core_->is_of_own_process())
    return; // whoever held the lock when the copy was made is not here
  watch_list gone;
  auto& there = *attendants_.load(); // watch() made it
  const std::lock_guard lock{there.mutex};
  gone.splice(gone.end(), there.watches, which);
}

void future_base::finish() noexcept {
  latch_.set();
  auto* there = attendants_.load(); // after the latch: see attend()
  if (there == nullptr)
    return;
  std::list<std::function<void()>> callbacks;
  {
    const std::lock_guard lock{there->mutex};
    callbacks.swap(there->callbacks);
    for (auto& w : there->watches)
      if (!w.index.empty())
        w.queue->push(std::move(w.index));
  }
  // Without the mutex, and on the callback thread: user code must not run in the one that takes
  // answers.
  if (!callbacks.empty())
    core_->call_back_locked(std::move(callbacks));
}

} // namespace bulkhead::detail
