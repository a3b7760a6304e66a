#include "runtime/callback_thread.hpp"

#include "runtime/failure_wire.hpp"

#include <pthread.h>
#include <signal.h>

#include <cstdio>

namespace bulkhead::runtime {

namespace {

/// The thread must not receive the host's signals.
std::thread start_masked(const std::function<void()>& f) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread t;
  try {
    t = std::thread(f);
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(t.native_handle(), "bulkhead-cb");
  return t;
}

} // namespace

void callback_thread::stop() noexcept {
  {
    std::lock_guard lock{state_->mutex};
    state_->stop = true;
    state_->changed.notify_all();
  }
  if (!thread_.joinable())
    return;
  if (on_thread())
    thread_.detach();
  else
    thread_.join();
}

void callback_thread::start() {
  const std::lock_guard lock{state_->mutex};
  if (!state_->running && !state_->stop)
    start_locked();
}

void callback_thread::start_locked() {
  if (thread_.joinable())
    thread_.join(); // it gave up the lock for the last time
  thread_ = start_masked([s = state_] { loop(s); });
  state_->running = true;
}

void callback_thread::run(std::list<std::function<void()>>&& calls) {
  const std::lock_guard lock{state_->mutex};
  if (!state_->running)
    start_locked(); // it sees the queue once we give up the lock
  state_->queue.splice(state_->queue.end(), calls);
  state_->changed.notify_one();
}

bool callback_thread::on_thread() const noexcept {
  return thread_.get_id() == std::this_thread::get_id();
}

void callback_thread::loop(const std::shared_ptr<state>& s) {
  std::unique_lock lock{s->mutex};
  for (;;) {
    s->changed.wait(lock, [&] { return s->stop || !s->queue.empty(); });
    if (s->queue.empty()) {
      s->running = false;
      return;
    }
    auto f = std::move(s->queue.front());
    s->queue.pop_front();
    lock.unlock();
    try {
      f();
    } catch (...) {
      const auto what = describe_current_exception();
      std::fprintf(stderr, "bulkhead: a callback threw %s: %s\n", what.type.c_str(),
                   what.message.c_str());
    }
    f = nullptr;
    lock.lock();
  }
}

} // namespace bulkhead::runtime
