#include "runtime/workers/news.hpp"

#include "runtime/crash/crash_words.hpp"
#include "runtime/outcome/limit_text.hpp"

#include <cstdio>
#include <exception>
#include <new>
#include <utility>

// What is told of workers: events, by the callback thread, and the failures of deaths. News come
// last: where memory is missing they are lost, and stderr says so, but no death and no outcome is
// held up.
namespace bulkhead::runtime {

namespace {

/// Which process it hit is in the kernel's log alone.
constexpr const char* oom_hint =
  " (the kernel's out-of-memory killer has struck on this machine meanwhile; dmesg says whom)";

/// The limit behind the cause, in numbers and by its option's name: " (100 MiB, ...)"; or nothing.
std::string limit_behind(exit_cause cause, const worker_slot& slot, const pool_options& options) {
  switch (cause) {
  case exit_cause::timed_out:
    return slot.exceeded.count() == 0 ? "" : " (" + duration_text(slot.exceeded) + ')';
  case exit_cause::memory_limit:
    return " (max_memory_per_worker: " + size_text(options.max_memory_per_worker) + ')';
  case exit_cause::cpu_limit:
    return options.limits.cpu_time.count() == 0
             ? ""
             : " (limits.cpu_time: " + duration_text(options.limits.cpu_time) + ')';
  case exit_cause::unresponsive:
    return " (unresponsive_after: " + duration_text(options.unresponsive_after) + ')';
  case exit_cause::start_failed:
    return slot.asked != cause ? ""
                               : " within ready_within: " + duration_text(options.ready_within);
  default:
    return {};
  }
}

/// "worker 3 (pid 1234) of pool 'x'": an event's text says by itself whose it is.
std::string name_of(const worker_slot& slot, const std::string& pool) {
  auto name = "worker " + std::to_string(slot.id);
  if (slot.process)
    name += " (pid " + std::to_string(slot.pid()) + ')';
  return pool.empty() ? name : name + " of pool '" + pool + '\'';
}

} // namespace

void news::tell(event_kind kind, const worker_slot& slot, const exit_status& exit,
                std::string_view text, std::string_view more) noexcept try {
  if (!is_heard())
    return;
  auto whole = name_of(slot, options_.name);
  whole.append(1, ' ').append(text).append(more);
  call({kind, slot.id, slot.pid(), exit, std::move(whole), slot.done, slot.busy_time});
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
}

void news::tell_end(event_kind kind, const worker_slot& slot, const exit_status& exit) noexcept
  try {
  if (is_heard())
    tell(kind, slot, exit, end_of(slot, exit));
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
}

void news::tell_broken(const std::string& text) noexcept try {
  if (is_heard())
    call({event_kind::broken, 0, 0, {}, text});
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
}

void news::call(pool_event event) noexcept try {
  if (pool_.onlooker)
    pool_.onlooker->happened(worker_kind::tasks, event);
  if (!options_.on_event)
    return;
  callbacks_->run([tell = options_.on_event, event = std::move(event)] { tell(event); });
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
}

std::string news::end_of(const worker_slot& slot, const exit_status& status) const {
  auto text = (status.signal != 0 ? "was " : "") + to_string(status)
              + limit_behind(status.cause, slot, options_);
  if (slot.start_crash.stack_overflow)
    text += " (stack overflow)";
  const bool in_start = slot.asked == exit_cause::none || slot.asked == exit_cause::start_failed;
  if (!slot.ready && in_start && status.cause != exit_cause::recycled)
    text += slot.start_crash.signal != 0 && options_.initializer ? " in its initializer"
                                                                 : " before it was ready";
  if (slot.out_of_memory)
    text += oom_hint;
  return slot.unfit.empty() ? text : text + "; it said: " + slot.unfit;
}

failure news::death_failure(const worker_slot& slot, const exit_status& status) const noexcept {
  failure f;
  f.kind =
    status.cause == exit_cause::timed_out ? failure_kind::timeout : failure_kind::worker_died;
  f.exit = status;
  f.worker = slot.pid();
  f.may_have_executed = true;
  // A task that was cancelled and ran into its limit all the same was ended by the limit.
  const bool cancelled = slot.cancelled_task && status.cause != exit_cause::timed_out;
  if (cancelled || status.cause == exit_cause::shutdown)
    f.kind = failure_kind::cancelled;
  try {
    describe(f, slot);
    if (cancelled)
      f.message = "the task was cancelled while it ran; its worker was killed after the grace";
    else if (status.cause == exit_cause::shutdown)
      f.message = "the pool was terminated while the task ran";
  } catch (const std::bad_alloc&) { // kind and exit status say most
  }
  return f;
}

void news::describe(failure& f, const worker_slot& slot) const {
  crash_words said;
  // The recorder lies in the worker's memory, so its text is checked and cut there.
  if (f.exit.cause != exit_cause::shutdown)
    said = tell_crash(f, read_crash(slot.link.worker_words().recorder));
  f.last_output += slot.output.tail(failure_tail);
  f.message = "worker " + std::to_string(f.worker)
              + (options_.name.empty() ? "" : " of pool '" + options_.name + "'")
              + (f.exit.signal != 0 ? " was " : " ") + to_string(f.exit)
              + limit_behind(f.exit.cause, slot, options_) + said.how + " while it ran the task"
              + (slot.out_of_memory ? oom_hint : "") + said.why;
}

} // namespace bulkhead::runtime
