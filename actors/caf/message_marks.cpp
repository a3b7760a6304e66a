#include "actors/caf/message_marks.hpp"

#include "actors/caf/failure_error.hpp"

#include <bulkhead/deadline.hpp>

#include <caf/actor_cast.hpp>

#include <algorithm>

namespace bulkhead::actors {

namespace {

constinit std::atomic<std::uint64_t> own_count{0};
constinit std::atomic<std::uint64_t>* count = &own_count; // written before there are other threads

} // namespace

message_marks& marks_scope::current() noexcept {
  thread_local message_marks marks;
  return marks;
}

bool is_over(message_marks::time_point deadline) noexcept {
  return deadline != message_marks::time_point::max()
         && deadline <= message_marks::time_point::clock::now();
}

std::uint64_t encode_deadline(message_marks::time_point deadline) noexcept {
  if (deadline == message_marks::time_point::max())
    return 0;
  const std::chrono::nanoseconds since = deadline.time_since_epoch();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(since.count(), 1));
}

message_marks::time_point decode_deadline(std::uint64_t ns) noexcept {
  using time_point = message_marks::time_point;
  const auto most = static_cast<std::uint64_t>(time_point::max().time_since_epoch().count());
  return ns == 0 || ns > most ? time_point::max()
                              : time_point{std::chrono::nanoseconds{static_cast<std::int64_t>(ns)}};
}

// relaxed throughout: a number for people, which orders nothing.
std::uint64_t expired_here() noexcept { return count->load(std::memory_order_relaxed); }

void count_expired_in(std::atomic<std::uint64_t>& word) noexcept { count = &word; }

caf::error expired_answer() {
  count->fetch_add(1, std::memory_order_relaxed); // see above
  failure f;
  f.kind = failure_kind::timeout;
  f.message = "the deadline of the request had passed before it was begun";
  return to_error(f);
}

} // namespace bulkhead::actors

namespace bulkhead::detail {

using actors::marks_scope;

deadline_scope::deadline_scope(std::chrono::nanoseconds timeout, const caf::strong_actor_ptr& who)
  : before_(marks_scope::current().deadline) {
  const auto now = time_point::clock::now();
  const auto own = timeout < time_point::max() - now ? now + timeout : time_point::max();
  until_ = std::min(own, actors::marks_in_hand(who).deadline);
  marks_scope::current().deadline = until_;
}

deadline_scope::~deadline_scope() { marks_scope::current().deadline = before_; }

std::chrono::nanoseconds deadline_scope::left() const noexcept {
  return std::max<std::chrono::nanoseconds>(until_ - time_point::clock::now(),
                                            std::chrono::nanoseconds{0});
}

std::optional<std::chrono::steady_clock::time_point> deadline_in_hand(
  const caf::strong_actor_ptr& who) noexcept {
  const auto deadline = actors::marks_in_hand(who).deadline;
  return deadline == actors::message_marks::time_point::max() ? std::nullopt
                                                              : std::optional{deadline};
}

} // namespace bulkhead::detail
