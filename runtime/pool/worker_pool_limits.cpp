#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/worker_pool.hpp"
#include "runtime/system/proc_stat.hpp"

#include <signal.h>

#include <algorithm>
#include <new>
#include <utility>

namespace bulkhead::runtime {

namespace {
/// The host itself was suspended or starved when a timer comes this late; then nobody is blamed.
constexpr std::chrono::milliseconds own_lag{500};
constexpr std::chrono::milliseconds memory_interval{20};
constexpr std::chrono::milliseconds shortest_patience{1};
} // namespace

void worker_pool::need_tick(time_point at) noexcept try {
  if (at >= timer_at_ || over_)
    return;
  const auto sooner = reactor_->at(at, [weak = weak_from_this(), number = tick_number_ + 1] {
    if (auto self = std::static_pointer_cast<worker_pool>(weak.lock()))
      self->tick(number);
  });
  ++tick_number_; // under our lock, which the timer needs
  if (timer_ != 0)
    reactor_->retract(timer_); // it may be waiting for our lock: tick() then sees the newer number
  timer_ = sooner;
  timer_at_ = at;
} catch (const std::bad_alloc&) {
  owed_tick_ = std::min(owed_tick_, at);
  kick();
}

void worker_pool::pay_debts() noexcept {
  if (owed_tick_ != time_point::max())
    need_tick(std::exchange(owed_tick_, time_point::max()));
  for (auto owed = std::exchange(owed_workers_, 0); owed > 0 && !over_; --owed)
    want_worker(std::chrono::nanoseconds{0});
}

void worker_pool::plan_ticks(worker_slot& slot) {
  auto& flown = slot.link.flown();
  if (flown.empty())
    return;
  const auto* front = flown.front().work;
  if (front != nullptr && slot.ready && slot.front_since == time_point{}) {
    const auto limit = limit_of(*front);
    const auto soft = soft_limit_of(*front);
    if (limit.count() != 0 || soft.count() != 0) {
      slot.front_since = clock::now();
      const auto nearest = limit.count() == 0  ? soft
                           : soft.count() == 0 ? limit
                                               : std::min(limit, soft);
      need_tick(slot.front_since + nearest);
    }
  }
  if (slot.beat_since == time_point{}) {
    slot.beat_since = clock::now();
    slot.seen_beat = slot.link.worker_words().beat.load(std::memory_order_relaxed);
    need_tick(slot.beat_since + options_.unresponsive_after / 4);
    if (options_.max_memory_per_worker != 0)
      need_tick(slot.beat_since + memory_interval);
  }
}

// How many items wait in this worker's ring for something that takes long: a running task, or the
// worker's own start.
std::size_t worker_pool::may_move_on(const worker_slot& slot) noexcept {
  if (slot.lost || !slot.busy())
    return 0;
  const auto& flown = slot.link.flown();
  if (!slot.ready)
    return flown.may_publish() ? flown.items_behind() + 1 : 0;
  return flown.items_behind();
}

void worker_pool::plan_for_idle() {
  // Work lies behind a running task while somebody has nothing to do: look again soon.
  if (!backlog_.empty() || slots_.size() < 2)
    return;
  bool idle = false;
  bool behind = false;
  for (const auto& s : slots_) {
    idle |= s->serves() && s->ready && !s->busy();
    behind |= may_move_on(*s) != 0;
  }
  if (idle && behind && timer_at_ > clock::now() + shortest_patience)
    need_tick(clock::now() + shortest_patience);
}

void worker_pool::tick(std::uint64_t number) {
  lock_type lock{mutex_};
  if (number != tick_number_)
    return; // an earlier one has taken its place
  const auto now = clock::now();
  const auto lag = now - timer_at_;
  timer_ = 0;
  timer_at_ = time_point::max();
  if (lag > options_.unresponsive_after / 4)
    for (const auto& s : slots_)
      if (s->beat_since != time_point{})
        s->beat_since = now;
  if (lag > own_lag)
    for (const auto& s : slots_) {
      if (s->front_since != time_point{})
        s->front_since += lag;
      if (s->kill_at != time_point::max())
        s->kill_at += lag;
    }
  try {
    check_all(now);
  } catch (const std::bad_alloc&) { // a check that cannot act changes nothing
    need_tick(now + look_again_after);
  }
  pump();
}

void worker_pool::check_all(time_point now) {
  release_delayed(now);
  expire_deadlines(now);
  if (!leader_)
    drain_all();
  const auto slots = slots_; // checks may remove some
  for (const auto& s : slots)
    check_slot(*s, now);
}

void worker_pool::check_slot(worker_slot& slot, time_point now) {
  check_worker(slot, now);
  if (slot.lost || !slot.busy()) {
    slot.beat_since = {};
    return;
  }
  check_task(slot, now);
  check_stuck(slot, now);
  if (slot.process)
    check_heartbeat(slot, now);
}

void worker_pool::check_worker(worker_slot& slot, time_point now) {
  if (slot.killed_at != time_point::max()) {
    if (now < slot.killed_at + options_.grace + std::chrono::seconds{1}) {
      need_tick(slot.killed_at + options_.grace + std::chrono::seconds{1});
      return;
    }
    const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const auto& s) { return s.get() == &slot; });
    const auto keep = *found; // uninterruptible in the kernel: the tasks get their outcome now
    abandon(keep);
    remove_slot(keep);
    replace(*keep, {0, SIGKILL, keep->asked}, true);
    return;
  }
  if (slot.kill_at != time_point::max())
    check_grace(slot, now);
  const auto age = options_.max_age_per_worker;
  if (age.count() != 0 && slot.serves()) {
    if (now - slot.born >= age)
      retire(slot);
    else
      need_tick(slot.born + age);
  }
  if (options_.max_memory_per_worker != 0 && slot.process && !slot.lost)
    check_memory(slot, now);
}

void worker_pool::retire(worker_slot& slot) {
  slot.draining = true;
  slot.leaving = exit_cause::recycled;
}

// What it had before its initializer ran (preloaded, a copy of the host's) is not its doing. Its
// word counts as far as its memory of now bears it out.
void worker_pool::note_inherited(worker_slot& slot, std::uint64_t bytes) noexcept {
  if (options_.max_memory_per_worker != 0 && slot.process)
    slot.inherited_bytes = std::min<std::uint64_t>(bytes, resident_bytes(slot.process->pid()));
}

// Between items the worker looks itself, and starts nothing more once it has grown too large. So
// what is found too large while it runs has become so in this task.
void worker_pool::check_memory(worker_slot& slot, time_point now) {
  if (slot.busy())
    need_tick(now + memory_interval);
  if (resident_bytes(slot.process->pid()) <= slot.inherited_bytes + options_.max_memory_per_worker)
    return;
  const auto claim = slot.link.worker_words().claim.load(std::memory_order_acquire);
  if (slot.busy() && position_of(claim) == slot.link.flown().next())
    strike(slot, exit_cause::memory_limit);
  else if (slot.serves())
    retire(slot);
}

void worker_pool::check_grace(worker_slot& slot, time_point now) {
  if (now < slot.kill_at)
    return need_tick(slot.kill_at);
  if (slot.stopping)
    return kill(slot, slot.leaving);
  slot.kill_at = time_point::max();
  const auto* running = slot.busy() ? slot.link.flown().front().work : nullptr;
  const bool guilty = running != nullptr && running->kill_wanted;
  if (guilty && !slot.process)
    time_out(slot);
  else if (!guilty || !strike(slot, exit_cause::killed))
    slot.cancelled_task = false; // it came back or ended; whoever runs here now is innocent
}

void worker_pool::check_task(worker_slot& slot, time_point now) {
  auto& flown = slot.link.flown();
  auto* u = flown.front().work;
  if (u == nullptr || slot.front_since == time_point{})
    return;
  const auto claim = slot.link.worker_words().claim.load(std::memory_order_acquire);
  const bool runs = position_of(claim) == flown.next() && phase_of(claim) != claim_phase::none;
  if (!runs) { // the limit counts from the claim
    slot.front_since = now;
    need_tick(now + std::max<std::chrono::nanoseconds>(shortest_patience, limit_of(*u) / 16));
    return;
  }
  const auto soft = soft_limit_of(*u);
  if (soft.count() != 0 && !u->kill_wanted) {
    if (now - slot.front_since >= soft) {
      u->kill_wanted = true; // asked politely; after the grace its worker is killed
      slot.asked_by_limit = true;
      slot.link.request_task_stop(flown.next());
      slot.soft_kill_at = now + options_.grace;
      slot.soft_position = flown.next();
      need_tick(slot.soft_kill_at);
    } else
      need_tick(slot.front_since + soft);
  }
  if (u->kill_wanted && slot.asked_by_limit && slot.soft_position == flown.next()) {
    if (now >= slot.soft_kill_at)
      return time_out(slot);
    need_tick(slot.soft_kill_at);
  }
  const auto limit = limit_of(*u);
  if (limit.count() == 0)
    return;
  if (now - slot.front_since >= limit)
    time_out(slot);
  else
    need_tick(slot.front_since + limit);
}

// Kills the worker for its running task and for no other: what lies behind it is taken back first,
// so it cannot start before the signal arrives. False: the task has just ended by itself.
bool worker_pool::strike(worker_slot& slot, exit_cause why) {
  auto& flown = slot.link.flown();
  const auto doomed = flown.next();
  recall(slot, flown.after(doomed));
  const auto claim = slot.link.worker_words().claim.load(std::memory_order_seq_cst);
  if (position_of(claim) != doomed) {
    drain_slot(slot);
    return false;
  }
  kill(slot, why);
  return true;
}

void worker_pool::time_out(worker_slot& slot) {
  if (slot.process) {
    strike(slot, exit_cause::timed_out);
    return;
  }
  auto& flown = slot.link.flown();
  if (slot.asked == exit_cause::none)
    slot.asked = exit_cause::timed_out;
  slot.draining = true;
  const auto frame_end = make_position(sequence_of(flown.next()), item_of(flown.next()) + 1);
  if (frame_end < make_position(flown.sent(), 0))
    recall(slot, std::max(frame_end, flown.next()));
  const auto found =
    std::find_if(slots_.begin(), slots_.end(), [&](const auto& s) { return s.get() == &slot; });
  const auto keep = *found;
  abandon(keep);
  remove_slot(keep);
  replace(*keep, {0, 0, exit_cause::timed_out}, true);
}

// Work lies behind a running task, or in a worker that still starts, and somebody has nothing to
// do: it is taken back. At once where it is known to be much; the mean may be that of quick tasks
// long gone, so a running task is given a short patience only, however much it says is little.
void worker_pool::check_stuck(worker_slot& slot, time_point now) {
  auto& flown = slot.link.flown();
  const auto front = flown.next();
  const bool moved = front != slot.seen_front;
  if (moved) {
    slot.seen_front = front;
    slot.seen_since = now;
  }
  const auto waiting = may_move_on(slot);
  const bool others_wait =
    backlog_.empty() && std::any_of(slots_.begin(), slots_.end(), [&](const auto& s) {
      return s.get() != &slot && s->serves() && s->ready && !s->busy();
    });
  if (waiting == 0 || !others_wait)
    return;
  if (!slot.ready)
    return recall(slot, front);
  const auto known = slot.frames.mean() * static_cast<std::int64_t>(waiting);
  const auto patience = std::clamp<std::chrono::nanoseconds>(
    10 * slot.frames.mean(), shortest_patience, 10 * window::horizon);
  if ((!moved && known > window::horizon) || now - slot.seen_since >= patience)
    recall(slot, flown.after(front));
  else
    need_tick(std::min(now + shortest_patience, slot.seen_since + patience));
}

void worker_pool::check_heartbeat(worker_slot& slot, time_point now) {
  const auto beat = slot.link.worker_words().beat.load(std::memory_order_relaxed);
  // Before its first beat a process is being loaded, which may take any time.
  const bool loads = beat == 0 && !slot.ready;
  if (loads || beat != slot.seen_beat || slot.beat_since == time_point{}) {
    slot.seen_beat = beat;
    slot.beat_since = now;
  }
  if (now - slot.beat_since >= options_.unresponsive_after)
    kill(slot, exit_cause::unresponsive);
  else
    need_tick(std::min(now + options_.unresponsive_after / 4,
                       slot.beat_since + options_.unresponsive_after));
}

void worker_pool::release_delayed(time_point now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now)
    enqueue(std::move(delayed_.extract(delayed_.begin()).mapped()), false);
  if (!delayed_.empty())
    need_tick(delayed_.begin()->first);
}

void worker_pool::expire_deadlines(time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto& u = *deadlines_.begin()->second;
    fail_all(take_queued(u), failure_of(failure_kind::timeout,
                                        "the deadline had passed before the task could start"));
  }
  if (!deadlines_.empty())
    need_tick(deadlines_.begin()->first);
  if (sent_deadline_ <= now)
    expire_sent(now);
  else if (sent_deadline_ != time_point::max())
    need_tick(sent_deadline_);
}

void worker_pool::expire_sent(time_point now) {
  sent_deadline_ = time_point::max();
  for (const auto& s : slots_)
    if (!s->lost)
      expire_sent(*s, now);
  if (sent_deadline_ != time_point::max())
    need_tick(sent_deadline_);
}

// Takes back what lies in a ring and has not started before its deadline: it must not wait there
// for a task that runs for ever. What lies behind it comes back as well and is sent anew.
void worker_pool::expire_sent(worker_slot& slot, time_point now) {
  auto& flown = slot.link.flown();
  const auto due = [&](const unit& u) { return u.deadline <= now && !u.expired; };
  const auto first = flown.find_work(due);
  flown.for_each_work([&](unit& u) {
    if (due(u))
      u.expired = true; // give_back() ends what comes back; what runs is its own limit's business
    else if (!u.expired)
      sent_deadline_ = std::min(sent_deadline_, u.deadline);
  });
  if (first != no_position)
    recall(slot, std::max(first, flown.next()));
}

} // namespace bulkhead::runtime
