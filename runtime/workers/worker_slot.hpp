#pragma once

#include "runtime/channel/channel.hpp"
#include "runtime/crash/crash_report.hpp"
#include "runtime/dispatch/unit.hpp"
#include "runtime/dispatch/window.hpp"
#include "runtime/dispatch/worker_watch.hpp"
#include "runtime/process/child.hpp"
#include "runtime/process/launch_output.hpp"

#include <bulkhead/pool_info.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace bulkhead::runtime {

/// What a worker is still good for. It goes down this list, never up, but for a surplus one that is
/// wanted after all.
enum class worker_phase : std::uint8_t {
  serving,  ///< takes tasks; those sent before it is ready wait for its start
  draining, ///< takes no more tasks
  stopping, ///< was asked to end
  gone      ///< nothing from its ring is believed any more
};

/// A large result of which only a part has come.
struct partial_result {
  detail::buffer bytes;
  std::uint64_t size = 0;    ///< of what has come, kept or not
  position of = no_position; ///< no_position: none
  bool lost = false;         ///< the host had no memory for it

  bool none() const noexcept { return of == no_position; }
};

/// The pool's record of one worker. Guarded by the pool's lock.
struct worker_slot {
  worker_slot(std::size_t number, std::size_t ring_capacity, channel::peer peer,
              const watch_limits& limits)
    : id(number), link(ring_capacity, peer), watch(limits, clock::now()) {}

  const std::size_t id;
  channel link;
  std::shared_ptr<child> process; ///< null: a thread
  launch_output output;
  std::thread thread;
  segment_inbox inbox; ///< of a thread
  parcel_box returns;  ///< of a thread: descriptors of its results
  const std::chrono::system_clock::time_point started_at = std::chrono::system_clock::now();
  worker_watch watch;

  bool ready = false;                    ///< its initializer has ended
  bool surplus = false;                  ///< draining because of resize(): it may be taken back
  bool lied = false;                     ///< it broke the wire protocol: its record is not believed
  bool grown = false;                    ///< it has said that it is beyond its memory limit
  exit_cause leaving = exit_cause::none; ///< why it drains: recycled or shutdown
  exit_cause asked = exit_cause::none;   ///< why the host kills it; the first cause wins
  std::chrono::nanoseconds exceeded{};   ///< the time limit for which it is killed
  bool cancelled_task = false;           ///< it is killed for cancel(kill_running)
  bool flew_at_death = false;            ///< frames were in flight when it ended
  std::string unfit;                     ///< why it could not start, in its own words or ours
  crash_report start_crash;              ///< of one that ended before it was ready
  std::optional<child_exit> early_exit;  ///< it ended before the pool had admitted it
  bool out_of_memory = false;            ///< the kernel's out-of-memory killer may have ended it
  std::uint64_t inherited_bytes = 0;     ///< resident before its initializer; not its own

  window frames;
  std::size_t pinned = 0;               ///< queued units that it alone may run
  std::uint64_t dispatched = 0;         ///< items sent and not taken back
  std::uint64_t done = 0;               ///< items answered
  std::chrono::nanoseconds busy_time{}; ///< in answered items; those not measured count as the last
  std::chrono::nanoseconds last_ran{};
  std::uint64_t answer_ran_ns = 0; ///< what the answer that is being taken says; 0: not measured
  partial_result partial;
  std::uint64_t spans_told = 0;    ///< answers with spans
  position measured = no_position; ///< the item that it told its growth of
  std::uint32_t column_taken = 0;  ///< results that were taken of its unpublished column

  worker_phase phase() const noexcept { return phase_; }
  /// Only here does it change.
  void advance(worker_phase to) noexcept { phase_ = std::max(phase_, to); }
  /// Takes no new tasks, and why it leaves when it has ended the old ones.
  void drain(exit_cause why) noexcept {
    advance(worker_phase::draining);
    leaving = why;
  }
  /// Wanted after all: true where it may still serve. One that has grown beyond its memory would
  /// give back all that it is sent.
  bool take_back() noexcept {
    if (!surplus || grown || phase_ != worker_phase::draining)
      return false;
    surplus = false;
    leaving = exit_cause::none;
    phase_ = worker_phase::serving;
    return true;
  }

  std::uint64_t unanswered() const noexcept { return dispatched - done; }
  bool busy() const noexcept { return !link.flown_is_empty(); }
  bool serves() const noexcept { return phase_ == worker_phase::serving; }
  bool gone() const noexcept { return phase_ == worker_phase::gone; }
  /// Has nothing to do and could have.
  bool idle() const noexcept { return serves() && ready && !busy(); }
  pid_t pid() const noexcept { return process ? process->pid() : 0; }
  /// The host ended it because its start came to no end: no task is to blame, and the next worker
  /// may do the same.
  bool failed_to_start() const noexcept {
    return !ready && (asked == exit_cause::start_failed || asked == exit_cause::unresponsive);
  }

private:
  worker_phase phase_ = worker_phase::serving;
};

using slot_ptr = std::shared_ptr<worker_slot>;

} // namespace bulkhead::runtime
