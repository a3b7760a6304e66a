#include "runtime/workers/workforce.hpp"

#include "runtime/outcome/failure_of.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/proc_stat.hpp"

#include <signal.h>

#include <algorithm>
#include <exception>
#include <new>
#include <random>
#include <utility>

// How many workers there are: which are missing, who launches them, and how they are admitted. How
// they end is in deaths.cpp.
namespace bulkhead::runtime {

workforce::workforce(pool_state& pool, outcomes& ends, task_queue& queue, attempts& again,
                     dispatcher& sender, answers& heard, leadership& leads, news& told)
  : pool_(pool), ends_(ends), queue_(queue), attempts_(again), sender_(sender), answers_(heard),
    leadership_(leads), news_(told), launcher_(pool, told.lines()),
    launches_(std::make_unique<callback_thread>()), random_(std::random_device{}()) {}

void workforce::start() {
  {
    const pool_guard lock{pool_.mutex};
    oom_kills_ = oom_kills();
    pool_.ticks.need(pool_.size.next_look(pool_.staff.target(), clock::now()));
  }
  // The copy is made before any worker starts, since all of them are forked from it.
  if (pool_.options.start == start_method::fork)
    launcher_.copy_host();
  start_missing();
}

// Several threads may launch at once: what one of them has begun is no longer missing for another.
void workforce::start_missing() {
  pool_guard lock{pool_.mutex};
  while (!pool_.ended() && pool_.staff.begin_missing()) {
    lock.unlock();
    start_worker();
    lock.lock();
  }
}

// After staffing has begun a launch.
void workforce::start_worker() {
  slot_ptr slot;
  try {
    std::uint64_t id = 0;
    {
      const pool_guard lock{pool_.mutex};
      id = next_worker_++;
    }
    slot = launcher_.launch(
      id, pool_.while_alive([this](const slot_ptr& s, const child_exit& e) { on_exit(s, e); }));
  } catch (...) {
    const pool_guard lock{pool_.mutex};
    pool_.staff.refused();
    throw;
  }
  try {
    admit(slot);
  } catch (...) { // it serves nobody
    const pool_guard lock{pool_.mutex};
    // One that is listed was counted as launched, and its death will be counted.
    if (!pool_.is_listed(*slot))
      pool_.staff.refused();
    slot->advance(worker_phase::gone); // nobody waits to hear of its end
    if (slot->process)
      slot->process->kill(SIGKILL);
    else
      slot->link.request_stop();
    throw;
  }
}

void workforce::admit(const slot_ptr& slot) {
  pool_turn turn{pool_, answers_};
  // The memory for the lists comes first, so that listing and counting cannot fail half way.
  pool_.slots.reserve(pool_.slots.size() + 1);
  leadership_.expect_workers(pool_.slots.size() + 1);
  watch_bell(pool_.waiting.events.get(), slot->link.event_fd());
  slot->link.set_watched(pool_.onlooker != nullptr);
  pool_.slots.push_back(slot);
  pool_.staff.launched();
  ++pool_.slots_version;
  news_.tell(event_kind::started, *slot, {}, "started");
  if (pool_.terminated)
    sender_.kill(*slot, exit_cause::shutdown);
  else if (pool_.serving() > pool_.staff.target()) // the pool shrank or ended while it started
    slot->drain(pool_.staff.target() == 0 ? exit_cause::shutdown : exit_cause::recycled);
  if (!pool_.waiting.led && answers_.arm(*slot) == answers::armed::no)
    pool_.waiting.kick();
  pool_.ticks.need(slot->watch.next_look());
  sender_.pump();
  pool_.waiting.wake_all(); // a broadcast may wait for it; a leader is to look at it
  // on_exit() came while the worker was in no list, and left its news in the slot.
  const auto early = std::exchange(slot->early_exit, std::nullopt);
  turn.unlock();
  if (early)
    on_exit(slot, *early);
  turn.lock();
}

void workforce::keep_size() noexcept {
  if (pool_.ended() || (pool_.closed && pool_.tasks.at_rest()))
    return;
  for (auto missing = pool_.staff.missing(); missing > 0; --missing)
    want_worker(std::chrono::nanoseconds{0});
}

void workforce::want_worker(std::chrono::nanoseconds after) noexcept try {
  if (after.count() == 0) {
    // Posted, because the caller holds the lock and a launch takes its time.
    pool_.runtime_thread->post(pool_.while_alive([this] { launch_due(); }));
    pool_.staff.want_now(); // under our lock, which launch_due needs
    return;
  }
  pool_.runtime_thread->at(clock::now() + after, pool_.while_alive([this] {
    {
      const pool_guard lock{pool_.mutex};
      pool_.staff.fall_due();
    }
    launch_due();
  }));
  pool_.staff.want_later();
} catch (const std::bad_alloc&) {
  pool_.staff.owe();
  pool_.waiting.kick();
}

void workforce::pay_debts() noexcept {
  const auto owed = pool_.staff.pay();
  for (auto left = pool_.ended() ? 0 : owed; left > 0; --left)
    want_worker(std::chrono::nanoseconds{0});
}

// The runtime thread serves all pools of the process, and a forkserver that hangs lets a launch
// wait for seconds: launches have a thread of their own.
void workforce::launch_due() {
  {
    const pool_guard lock{pool_.mutex};
    if (pool_.staff.due() == 0 || pool_.terminated)
      return;
  }
  try {
    launches_->run(pool_.while_alive([this] { start_due(); }));
  } catch (const std::exception&) { // no thread for it: better late than never
    start_due();
  }
}

void workforce::start_due() {
  pool_guard lock{pool_.mutex};
  // At most as many as were due at the beginning: a refusal makes the next one due, and must not
  // keep this thread for ever.
  for (auto turns = pool_.staff.due(); turns > 0 && pool_.staff.due() > 0; --turns) {
    if (!pool_.staff.begin_due())
      continue;
    if (pool_.ended()) {
      pool_.staff.refused();
      continue;
    }
    lock.unlock();
    try {
      start_worker();
    } catch (const std::exception& e) {
      start_refused(e.what());
    }
    lock.lock();
  }
}

restart_intensity::verdict workforce::count_death(bool was_ready) noexcept try {
  return pool_.intensity.on_death(clock::now(), was_ready,
                                  std::uniform_real_distribution<>{}(random_));
} catch (const std::bad_alloc&) { // no memory to count it
  return {false, pool_.options.restart.backoff_max};
}

void workforce::start_refused(const char* why) noexcept {
  const pool_guard lock{pool_.mutex};
  const auto verdict = count_death(false);
  if (verdict.give_up)
    break_pool(refused_failure(why));
  else
    want_worker(verdict.wait);
}

failure workforce::refused_failure(const char* why) const noexcept try {
  return failure_of(failure_kind::pool_broken,
                    "pool '" + pool_.options.name + "' cannot start workers: " + why);
} catch (const std::bad_alloc&) {
  return failure_of(failure_kind::pool_broken, "the pool cannot start workers");
}

void workforce::break_pool(failure why) noexcept {
  if (pool_.ended())
    return;
  pool_.broken = std::move(why);
  news_.tell_broken(pool_.broken->message);
  queue_.fail_everything(*pool_.broken);
  pool_.waiting.wake_all(); // who waits for a worker waits in vain
}

void workforce::resize(std::size_t workers) {
  pool_.staff.set_target(workers);
  // A worker that an earlier resize made superfluous and that still runs its last task may stay.
  for (const auto& s : pool_.slots)
    if (pool_.serving() < workers && !sender_.is_used_up(*s))
      s->take_back();
  auto surplus = pool_.serving() - std::min(pool_.serving(), workers);
  // Idle workers go first, and the youngest of them: those that run would have to be waited for.
  for (const bool idle_only : {true, false})
    for (auto s = pool_.slots.rbegin(); s != pool_.slots.rend() && surplus > 0; ++s) {
      if (!(*s)->serves() || (idle_only && (*s)->busy()))
        continue;
      (*s)->drain(exit_cause::recycled);
      (*s)->surplus = true;
      --surplus;
    }
  sender_.stop_idle_workers();
}

void workforce::grow() noexcept {
  if (!pool_.size.is_elastic() || pool_.closed || pool_.ended())
    return;
  const auto target = pool_.staff.target();
  const auto wanted = pool_.size.on_load(target, pool_.tasks.waiting() + pool_.tasks.sent());
  if (wanted > target) {
    for (const auto& s : pool_.slots)
      if (pool_.serving() < wanted)
        s->take_back();
    pool_.staff.set_target(wanted);
    keep_size();
    sender_.pump(); // to those that stay after all
  }
  pool_.ticks.need(pool_.size.next_look(wanted, clock::now()));
}

void workforce::shrink(time_point now) {
  if (!pool_.size.is_elastic() || pool_.closed || pool_.ended())
    return;
  const auto target = pool_.staff.target();
  const auto wanted = pool_.size.on_look(target, pool_.tasks.waiting() + pool_.tasks.sent(), now);
  if (wanted < target)
    resize(wanted);
  pool_.ticks.need(pool_.size.next_look(wanted, now));
}

void workforce::let_all_go() {
  pool_.staff.set_target(0);
  for (const auto& s : pool_.slots)
    s->drain(exit_cause::shutdown);
  sender_.stop_idle_workers();
}

void workforce::kill_all() noexcept {
  pool_.staff.set_target(0);
  for (const auto& s : pool_.slots) {
    sender_.kill(*s, exit_cause::shutdown);
    if (!s->process && s->busy()) // a thread ends after its task
      sender_.recall(*s, s->link.flown().next());
  }
  pool_.waiting.changed.notify_all();
  pool_.waiting.kick();
}

bool workforce::wait_until_gone(pool_guard& lock, time_point deadline) {
  const auto gone = [this]() {
    pool_is_locked();
    return pool_.slots.empty() && pool_.tasks.sent() == 0;
  };
  if (pool_.runtime_thread->on_thread()) // cannot wait for itself; a death is delivered here later
    return gone();
  auto& changed = pool_.waiting.changed;
  while (!gone()) {
    if (deadline == time_point::max())
      changed.wait(lock.for_wait());
    else if (changed.wait_until(lock.for_wait(), deadline) == std::cv_status::timeout)
      break;
  }
  return gone();
}

// They cannot die, or are threads in a long task.
void workforce::give_up_all() {
  while (!pool_.slots.empty() && !pool_.runtime_thread->on_thread()) {
    const auto slot = pool_.slots.back();
    abandon(*slot);
    remove(slot);
  }
}

} // namespace bulkhead::runtime
