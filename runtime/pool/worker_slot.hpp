#pragma once

#include "runtime/channel/channel.hpp"
#include "runtime/dispatch/unit.hpp"
#include "runtime/dispatch/window.hpp"
#include "runtime/process/child.hpp"
#include "runtime/process/worker_output.hpp"

#include <bulkhead/pool_info.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace bulkhead::runtime {

/// The pool's record of one worker. Guarded by the pool's lock.
struct worker_slot {
  worker_slot(std::size_t number, std::size_t ring_capacity, channel::peer peer)
    : id(number), link(ring_capacity, peer) {}

  const std::size_t id;
  channel link;
  std::shared_ptr<child> process;        ///< null: a thread
  std::shared_ptr<worker_output> output; ///< prefix and capture only
  std::thread thread;
  segment_inbox inbox; ///< of a thread
  std::chrono::system_clock::time_point started_at = std::chrono::system_clock::now();
  time_point born = clock::now();

  bool ready = false;
  bool draining = false; ///< takes no more tasks
  bool surplus = false;  ///< draining because of resize(): it may be taken back
  bool stopping = false; ///< was asked to end
  bool lied = false;     ///< it broke the wire protocol: its record is not believed either
  bool lost = false;     ///< nothing from its ring is believed any more
  exit_cause leaving = exit_cause::none; ///< why it drains: recycled or shutdown
  exit_cause asked = exit_cause::none;   ///< why the host kills it; the first cause wins
  bool cancelled_task = false;           ///< it is killed for cancel(kill_running)
  bool flew_at_death = false;            ///< frames were in flight when it ended
  std::string unfit;                     ///< text of its failed initializer

  std::uint64_t inherited_bytes = 0; ///< resident before its initializer; not counted as its own

  window frames;
  std::size_t pinned = 0;               ///< queued units that it alone may run
  std::uint64_t dispatched = 0;         ///< items sent and not taken back
  std::uint64_t done = 0;               ///< items answered
  std::chrono::nanoseconds busy_time{}; ///< in answered items; those not measured count as the last
  std::chrono::nanoseconds last_ran{};
  /// Pieces of a large result; lost: the host had no memory for them.
  detail::buffer partial;
  std::uint64_t partial_bytes = 0;
  position partial_of = no_position;
  bool partial_lost = false;

  time_point front_since{}; ///< when the first unanswered item may have begun
  position seen_front = no_position;
  time_point seen_since{}; ///< first look at that front by the clock
  std::uint64_t seen_beat = 0;
  time_point beat_since{};
  bool asked_by_limit = false;          ///< its task was asked to stop: soft_timeout
  position soft_position = no_position; ///< that task
  time_point soft_kill_at = time_point::max();
  time_point kill_at = time_point::max();   ///< grace ends
  time_point killed_at = time_point::max(); ///< SIGKILL was sent

  bool busy() const noexcept { return !link.flown_is_empty(); }
  bool serves() const noexcept { return !draining && !stopping && !lost; }
};

} // namespace bulkhead::runtime
