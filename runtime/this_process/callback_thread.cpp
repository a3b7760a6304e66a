#include "runtime/this_process/callback_thread.hpp"

#include "runtime/outcome/failure_wire.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/this_process/own_threads.hpp"

#include <cstdio>

// One thread that runs callbacks of the user, in order. Anybody adds, under the mutex; whatever is
// called runs without it. Its state is shared with the thread, so that a callback may destroy the
// last owner.
namespace bulkhead::runtime {

void report_callback_exception() noexcept { report_exception_in("a callback"); }

// Several threads may stop it at once, and it itself too: whoever takes the thread out ends it.
void callback_thread::stop() noexcept {
  std::unique_lock lock{state_->mutex};
  state_->stop = true;
  state_->changed.notify_all();
  auto ended = std::move(thread_);
  if (on_thread()) {
    state_->alone = true;
    state_->changed.notify_all();
    if (ended.joinable())
      ended.detach();
    return;
  }
  // `alone`: a callback has called stop() itself, and its thread ends later without anybody who
  // waits.
  state_->changed.wait(lock, [this] { return !state_->running || state_->alone; });
  lock.unlock();
  if (ended.joinable())
    ended.join();
}

void callback_thread::start() {
  const std::lock_guard lock{state_->mutex};
  if (!state_->running && !state_->stop)
    start_locked();
}

void callback_thread::start_locked() {
  if (thread_.joinable())
    thread_.join(); // it gave up the lock for the last time
  thread_ = masked_thread("bulkhead-cb", [s = state_] { loop(s); });
  state_->running = true;
  state_->alone = false;
}

void callback_thread::run(std::list<std::function<void()>>&& calls) {
  const std::lock_guard lock{state_->mutex};
  if (!state_->running)
    start_locked(); // it sees the queue once we give up the lock
  state_->queue.splice(state_->queue.end(), calls);
  state_->changed.notify_one();
}

void callback_thread::run(std::function<void()> call) {
  std::list<std::function<void()>> one;
  one.push_back(std::move(call));
  run(std::move(one));
}

// Relaxed: a thread finds its own value there or another one's, never its own by mistake.
bool callback_thread::on_thread() const noexcept {
  return state_->id.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

// It is the library's own: a host with callbacks may still fork its workers. What a callback holds
// locked meanwhile stays locked in the copy, as with any fork.
void callback_thread::loop(const std::shared_ptr<state>& s) {
  const own_thread registered;
  // Only this thread ever finds its own id here, so no order is needed.
  s->id.store(std::this_thread::get_id(), std::memory_order_relaxed);
  std::unique_lock lock{s->mutex};
  for (;;) {
    s->changed.wait(lock, [&] { return s->stop || !s->queue.empty(); });
    if (s->queue.empty()) {
      s->running = false;
      s->id.store({}, std::memory_order_relaxed);
      s->changed.notify_all();
      return;
    }
    auto f = std::move(s->queue.front());
    s->queue.pop_front();
    lock.unlock();
    try {
      f();
    } catch (...) {
      report_callback_exception();
    }
    // Destroyed without the lock, too: what it captured may call back.
    f = nullptr;
    lock.lock();
  }
}

} // namespace bulkhead::runtime
