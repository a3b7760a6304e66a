#include "runtime/crash/crash_words.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/process/exit_classifier.hpp"
#include "runtime/system/proc_stat.hpp"
#include "runtime/testing/hooks.hpp"
#include "runtime/workers/workforce.hpp"

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

// A worker's end: what becomes of its tasks, and who replaces it.
namespace bulkhead::runtime {

namespace {

/// Without its text where there is no memory for it.
child_exit copy_if_possible(const child_exit& exit) noexcept try {
  return exit;
} catch (const std::bad_alloc&) {
  child_exit bare;
  bare.known = exit.known;
  bare.code = exit.code;
  bare.signal = exit.signal;
  bare.core = exit.core;
  bare.started = exit.started;
  bare.sandboxed = exit.sandboxed;
  bare.usage = exit.usage;
  return bare;
}

} // namespace

// A worker has ended: its pidfd said so, so all its stores are visible and its record is final.
// Order matters: take what it answered, read its claim, decide, move the rest on, start the
// replacement; only then spend time on the crash report and tell the casualty's owner. A death is
// told once, so nothing here may fail: what needs memory is news, which does without.
void workforce::on_exit(const slot_ptr& slot, const child_exit& exit) noexcept {
  examine(slot, exit);
  pool_turn turn{pool_, answers_};
  if (!pool_.is_listed(*slot)) {
    if (!slot->gone()) // an abandoned one was dealt with
      slot->early_exit = copy_if_possible(exit);
    return;
  }
  BULKHEAD_HOOK("host.death_seen");
  answers_.drain_unpublished(*slot);
  const auto status = classify_exit(exit, cause_of(*slot, exit), slot->ready);
  slot->advance(worker_phase::gone);
  const bool hit = bury(*slot);
  BULKHEAD_HOOK("host.buried");
  const bool task_explains = hit || (slot->asked != exit_cause::none && !slot->failed_to_start())
                             || (slot->ready && slot->flew_at_death);
  if (!exit.start_error.empty())
    slot->unfit = copy_if_possible(exit).start_error;
  remove(slot);
  replace(*slot, status, task_explains);
  sender_.pump();
  turn.unlock();
  launch_due();
  const auto f = news_.death_failure(*slot, status); // slow: symbols of the backtrace
  turn.lock();
  while (auto* u = casualty_of(*slot))
    end_casualty(ending_.remove(*u), *slot, f);
  sender_.pump();
  pool_.waiting.changed.notify_all();
  pool_.waiting.wake_leader();
}

// What takes its time to find out, without the lock: whether memory had run out, and the symbols of
// a crash before the worker was ready, which no task's failure will tell.
void workforce::examine(const slot_ptr& slot, const child_exit& exit) noexcept try {
  if (exit.signal == 0 && exit.code == 0)
    return;
  pool_guard lock{pool_.mutex};
  if (!pool_.is_listed(*slot)) // whoever launches it may be at its parts
    return;
  const bool hung = slot->asked == exit_cause::start_failed;
  if (!slot->process || slot->gone() || (slot->asked != exit_cause::none && !hung))
    return;
  while (answers_.drain(*slot)) {
  }
  const bool in_start = !slot->ready;
  lock.unlock();
  const auto kills = exit.signal == SIGKILL ? oom_kills() : 0;
  crash_report crash;
  if (in_start)
    crash = read_crash(slot->link.worker_words().recorder);
  if (in_start)
    crash.log += slot->output.tail(failure_tail);
  lock.lock();
  slot->start_crash = std::move(crash);
  if (kills > oom_kills_) { // one each: several may have been hit together
    ++oom_kills_;
    slot->out_of_memory = true;
  }
} catch (const std::exception&) { // no memory, no /proc: it is told with less
}

// Why the host ended it, none where it did not: a worker that was only to take nothing more, and
// crashes in its last task, has crashed.
exit_cause workforce::cause_of(const worker_slot& slot, const child_exit& exit) noexcept {
  if (slot.asked != exit_cause::none || slot.phase() != worker_phase::stopping)
    return slot.asked;
  const bool orderly = !exit.known || (exit.signal == 0 && exit.code == 0);
  return orderly ? slot.leaving : exit_cause::none;
}

// Moves on what waits for another worker. True: it died of a task, which waits in ending_.
bool workforce::bury(worker_slot& slot) noexcept {
  auto& flown = slot.link.flown();
  unit_list back;
  slot.flew_at_death = !flown.empty();
  bool hit = false;
  const bool valid = !slot.lied
                     && flown.bury(
                       [&](std::unique_ptr<unit> work, std::uint32_t item) {
                         pool_is_locked();
                         await_outcome(slot, std::move(work), item);
                         hit = true;
                       },
                       [&](unit& work, std::uint32_t first, std::unique_ptr<unit> owner) {
                         pool_is_locked();
                         sender_.take_back(slot, work, first, std::move(owner), back);
                       });
  if (valid) {
    if (!hit)
      hit = ends_unbegun(slot, back);
    sender_.give_back(back);
    return hit;
  }
  pool_.tasks.find_bad_message();
  take_all(slot, back);
  hit = !back.empty();
  while (!back.empty()) {
    auto u = back.pop_front();
    const auto all = u->items;
    await_outcome(slot, std::move(u), all);
  }
  return hit;
}

// A worker's word that it had not begun is believed so often: a task that makes its worker say so
// whenever it runs would otherwise end workers for ever, and never itself. A task that is honest
// would have to meet a hundred deaths between its arrival and its claim.
bool workforce::ends_unbegun(const worker_slot& slot, unit_list& back) noexcept {
  constexpr std::uint32_t most_losses = 100;
  const bool asked_for = slot.asked == exit_cause::recycled || slot.asked == exit_cause::shutdown;
  if (asked_for || back.empty() || ++back.front()->losses < most_losses)
    return false;
  auto u = back.pop_front();
  const auto all = u->items;
  await_outcome(slot, std::move(u), all);
  return true;
}

// All that it was sent: any of it may have run.
void workforce::take_all(worker_slot& slot, unit_list& into) noexcept {
  slot.link.flown().abandon([&](unit& work, std::uint32_t first, std::unique_ptr<unit> owner) {
    pool_is_locked();
    sender_.take_back(slot, work, first, std::move(owner), into);
  });
}

void workforce::await_outcome(const worker_slot& slot, std::unique_ptr<unit> work,
                              std::uint32_t item) noexcept {
  work->worker = nullptr;
  work->died_with = &slot;
  work->hit_item = item;
  work->sink->began.store(true, std::memory_order_relaxed); // under our lock
  ending_.push_back(std::move(work));
}

unit* workforce::casualty_of(const worker_slot& slot) const noexcept {
  auto* u = ending_.front();
  while (u != nullptr && u->died_with != &slot)
    u = u->following;
  return u;
}

bool workforce::cancel_attempts(const detail::task_sink& sink) noexcept {
  bool some = false;
  for (auto* u = ending_.front(); u != nullptr; u = u->following)
    if (u->sink.get() == &sink)
      u->cancel_wanted = some = true;
  return some;
}

void workforce::remove(const slot_ptr& slot) noexcept {
  ::epoll_ctl(pool_.waiting.events.get(), EPOLL_CTL_DEL, slot->link.event_fd(), nullptr);
  std::erase(pool_.slots, slot);
  pool_.staff.ended();
  if (slot->pinned > 0)
    queue_.fail_pinned(slot->id);
  ++pool_.slots_version;
  if (slot->thread.joinable())
    slot->thread.detach(); // it has left its loop, or was abandoned with its memory
  leadership_.outlive_leader(slot);
  pool_.waiting.changed.notify_all();
}

void workforce::replace(worker_slot& slot, const exit_status& status, bool explained) noexcept {
  const bool asked_for =
    status.cause == exit_cause::recycled || status.cause == exit_cause::shutdown;
  news_.tell_end(asked_for ? event_kind::recycled : event_kind::died, slot, status);
  if (pool_.ended())
    return;
  if (asked_for) {
    if (status.cause == exit_cause::recycled)
      pool_.tasks.recycle_worker();
    return keep_size();
  }
  pool_.tasks.replace_worker();
  // No task explains a lie before the worker served or while nothing was in flight: its
  // replacement would tell it, too.
  const bool lied_unasked =
    status.cause == exit_cause::bad_message && !(slot.ready && slot.flew_at_death);
  if (!lied_unasked && !slot.failed_to_start()
      && (explained || status.cause == exit_cause::unresponsive))
    return keep_size();
  const auto verdict = count_death(slot.ready);
  if (verdict.give_up) {
    break_pool(broken_failure(slot, status));
  } else if (pool_.staff.missing() > 0) {
    if (verdict.wait.count() != 0)
      news_.tell(event_kind::restarting, slot, status, "is replaced after a back-off");
    want_worker(verdict.wait);
  }
}

failure workforce::broken_failure(const worker_slot& slot,
                                  const exit_status& status) const noexcept {
  failure why;
  try {
    why = failure_of(failure_kind::pool_broken,
                     "pool '" + pool_.options.name
                       + "' cannot keep workers alive: " + std::to_string(pool_.intensity.recent())
                       + " unexplained deaths; the last worker " + news_.end_of(slot, status));
    why.backtrace = slot.start_crash.backtrace;
    why.last_output = slot.start_crash.log;
  } catch (const std::bad_alloc&) {
    why = failure_of(failure_kind::pool_broken, "the pool cannot keep workers alive");
  }
  why.exit = status;
  why.worker = slot.pid();
  return why;
}

void workforce::end_casualty(std::unique_ptr<unit> work, const worker_slot& slot,
                             const failure& f) noexcept {
  if (work->hit_item == work->items) // a liar's unit: all of it may have run
    return ends_.fail_all(std::move(work), f, task_place::sent);
  ++work->deaths;
  if (auto again = attempts_.after(*work, work->hit_item, f); again && attempts_.begin(again))
    return;
  auto own = copy_of(f);
  if (f.kind != failure_kind::cancelled && attempts_.is_poison(*work)) {
    own = poisoned(*work, f);
    news_.tell(event_kind::quarantined, slot, f.exit, "was the last: ", own.message);
  }
  ends_.fail(*work, work->hit_item, std::move(own), task_place::sent);
  ends_.finish(std::move(work));
}

failure workforce::poisoned(const unit& u, const failure& f) const noexcept {
  auto own = copy_of(f);
  own.kind = failure_kind::poisoned;
  try {
    own.message =
      "the task is quarantined: it ended " + std::to_string(u.deaths) + " workers; " + f.message;
  } catch (const std::bad_alloc&) { // its kind says most
  }
  return own;
}

void workforce::give_up(worker_slot& slot, const exit_status& status, bool explained) noexcept {
  const auto found = std::find_if(pool_.slots.begin(), pool_.slots.end(),
                                  [&](const auto& s) { return s.get() == &slot; });
  if (found == pool_.slots.end())
    return; // it has ended meanwhile
  const auto keep = *found;
  abandon(*keep);
  remove(keep);
  replace(*keep, status, explained);
}

void workforce::abandon(worker_slot& slot) noexcept {
  unit_list all;
  take_all(slot, all);
  slot.link.request_task_stop(no_position);
  slot.link.request_stop();
  slot.advance(worker_phase::gone);
  if (slot.asked == exit_cause::none)
    slot.asked = exit_cause::timed_out;
  const bool wished = slot.asked == exit_cause::shutdown || slot.cancelled_task;
  failure f =
    failure_of(wished ? failure_kind::cancelled : failure_kind::timeout,
               slot.process ? "the worker could not be killed; the task may still run"
                            : "the worker thread cannot be stopped; the task may still run");
  f.exit.cause = slot.asked;
  f.may_have_executed = true;
  while (!all.empty())
    ends_.fail_all(all.pop_front(), f, task_place::sent);
}

} // namespace bulkhead::runtime
