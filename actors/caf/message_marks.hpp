#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/error.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

namespace bulkhead::actors {

/// What goes with a message from process to process beside its content.
struct message_marks {
  using time_point = std::chrono::steady_clock::time_point;

  /// Of a request: when nobody waits for its answer any more; max(): never. All processes of a
  /// machine have one steady clock.
  time_point deadline = time_point::max();
  /// Of a message to a child whose messages are replayed: its number, 1 or more. Of one from an
  /// actor to the keeper of snapshots: the messages up to this one are done. 0: none.
  std::uint64_t number = 0;

  bool empty() const noexcept { return deadline == time_point::max() && number == 0; }
};

/// While one lives in a thread, messages that the thread sends have these marks: a user's deadline,
/// or those of a message that is passed on.
class marks_scope {
public:
  explicit marks_scope(const message_marks& marks) noexcept
    : before_(std::exchange(current(), marks)) {}
  ~marks_scope() { current() = before_; }
  marks_scope(const marks_scope&) = delete;
  marks_scope& operator=(const marks_scope&) = delete;

  static message_marks& current() noexcept;

private:
  const message_marks before_;
};

/// The marks of the message that an actor works at; in the thread that runs it. Of an answer: the
/// deadline of the request that it answers. On CAF 1.x always empty.
message_marks marks_in_hand(const caf::strong_actor_ptr& actor) noexcept;

bool is_over(message_marks::time_point deadline) noexcept;

/// In a frame: nanoseconds, 0 for never.
std::uint64_t encode_deadline(message_marks::time_point deadline) noexcept;
message_marks::time_point decode_deadline(std::uint64_t ns) noexcept;

/// The answer to a request that was dropped because its deadline had passed. Counts it.
caf::error expired_answer();
/// How many this process has dropped.
std::uint64_t expired_here() noexcept;
/// From now on they are counted in this word. Before there are other threads.
void count_expired_in(std::atomic<std::uint64_t>& word) noexcept;

} // namespace bulkhead::actors
