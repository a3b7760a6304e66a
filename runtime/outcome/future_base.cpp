#include "runtime/system/futex.hpp"

#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/detail/future_core.hpp>

#include <new>

// The state behind a future. The thread that takes the answer finishes it, under the pool's lock;
// users' threads wait and register. `callbacks_mutex_` makes ready and the lists change together: a
// callback is run once, whether it came before the end or after.
namespace bulkhead::detail {

time_point deadline_after(std::chrono::nanoseconds timeout) noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (timeout.count() <= 0)
    return now;
  return timeout >= time_point::max() - now ? time_point::max() : now + timeout;
}

bool event_latch::set() noexcept {
  // release: what the latch announces was written before; acq_rel to read the waiter bit.
  const auto before = state_.fetch_or(ready_bit, std::memory_order_acq_rel);
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

void future_base::when_ready(std::function<void()> f) {
  core_->expect_callbacks();
  std::list<std::function<void()>> one; // made here: finish() only moves it on
  one.push_back(std::move(f));
  {
    std::lock_guard lock{callbacks_mutex_};
    if (!ready()) {
      callbacks_.splice(callbacks_.end(), one);
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
  const std::lock_guard lock{callbacks_mutex_};
  watches_.splice(watches_.end(), one);
  if (ready())
    made->queue->push(std::move(made->index));
  return made;
}

void future_base::unwatch(watch_list::iterator which) noexcept {
  if (!core_->is_of_own_process())
    return; // whoever held the lock when the copy was made is not here
  watch_list gone;
  const std::lock_guard lock{callbacks_mutex_};
  gone.splice(gone.end(), watches_, which);
}

void future_base::finish() noexcept {
  std::list<std::function<void()>> callbacks;
  {
    std::lock_guard lock{callbacks_mutex_};
    // Under the mutex: who registers later finds it ready and calls back by itself.
    latch_.set();
    callbacks.swap(callbacks_);
    for (auto& w : watches_)
      w.queue->push(std::move(w.index));
  }
  // Without the mutex, and on the callback thread: user code must not run in the one that takes
  // answers.
  if (!callbacks.empty())
    core_->call_back_locked(std::move(callbacks));
}

void future_base::on_value(std::uint64_t, std::span<const std::byte> result) noexcept {
  try {
    bytes_.append(result.data(), result.size());
  } catch (const std::bad_alloc&) {
    on_failure(0, undecodable_result());
    return;
  }
  finish();
}

void future_base::on_large_value(std::uint64_t, buffer&& result) noexcept {
  bytes_ = std::move(result);
  finish();
}

void future_base::on_failure(std::uint64_t, failure&& f) noexcept {
  failure_ = keep(std::move(f));
  finish();
}

} // namespace bulkhead::detail
