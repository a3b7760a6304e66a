#include "runtime/pool/worker_pool.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/timespec.hpp"
#include "runtime/this_process/own_process.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>

namespace bulkhead::runtime {

// Leader and followers: one waiting thread, the leader, takes the answers itself, so that a round
// trip is two context switches. While there is one, the runtime thread keeps out; the other waiters
// sleep on what they wait for. A leader that leaves gives the duty back to the runtime thread.

bool worker_pool::wait(detail::event_latch& latch, time_point deadline) {
  if (latch.ready())
    return true;
  own_process::require();
  lock_type lock{mutex_};
  if (leader_ || slots_.empty() || reactor_->on_thread()) {
    lock.unlock();
    return latch.wait_until(deadline);
  }
  return lead(
    lock, [&] { return latch.ready(); }, &latch, deadline);
}

// Leads for as long as it lives: a thread that is cancelled in its wait hands the duty over, too.
class worker_pool::leadership {
public:
  leadership(worker_pool& pool, lock_type& lock, const detail::event_latch* target)
    : pool_(pool), lock_(lock) {
    pool_.begin_lead();
    pool_.leader_target_ = target;
  }
  ~leadership() {
    if (!lock_.owns_lock())
      lock_.lock();
    pool_.leader_asleep_ = false;
    pool_.leader_target_ = nullptr;
    pool_.end_lead(lock_);
  }
  leadership(const leadership&) = delete;
  leadership& operator=(const leadership&) = delete;

private:
  worker_pool& pool_;
  lock_type& lock_;
};

bool worker_pool::lead(lock_type& lock, const std::function<bool()>& done,
                       const detail::event_latch* target, time_point deadline) {
  if (leader_) { // a follower: woken when something has changed
    while (!done()) {
      if (deadline == time_point::max())
        changed_.wait(lock);
      else if (changed_.wait_until(lock, deadline) == std::cv_status::timeout)
        break;
    }
    return done();
  }
  const leadership duty{*this, lock, target};
  while (!done()) {
    const bool more = drain_all();
    if (done() || (deadline != time_point::max() && clock::now() >= deadline))
      break;
    if (more)
      continue;
    spin_unlocked(lock, target);
    retired_.clear(); // nobody looks at their words now
    const bool again = drain_all();
    if (!again && !done())
      sleep_unlocked(lock, deadline);
  }
  return done();
}

void worker_pool::begin_lead() {
  leader_ = true;
  for (const auto& s : slots_)
    s->link.disarm();
}

void worker_pool::end_lead(lock_type& lock) {
  leader_ = false;
  retired_.clear();
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i]->busy() || !slots_[i]->ready)
      arm(*slots_[i]);
  changed_.notify_all(); // a follower may lead now
  if (watch_off_) {
    watch_off_ = false;
    lock.unlock();
    reactor_->change(watch_, EPOLLIN);
    lock.lock();
  }
}

void worker_pool::spin_unlocked(lock_type& lock, const detail::event_latch* target) {
  if (leader_version_ != slots_version_) {
    leader_channels_.clear();
    try {
      for (const auto& s : slots_)
        leader_channels_.push_back(&s->link);
    } catch (const std::bad_alloc&) {
      return; // it sleeps at once
    }
    leader_version_ = slots_version_;
  }
  lock.unlock();
  leader_spin_.spin([&] {
    for (const auto* link : leader_channels_)
      if (link->has_answers())
        return true;
    return target != nullptr && target->ready();
  });
  lock.lock();
}

void worker_pool::sleep_unlocked(lock_type& lock, time_point deadline) {
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (!slots_[i]->lost && !slots_[i]->link.arm())
      return; // an answer came first
  if (!watch_off_) {
    watch_off_ = true;
    reactor_->change(watch_, 0);
  }
  const bool forever = deadline == time_point::max();
  const auto limit = time_left(deadline);
  leader_asleep_ = true;
  lock.unlock();
  std::array<epoll_event, 8> ready{};
  ::epoll_pwait2(events_.get(), ready.data(), static_cast<int>(ready.size()),
                 forever ? nullptr : &limit, nullptr);
  lock.lock();
  leader_asleep_ = false;
  clear_events();
  for (const auto& s : slots_)
    s->link.disarm();
}

void worker_pool::clear_events() noexcept {
  std::array<epoll_event, 16> ready{};
  const int count = ::epoll_wait(events_.get(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < count; ++i)
    hush(ready[static_cast<std::size_t>(i)].data.fd);
}

void worker_pool::wake_leader() noexcept {
  if (leader_asleep_ && (leader_target_ == nullptr || leader_target_->ready()))
    kick();
}

void worker_pool::kick() noexcept { ring(kick_.get()); }

void worker_pool::wake_room_waiters() {
  changed_.notify_all();
  if (leader_asleep_)
    kick();
}

} // namespace bulkhead::runtime
