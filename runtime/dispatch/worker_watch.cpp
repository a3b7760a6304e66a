#include "runtime/dispatch/worker_watch.hpp"

#include "runtime/dispatch/window.hpp"

#include <algorithm>
#include <utility>

// When a limit of a task worker is broken: facts and time in, one action and the next look out. A
// plain value under the pool's lock. No look acts by itself, so a look that cannot be followed for
// want of memory comes again.
namespace bulkhead::runtime {

namespace {

using std::chrono::nanoseconds;

nanoseconds nearer(nanoseconds a, nanoseconds b) noexcept {
  // Zero means none.
  if (a.count() == 0 || b.count() == 0)
    return std::max(a, b);
  return std::min(a, b);
}

} // namespace

worker_watch::worker_watch(const watch_limits& limits, time_point born)
  : limits_(limits), born_(born) {
  if (limits_.max_age.count() != 0)
    look_again(born_ + limits_.max_age);
  if (limits_.ready_within.count() != 0)
    look_again(ready_by_ = born_ + limits_.ready_within);
}

void worker_watch::plan(const worker_facts& f, time_point now) {
  if (!f.busy)
    return;
  const auto nearest = nearer(f.limit, f.soft_limit);
  if (f.has_task && f.ready && front_since_ == time_point{} && nearest.count() != 0) {
    front_since_ = now;
    look_again(now + nearest);
  }
  if (f.holds_results && results_patience_.count() == 0) {
    results_patience_ = shortest_patience;
    look_again(now + results_patience_);
  }
  // Beats are watched from the first frame that it was sent while idle; an idle worker is not woken
  // to be looked at.
  if (beat_since_ != time_point{})
    return;
  beat_since_ = now;
  seen_beat_ = f.beat;
  look_again(now + limits_.unresponsive_after / 4);
  if (limits_.max_memory != 0)
    look_again(now + memory_interval);
}

void worker_watch::item_ended() noexcept {
  front_since_ = {};
  asked_item_ = no_item;
}

void worker_watch::ask_for_task(time_point now) noexcept {
  // A second request does not lengthen the grace of the first.
  if (task_by_ == time_point::max())
    task_by_ = now + limits_.grace;
  look_again(task_by_);
}

void worker_watch::ask_for_end(time_point now) noexcept {
  end_by_ = now + limits_.grace;
  look_again(end_by_);
}

void worker_watch::killed(time_point now, bool last_words) noexcept {
  // The time until it is given up counts from the signal that cannot be caught.
  if (!was_killed() || (silent_by_ != time_point::max() && !last_words))
    killed_at_ = now;
  silent_by_ = last_words ? now + last_words_take : time_point::max();
  look_again(silent_by_);
  look_again(killed_at_ + limits_.grace + death_takes);
}

void worker_watch::forgive(const own_lag& late) noexcept {
  front_since_ = late.began(front_since_);
  asked_by_ = late.ends(asked_by_, limits_.grace);
  task_by_ = late.ends(task_by_, limits_.grace);
  end_by_ = late.ends(end_by_, limits_.grace);
  ready_by_ = late.ends(ready_by_, limits_.ready_within);
  if (was_killed())
    killed_at_ = late.began(killed_at_);
  silent_by_ = late.ends(silent_by_, last_words_take);
}

void worker_watch::forgive_beats(time_point now) noexcept {
  if (beat_since_ == time_point{})
    return;
  beat_since_ = now;
  look_again(now + limits_.unresponsive_after / 4);
}

watch_decision worker_watch::look_at_end(const worker_facts& f, time_point now) {
  if (was_killed()) { // it may be uninterruptible in the kernel
    if (now >= silent_by_)
      return {watch_action::kill, exit_cause::none};
    look_again(silent_by_);
    const auto dead_by = killed_at_ + limits_.grace + death_takes;
    if (silent_by_ == time_point::max() && now >= dead_by)
      return {watch_action::give_up, exit_cause::none};
    look_again(dead_by);
    return {};
  }
  if (now >= end_by_)
    return {watch_action::kill, exit_cause::none};
  look_again(end_by_);
  if (now < task_by_) {
    look_again(task_by_);
    return {};
  }
  // The grace is over: either its task is the one that was to end, or that one ended in time.
  task_by_ = time_point::max();
  if (f.busy && f.has_task && f.cancelled)
    return {watch_action::end_for_task, exit_cause::killed};
  return {watch_action::pardon, exit_cause::none};
}

watch_decision worker_watch::look_at_age(const worker_facts& f, time_point now) {
  if (limits_.max_age.count() == 0 || !f.serves)
    return {};
  if (now >= born_ + limits_.max_age)
    return {watch_action::retire, exit_cause::recycled};
  look_again(born_ + limits_.max_age);
  return {};
}

// A start without an end would keep its tasks without an outcome.
watch_decision worker_watch::look_at_start(const worker_facts& f, time_point now) {
  if (f.ready || ready_by_ == time_point::max())
    return {};
  if (now >= ready_by_)
    return {f.process ? watch_action::kill : watch_action::give_up, exit_cause::start_failed};
  look_again(ready_by_);
  return {};
}

// Between items the worker looks itself, and starts nothing more once it has grown too large. So
// what is found too large while it runs has become so in this task.
watch_decision worker_watch::look_at_memory(const worker_facts& f, std::uint64_t own_bytes,
                                            time_point now) {
  if (limits_.max_memory == 0)
    return {};
  if (f.busy)
    look_again(now + memory_interval);
  // What it was born with is known once it is ready.
  if (!f.ready || own_bytes <= limits_.max_memory)
    return {};
  if (f.busy && f.runs)
    return {watch_action::end_for_task, exit_cause::memory_limit};
  return {f.serves ? watch_action::retire : watch_action::none, exit_cause::recycled};
}

watch_decision worker_watch::look_at_task(const worker_facts& f, time_point now) {
  if (!f.has_task || front_since_ == time_point{})
    return {};
  if (!f.runs) { // the limit counts from the claim
    front_since_ = now;
    look_again(now + std::max<nanoseconds>(shortest_patience, nearer(f.limit, f.soft_limit) / 16));
    return {};
  }
  if (const auto soft = look_at_soft_limit(f, now); soft.action != watch_action::none)
    return soft;
  if (f.limit.count() == 0)
    return {};
  if (now - front_since_ >= f.limit)
    return {watch_action::end_for_task, exit_cause::timed_out, f.limit};
  look_again(front_since_ + f.limit);
  return {};
}

// First it is asked, with the grace to obey; then its worker is ended.
watch_decision worker_watch::look_at_soft_limit(const worker_facts& f, time_point now) {
  if (f.soft_limit.count() == 0)
    return {};
  if (asked_item_ == f.front) {
    if (now >= asked_by_)
      return {watch_action::end_for_task, exit_cause::timed_out, f.soft_limit};
    look_again(asked_by_);
    return {};
  }
  if (now - front_since_ < f.soft_limit) {
    look_again(front_since_ + f.soft_limit);
    return {};
  }
  asked_item_ = f.front;
  asked_by_ = now + limits_.grace;
  look_again(asked_by_);
  if (f.limit.count() != 0)
    look_again(front_since_ + f.limit);
  return {watch_action::ask_to_stop, exit_cause::none};
}

// More and more seldom while its item stays the same: the results before that have been taken.
watch_decision worker_watch::look_at_results(const worker_facts& f, time_point now) {
  if (!f.busy || !f.holds_results) {
    results_patience_ = {};
    return {};
  }
  const bool moved = std::exchange(held_front_, f.front) != f.front;
  results_patience_ =
    moved ? shortest_patience : std::min<nanoseconds>(2 * results_patience_, longest_patience);
  results_patience_ = std::max<nanoseconds>(results_patience_, shortest_patience);
  look_again(now + results_patience_);
  return {};
}

// Work lies behind a running task, or in a worker that still starts, and somebody has nothing to
// do: it is taken back. At once where it is known to be much; the mean may be that of quick tasks
// long gone, so a running task is given a short patience only, however much it says is little.
watch_decision worker_watch::look_at_queue(const worker_facts& f, time_point now) {
  const bool moved = see_front(f.front, now);
  if (f.behind == 0 || !f.others_idle)
    return {};
  if (!f.ready)
    return {watch_action::take_back_all, exit_cause::none};
  const auto known = f.mean * static_cast<std::int64_t>(f.behind);
  // Ten times the mean, as a task that takes that much longer is not one of those that were
  // measured.
  const auto patience =
    std::clamp<nanoseconds>(10 * f.mean, shortest_patience, 10 * window::horizon);
  if ((!moved && known > window::horizon) || now - seen_since_ >= patience)
    return {watch_action::take_back_behind, exit_cause::none};
  look_again(std::min(now + shortest_patience, seen_since_ + patience));
  return {};
}

watch_decision worker_watch::look_at_beat(const worker_facts& f, time_point now) {
  if (!f.busy || !f.process) {
    beat_since_ = {};
    return {};
  }
  // Before its first beat a process is being loaded, which may take any time.
  const bool loads = f.beat == 0 && !f.ready;
  // Beats of a ready worker that does not begin what it was sent are no life: nothing of a task's
  // runs before the claim.
  const bool idles = f.ready && !f.runs && f.front == beat_front_;
  if (loads || beat_since_ == time_point{} || (f.beat != seen_beat_ && !idles)) {
    seen_beat_ = f.beat;
    beat_front_ = f.front;
    beat_since_ = now;
  }
  if (now - beat_since_ >= limits_.unresponsive_after)
    return {watch_action::kill, exit_cause::unresponsive};
  look_again(
    std::min(now + limits_.unresponsive_after / 4, beat_since_ + limits_.unresponsive_after));
  return {};
}

bool worker_watch::see_front(std::uint64_t front, time_point now) noexcept {
  if (front == seen_front_)
    return false;
  seen_front_ = front;
  seen_since_ = now;
  return true;
}

worker_watch::time_point worker_watch::at_front_since(std::uint64_t front,
                                                      time_point now) noexcept {
  see_front(front, now);
  return seen_since_;
}

} // namespace bulkhead::runtime
