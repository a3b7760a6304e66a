#pragma once

#include <bulkhead/actors/type_number.hpp>
#include <bulkhead/detail/duration.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

// Requests whose deadline travels. CAF's own request() has a time-out, which ends the requester's
// wait and nothing else: CAF sets it when the message has gone, so the other side does not know it.

namespace bulkhead {

namespace detail {

/// While one lives in a thread, requests to actors of other processes that the thread sends have
/// this deadline.
class deadline_scope {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// From now on `timeout`, or what is left of the message that `who` works at.
  deadline_scope(std::chrono::nanoseconds timeout, const caf::strong_actor_ptr& who);
  ~deadline_scope();
  deadline_scope(const deadline_scope&) = delete;
  deadline_scope& operator=(const deadline_scope&) = delete;

  std::chrono::nanoseconds left() const noexcept; ///< 0 or more

private:
  const time_point before_;
  time_point until_;
};

std::optional<std::chrono::steady_clock::time_point> deadline_in_hand(
  const caf::strong_actor_ptr& who) noexcept;

template <class Self>
Self* requester(Self* self) {
  return self;
}
inline auto* requester(const caf::scoped_actor& self) { return self.ptr(); }

} // namespace detail

/// As CAF's request(), with a deadline: `timeout` from now, or what is left of the deadline of the
/// message that `self` works at, whichever is earlier. The answer comes through then(), await() or
/// receive(). `self`: an actor, or a caf::scoped_actor; at most 292 years.
///
/// The deadline goes with the request wherever it goes, through supervised children, spawn_pools,
/// pool::actor() and other processes. Who gets it too late does not begin it: the requester, if it
/// still waits, gets a failure of kind timeout without may_have_executed. What a handler in a
/// worker asks others meanwhile, also by CAF's own request(), also in the then() of an answer, has
/// the same deadline. A request to an actor of the same process is CAF's alone: it ends the wait.
///
/// On CAF 1.x a handler's own requests inherit nothing, and a request that has reached its actor's
/// mailbox in time is begun.
template <class Self, class Handle, class Rep, class Period, class... Ts>
auto request(const Self& self, const Handle& dest, std::chrono::duration<Rep, Period> timeout,
             Ts&&... xs) {
  auto* who = detail::requester(self);
  const detail::deadline_scope until{detail::to_nanoseconds(timeout),
                                     caf::actor_cast<caf::strong_actor_ptr>(who)};
#if BULKHEAD_CAF_0
  return who->request(dest, until.left(), std::forward<Ts>(xs)...);
#else
  return who->mail(std::forward<Ts>(xs)...).request(dest, until.left());
#endif
}

/// When nobody waits any more for the answer to the message that `self` works at; empty where it
/// has no deadline, or came from the same process. Within a handler only.
template <class Self>
std::optional<std::chrono::steady_clock::time_point> deadline_of(Self* self) {
  return detail::deadline_in_hand(caf::actor_cast<caf::strong_actor_ptr>(self));
}

/// Requests that were dropped because their deadline had passed: by this process since it began,
/// and by all workers that the pools in the system have had. Thread-safe.
std::uint64_t expired_requests(const caf::actor_system& system);

} // namespace bulkhead
