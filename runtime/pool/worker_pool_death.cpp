#include "runtime/crash/crash_report.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/worker_pool.hpp"
#include "runtime/process/exit_classifier.hpp"
#include "runtime/testing/hooks.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace bulkhead::runtime {

// A worker has ended: its pidfd said so, so all its stores are visible and its record is final.
// Order matters: take what it answered, read its claim, decide, move the rest on, start the
// replacement; only then spend time on the crash report and tell the casualty's owner.
void worker_pool::on_exit(const slot_ptr& slot, const child_exit& exit) {
  lock_type lock{mutex_};
  if (std::find(slots_.begin(), slots_.end(), slot) == slots_.end()) {
    if (!slot->lost)                        // an abandoned one was dealt with
      early_exits_.emplace(slot->id, exit); // it died before admit
    return;
  }
  BULKHEAD_HOOK("host.death_seen");
  while (drain_slot(*slot)) {
  }
  const auto status = classify_exit(exit, cause_of(*slot, exit), slot->ready);
  slot->lost = true;
  std::vector<casualty> casualties;
  if (auto one = bury(*slot, casualties))
    casualties.push_back(std::move(*one));
  for (auto& c : casualties) {
    c.work->worker = nullptr;
    c.work->ending = true;
    c.work->sink->began.store(true, std::memory_order_relaxed); // under our lock
    ending_.push_back(c.work.get());
  }
  BULKHEAD_HOOK("host.buried");
  const bool task_explains =
    !casualties.empty() || slot->asked != exit_cause::none || (slot->ready && slot->flew_at_death);
  if (!exit.start_error.empty())
    slot->unfit = exit.start_error;
  remove_slot(slot);
  replace(*slot, status, task_explains);
  pump();
  lock.unlock();
  start_due();
  const auto f = death_failure(*slot, status); // slow: symbols of the backtrace
  lock.lock();
  for (auto& c : casualties)
    end_casualty(std::move(c), *slot, f);
  pump();
  changed_.notify_all();
  wake_leader();
}

// Why the host ended it, none where it did not: a worker that was only to take nothing more, and
// crashes in its last task, has crashed.
exit_cause worker_pool::cause_of(const worker_slot& slot, const child_exit& exit) noexcept {
  if (slot.asked != exit_cause::none || !slot.stopping)
    return slot.asked;
  const bool orderly = !exit.known || (exit.signal == 0 && exit.code == 0);
  return orderly ? slot.leaving : exit_cause::none;
}

std::optional<worker_pool::casualty> worker_pool::bury(worker_slot& slot,
                                                       std::vector<casualty>& doubtful) {
  std::optional<casualty> hit;
  auto back = room_for_returned(slot);
  auto& flown = slot.link.flown();
  doubtful.reserve(flown.frames() + 1);
  ending_.reserve(ending_.size() + flown.frames() + 1);
  slot.flew_at_death = !flown.empty();
  const bool told_truth = !slot.lied;
  unit* hit_unit = nullptr;
  const bool valid = told_truth
                     && flown.bury(
                       [&](unit& work, std::uint32_t item) {
                         hit.emplace();
                         hit->item = item;
                         hit_unit = &work;
                       },
                       [&](unit& work, std::uint32_t first, bool whole) {
                         back.push_back(detach(slot, work, first, whole));
                       });
  if (hit) // the items before it are answered, those behind it were split off
    hit->work.reset(hit_unit);
  if (!valid) {
    ++stats_.bad_messages;
    flown.abandon([&](unit& work, std::uint32_t first, bool whole) {
      auto rest = detach(slot, work, first, whole);
      if (!rest)
        return;
      const auto items = rest->items;
      in_flight_ += items;                          // until their outcome is set
      doubtful.push_back({std::move(rest), items}); // item == items: all of them
    });
  }
  give_back(back);
  return hit;
}

void worker_pool::remove_slot(const slot_ptr& slot) {
  ::epoll_ctl(events_.get(), EPOLL_CTL_DEL, slot->link.event_fd(), nullptr);
  std::erase(slots_, slot);
  fail_pinned(*slot);
  ++slots_version_;
  if (slot->thread.joinable())
    slot->thread.detach();        // it has left its loop, or was abandoned with its memory
  if (leader_ && !leader_asleep_) // it may be looking at the slot's words without the lock
    retired_.push_back(slot);
  changed_.notify_all();
}

void worker_pool::replace(worker_slot& slot, const exit_status& status, bool explained) {
  const bool asked_for =
    status.cause == exit_cause::recycled || status.cause == exit_cause::shutdown;
  tell(asked_for ? event_kind::recycled : event_kind::died, slot, status, to_string(status));
  if (terminated_ || broken_)
    return;
  if (asked_for) {
    stats_.recycled += status.cause == exit_cause::recycled ? 1 : 0;
    keep_size();
    return;
  }
  ++stats_.restarts;
  // No task explains a lie before the worker served or while nothing was in flight: its
  // replacement would tell it, too.
  const bool lied_unasked =
    status.cause == exit_cause::bad_message && !(slot.ready && slot.flew_at_death);
  if (!lied_unasked && (explained || status.cause == exit_cause::unresponsive)) {
    keep_size();
    return;
  }
  const auto verdict =
    intensity_.on_death(clock::now(), slot.ready, std::uniform_real_distribution<>{}(random_));
  if (verdict.give_up) {
    auto why =
      failure_of(failure_kind::pool_broken,
                 "pool '" + options_.name + "' cannot keep workers alive: "
                   + std::to_string(intensity_.recent()) + " unexplained deaths; the last worker "
                   + to_string(status) + (slot.unfit.empty() ? "" : "; it said: " + slot.unfit));
    why.exit = status;
    why.worker = slot.process ? slot.process->pid() : 0;
    break_pool(std::move(why));
  } else if (missing_workers() > 0) {
    if (verdict.wait.count() != 0)
      tell(event_kind::restarting, slot, status, "replacement waits for its back-off");
    want_worker(verdict.wait);
  }
}

failure worker_pool::death_failure(const worker_slot& slot,
                                   const exit_status& status) const noexcept {
  failure f;
  f.kind =
    status.cause == exit_cause::timed_out ? failure_kind::timeout : failure_kind::worker_died;
  f.exit = status;
  f.worker = slot.process ? slot.process->pid() : 0;
  f.may_have_executed = true;
  const bool cancelled = slot.cancelled_task && status.cause != exit_cause::timed_out;
  if (cancelled || status.cause == exit_cause::shutdown)
    f.kind = failure_kind::cancelled;
  try {
    describe_death(f, slot);
    if (cancelled)
      f.message = "the task was cancelled while it ran; its worker was killed after the grace";
    else if (status.cause == exit_cause::shutdown)
      f.message = "the pool was terminated while the task ran";
  } catch (const std::bad_alloc&) { // kind and exit status say most
  }
  return f;
}

void worker_pool::describe_death(failure& f, const worker_slot& slot) const {
  crash_report crash;
  if (f.exit.cause != exit_cause::shutdown)
    crash = read_crash(slot.link.worker_words().recorder);
  f.backtrace = crash.backtrace;
  f.last_output = crash.log;
  if (slot.output)
    f.last_output += slot.output->tail(4096);
  f.message = "worker " + std::to_string(f.worker)
              + (options_.name.empty() ? "" : " of pool '" + options_.name + "'")
              + (f.exit.signal != 0 ? " was " : " ") + to_string(f.exit)
              + (crash.stack_overflow ? " (stack overflow)" : "") + " while it ran the task";
}

void worker_pool::end_casualty(casualty c, const worker_slot& slot, const failure& f) {
  std::erase(ending_, c.work.get());
  if (c.item == c.work->items) { // a liar's unit: all of it may have run
    in_flight_ -= c.work->items;
    fail_all(std::move(c.work), f);
    return;
  }
  --in_flight_;
  ++c.work->deaths;
  if (retry(c, f))
    return;
  auto own = copy_of(f);
  if (options_.poison_after != 0 && c.work->deaths >= options_.poison_after
      && retries_of(*c.work) > 0) {
    own.kind = failure_kind::poisoned;
    own.message = "the task is quarantined: it ended " + std::to_string(c.work->deaths)
                  + " workers; " + f.message;
    tell(event_kind::quarantined, slot, f.exit, own.message);
  }
  c.work->sink->placed(nullptr, c.work->id);
  fail(*c.work, c.item, std::move(own));
  if (in_flight_ == 0)
    changed_.notify_all();
}

bool worker_pool::retry(casualty& c, const failure& f) {
  auto& u = *c.work;
  const bool poisoned = options_.poison_after != 0 && u.deaths >= options_.poison_after;
  if (f.kind == failure_kind::cancelled || u.cancel_wanted || terminated_ || broken_ || poisoned
      || u.pinned_worker != 0 || u.attempt > retries_of(u))
    return false;
  auto again = std::make_unique<unit>(); // the one item alone; its neighbours went elsewhere
  const auto at = item_offset(u, c.item);
  std::uint32_t length = 0;
  std::memcpy(&length, u.body.data() + at, sizeof length);
  again->body.append(u.body.data(), u.callable_bytes);
  again->body.append(u.body.data() + at, sizeof length + length);
  again->stub = u.stub;
  again->callable_bytes = u.callable_bytes;
  again->items = 1;
  again->first_item = u.first_item + c.item;
  again->sink = u.sink;
  again->options = u.options;
  again->id = u.id + c.item;
  again->attempt = u.attempt + 1;
  again->deaths = u.deaths;
  again->deadline = u.deadline;
  again->sink->placed(again.get(), again->id);
  ++stats_.retried;
  const auto wait = std::chrono::milliseconds{5} * (1 << std::min(again->attempt - 2, 6U));
  const auto when = clock::now() + wait;
  delayed_.emplace(when, std::move(again));
  need_tick(when);
  return true;
}

void worker_pool::bad_message(worker_slot& slot) {
  slot.lied = true;
  slot.lost = true; // accept nothing more from its ring; its death decides the rest
  kill(slot, exit_cause::bad_message);
}

void worker_pool::abandon(const slot_ptr& slot) {
  slot->link.request_task_stop(no_position);
  slot->link.request_stop();
  slot->lost = true;
  if (slot->asked == exit_cause::none)
    slot->asked = exit_cause::timed_out;
  exit_status status;
  status.cause = slot->asked;
  const bool wished = slot->asked == exit_cause::shutdown || slot->cancelled_task;
  failure f =
    failure_of(wished ? failure_kind::cancelled : failure_kind::timeout,
               slot->process ? "the worker could not be killed; the task may still run"
                             : "the worker thread cannot be stopped; the task may still run");
  f.exit = status;
  f.may_have_executed = true;
  std::vector<casualty> doubtful;
  slot->link.flown().abandon([&](unit& work, std::uint32_t first, bool whole) {
    auto rest = detach(*slot, work, first, whole);
    const auto items = rest ? rest->items : 0;
    if (rest)
      doubtful.push_back({std::move(rest), items});
  });
  for (auto& c : doubtful)
    fail_all(std::move(c.work), f);
}

} // namespace bulkhead::runtime
