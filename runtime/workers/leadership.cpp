#include "runtime/workers/leadership.hpp"

#include "runtime/system/bell.hpp"
#include "runtime/system/timespec.hpp"

#include <sys/epoll.h>

#include <array>
#include <new>
#include <utility>

// Who listens to the workers. A thread that waits leads, where nobody does, and drains the rings
// itself; else the runtime thread serves. Bells and arming belong to whoever holds the epoll watch,
// and `waiting.led`, under the pool's lock, says who that is.
namespace bulkhead::runtime {

leadership::leadership(pool_state& pool, answers& heard)
  : pool_(pool), answers_(heard), spinner_(longest_spin(pool.parallelism)) {}

void leadership::start() {
  const auto watch = pool_.runtime_thread->watch(
    pool_.waiting.events.get(), EPOLLIN, pool_.while_alive([this](std::uint32_t) { serve(); }));
  const pool_guard lock{pool_.mutex};
  watch_ = watch;
}

void leadership::stop() noexcept {
  pool_guard lock{pool_.mutex};
  const auto watch = std::exchange(watch_, 0);
  lock.unlock();
  if (watch != 0)
    pool_.runtime_thread->unwatch(watch);
  lock.lock();
}

// The runtime thread's turn, when a worker or the bell has rung.
void leadership::serve() {
  const pool_guard lock{pool_.mutex};
  // A leader's rings are not ours to clear; it gives the watch back when it leaves. One that left
  // may have turned it on again just now.
  if (pool_.waiting.led) {
    watch_off_ = true;
    pool_.runtime_thread->change(watch_, 0);
    return;
  }
  hush_all();
  disarm_all(); // a worker rings once for each time that it was armed
  retired_.clear();
  if (answers_.drain_all())
    pool_.waiting.kick(); // other pools have a turn, then the kick brings us back
  else
    answers_.arm_all();
}

void leadership::keep_runtime_thread_out() noexcept {
  if (!std::exchange(watch_off_, true))
    pool_.runtime_thread->change(watch_, 0);
}

// Leads for as long as it lives: a thread that is cancelled in its wait hands the duty over, too.
class BULKHEAD_SCOPED_CAPABILITY leadership::duty {
public:
  duty(leadership& self, pool_guard& lock, const detail::event_latch* target)
    : self_(self), lock_(lock) {
    begin(target);
  }
  ~duty() { end(); }
  duty(const duty&) = delete;
  duty& operator=(const duty&) = delete;

private:
  void begin(const detail::event_latch* target) BULKHEAD_UNCHECKED {
    auto& waiting = self_.pool_.waiting;
    waiting.led = true;
    waiting.target = target;
    // A leader that looks by itself needs no bell; each ring would cost its worker a system call.
    self_.disarm_all();
  }
  void end() BULKHEAD_UNCHECKED {
    if (!lock_.owns()) // cancelled while it slept
      lock_.lock();
    auto& waiting = self_.pool_.waiting;
    waiting.leader_sleeps = false;
    waiting.target = nullptr;
    waiting.led = false;
    self_.retired_.clear();
    // Before the watch goes back: what came since the last look rings, or is taken here.
    self_.answers_.arm_busy();
    waiting.changed.notify_all(); // a follower may lead now
    if (!std::exchange(self_.watch_off_, false))
      return;
    const auto watch = self_.watch_;
    lock_.unlock();
    // Without the lock: the runtime thread may wait for it in serve().
    self_.pool_.runtime_thread->change(watch, EPOLLIN);
    lock_.lock();
  }

  leadership& self_;
  pool_guard& lock_;
};

bool leadership::lead(pool_guard& lock, const std::function<bool()>& done,
                      const detail::event_latch* target, time_point deadline) {
  if (pool_.waiting.led)
    return follow(lock, done, deadline);
  const duty leads{*this, lock, target};
  while (!done()) {
    // The order is look, spin, look, sleep. arm() looks once more after the flag is set, so nothing
    // that came in between is slept over (docs/wire_format.md, "Sleep").
    const bool more = answers_.drain_all();
    if (done() || (deadline != time_point::max() && clock::now() >= deadline))
      break;
    if (more)
      continue;
    spin(lock, target);
    retired_.clear(); // nobody looks at their words now
    if (!answers_.drain_all() && !done())
      sleep(lock, deadline);
  }
  return done();
}

// Woken when something has changed.
bool leadership::follow(pool_guard& lock, const std::function<bool()>& done, time_point deadline) {
  auto& changed = pool_.waiting.changed;
  while (!done()) {
    if (deadline == time_point::max())
      changed.wait(lock.for_wait());
    else if (changed.wait_until(lock.for_wait(), deadline) == std::cv_status::timeout)
      break;
  }
  return done();
}

// False: there is no memory for the list.
bool leadership::look_at_all() noexcept try {
  if (looked_version_ == pool_.slots_version)
    return true;
  // Spinning goes on without the lock, where the list of workers may change: it looks at a list of
  // its own, and outlive_leader() keeps those alive that end meanwhile.
  looked_at_.clear();
  looked_at_.reserve(pool_.slots.size());
  for (const auto& s : pool_.slots)
    looked_at_.push_back(&s->link);
  looked_version_ = pool_.slots_version;
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

void leadership::spin(pool_guard& lock, const detail::event_latch* target) {
  if (!look_at_all())
    return; // it sleeps at once
  lock.unlock();
  spinner_.spin([&] {
    for (const auto* link : looked_at_)
      if (link->has_answers())
        return true;
    return target != nullptr && target->ready();
  });
  lock.lock();
}

void leadership::sleep(pool_guard& lock, time_point deadline) {
  for (const auto& s : pool_.slots)
    if (!s->gone() && !s->link.arm())
      return; // an answer came first
  pool_.some_unarmed = false;
  // Two sleepers on one epoll set would both be woken for each bell.
  keep_runtime_thread_out();
  const bool forever = deadline == time_point::max();
  const auto limit = time_left(deadline);
  pool_.waiting.leader_sleeps = true;
  lock.unlock();
  std::array<epoll_event, 8> ready{};
  ::epoll_pwait2(pool_.waiting.events.get(), ready.data(), static_cast<int>(ready.size()),
                 forever ? nullptr : &limit, nullptr);
  lock.lock();
  pool_.waiting.leader_sleeps = false;
  hush_all();
  disarm_all();
}

void leadership::disarm_all() noexcept {
  for (const auto& s : pool_.slots)
    s->link.disarm();
}

void leadership::hush_all() noexcept {
  std::array<epoll_event, 16> ready{};
  const int count =
    ::epoll_wait(pool_.waiting.events.get(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < count; ++i)
    hush(ready[static_cast<std::size_t>(i)].data.fd);
}

void leadership::outlive_leader(const slot_ptr& slot) noexcept {
  if (pool_.waiting.led && !pool_.waiting.leader_sleeps)
    retired_.push_back(slot); // expect_workers made room
}

void leadership::forget_retired() noexcept {
  if (!pool_.waiting.led)
    retired_.clear();
}

void pool_turn::settle() noexcept {
  if (!lock_.owns())
    return;
  pool_is_locked();
  if (!pool_.some_unarmed || pool_.waiting.led)
    return;
  try {
    answers_.arm_busy();
  } catch (const std::bad_alloc&) { // the timer looks again
    pool_.ticks.retry_soon();
  }
}

} // namespace bulkhead::runtime
