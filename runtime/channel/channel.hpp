#pragma once

#include "runtime/channel/argument_segments.hpp"
#include "runtime/channel/channel_layout.hpp"
#include "runtime/channel/flight.hpp"
#include "runtime/channel/worker_port.hpp"
#include "runtime/dispatch/unit.hpp"
#include "runtime/system/segment.hpp"
#include "runtime/system/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// One answer, its header copied and checked; the payload still lies in the worker's memory and
/// may change while it is read.
struct answer {
  answer_kind kind;
  position where;
  std::uint64_t value;
  std::uint32_t items; ///< of a column
  std::span<const std::byte> payload;
  bool has_parcel; ///< descriptors came before it
};

/// The host's end of the channel to one worker: both segments, the rings, the doorbells. Trusts
/// nothing that the worker writes. Guarded by the pool's lock, except has_answers().
class channel {
public:
  /// A worker thread shares our mappings; a process makes its own.
  enum class peer : std::uint8_t { process, thread };

  channel(std::size_t ring_capacity, peer kind);

  /// What the worker's end needs, in this order: host segment, worker segment, eventfd. Borrowed.
  std::vector<int> worker_fds() const { return {host_.fd(), worker_.fd(), event_.get()}; }
  /// The segments' descriptors are not needed once the worker has them.
  void close_segment_fds() noexcept;
  std::uint64_t base() const noexcept { return base_; }
  int event_fd() const noexcept { return event_.get(); }

  flight& flown() noexcept { return flight_; }
  const flight& flown() const noexcept { return flight_; }
  bool flown_is_empty() const noexcept { return flight_.empty(); }
  std::size_t frames_in_flight() const noexcept { return flight_.frames(); }
  const worker_page& worker_words() const noexcept { return *theirs_; }

  /// The worker's end in this process, for a worker thread.
  worker_port thread_end(segment_inbox& inbox, parcel_box* returns = nullptr) noexcept;

  /// The sequence numbers are at their end: this worker can be sent nothing more.
  bool is_used_up() const noexcept { return flight_.exhausted(); }

  /// True when a frame for this body fits now.
  bool has_room(std::size_t body_bytes) const noexcept;

  /// Writes, publishes and rings. New segments and the body's descriptors go to `control`, the
  /// worker's control socket, or into `inbox` where it is negative: a thread. False: the system
  /// refused memory or the socket is full; nothing was sent and `u` is as it was. Else the flight
  /// has it.
  bool send(std::unique_ptr<unit>& u, std::int64_t limit, int control, segment_inbox& inbox);

  /// Answers may be waiting. Lock-free: for whoever polls.
  bool has_answers() const noexcept {
    return theirs_->ans_tail.load(std::memory_order_acquire)
           != consumed_.load(std::memory_order_relaxed);
  }

  enum class drained : std::uint8_t { all, more, bad };
  /// Hands at most `limit` answers to `take(const answer&) -> bool`; false means a bad message.
  template <class Take>
  drained drain(std::size_t limit, Take&& take) {
    auto result = drained::all;
    answer a;
    for (;; --limit) {
      const auto next = peek(a);
      if (next == peeked::none)
        break;
      if (limit == 0) {
        result = drained::more;
        break;
      }
      if (next == peeked::bad || !take(a)) {
        result = drained::bad;
        break;
      }
      advance();
    }
    release();
    return result;
  }

  /// Where the worker writes its next answer, as far as it is known before it is published: kind,
  /// position, and the payload's beginning. Empty while published ones wait.
  std::optional<answer> unpublished() const noexcept;

  /// The host is about to sleep: answers ring the eventfd. False: look again, some came.
  bool arm() noexcept;
  void disarm() noexcept;
  bool armed() const noexcept { return (sleep_epoch_ & 1) != 0; }

  /// Whether the worker tells of spans.
  void set_watched(bool on) noexcept {
    mine_->watched.store(on ? 1 : 0, std::memory_order_relaxed); // a hint
  }

  /// Asks the worker to end once it is idle.
  void request_stop() noexcept;
  /// Asks the task at this position to stop; no_position: every task.
  void request_task_stop(position p) noexcept;

private:
  enum class peeked : std::uint8_t { none, some, bad };
  peeked peek(answer& a) noexcept;
  void advance() noexcept { read_ += peeked_size_; }
  void release() noexcept;
  void ring() noexcept;
  bool goes_inline(std::size_t body_bytes) const noexcept;
  bool write_body(const unit& u, frame_header& header, int control, segment_inbox& inbox);
  bool send_descriptors(const unit& u, frame_header& header, int control, segment_inbox& inbox);
  bool send_segment(const argument_segments::lease& lease, int control,
                    segment_inbox& inbox) const noexcept;
  std::byte* ring_end() const noexcept {
    return host_.ring() + (write_ & (host_.ring_bytes() - 1));
  }
  frame_header make_header(const unit& u, std::int64_t limit) const noexcept;

  segment host_;
  segment worker_;
  unique_fd event_;
  host_page* mine_;
  const worker_page* theirs_;
  std::uint64_t base_;
  flight flight_;
  argument_segments segments_;
  std::uint64_t write_ = 0; ///< bytes of frames written
  std::uint64_t read_ = 0;  ///< bytes of answers read
  std::uint64_t known_tail_ = 0;
  std::size_t peeked_size_ = 0;
  std::atomic<std::uint64_t> consumed_{0}; ///< read_, for has_answers
  std::uint32_t parcels_ = 0;              ///< sent
  std::uint32_t rung_epoch_ = 0;
  std::uint32_t bell_ = 0;
  std::uint32_t sleep_epoch_ = 0;
};

} // namespace bulkhead::runtime
