#pragma once

#include <bulkhead/spawn_pool_info.hpp>

#include <caf/actor.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bulkhead {

/// Counters of a spawn_pool since it was made. A part of a message to several instances does not
/// count in `messages`.
struct instance_pool_stats {
  std::size_t instances = 0;  ///< that are wanted
  std::size_t serving = 0;    ///< that serve now
  std::uint64_t messages = 0; ///< that came, requests and plain ones
  std::uint64_t refused = 0;  ///< that no instance got: an error to the requester, a dead letter
  std::uint64_t moved = 0;    ///< that went on to another instance because theirs died first
  std::uint64_t restarts = 0; ///< instances that ended unasked and were started again
  std::size_t waiting = 0;    ///< messages that wait for an instance now
  std::size_t unanswered = 0; ///< messages that instances have now, and have not answered
};

/// What a spawn_pool can be asked besides being sent to:
///
///     bulkhead::instance_pool workers{bulkhead::spawn_pool(system, options, behavior)};
///
/// A handle, as the actor is: copies are the same pool, and it ends with the last one of both
/// kinds. Thread-safe.
class instance_pool {
public:
  /// Of the actor that spawn_pool returned, or of the supervised child that stands for it now.
  /// Throws config_error for any other actor, and outside its host.
  explicit instance_pool(const caf::actor& front);

  const caf::actor& actor() const noexcept { return front_; }
  operator caf::actor() const { return front_; } // NOLINT(*-explicit-*): it stands for the actor

  instance_pool_stats stats() const;
  /// By their numbers; those that are leaving, too.
  std::vector<instance_info> instances() const;

  /// From now on so many instances, 1 to 4096. New ones are started, with the behaviour's first
  /// arguments, and serve when they are ready. Those with the highest numbers leave: they get
  /// nothing new and end when they have answered what they have. With distribution::by_key most
  /// keys stay where they are. Returns at once. Throws config_error for other numbers, and
  /// pool_closed.
  void resize(std::size_t n);

  /// Takes no more messages: requests get pool_closed. What has come is answered, then the
  /// instances end, and with exit_reason::user_shutdown the actor. Returns at once; a monitor of
  /// the actor hears when it is done. Who does not want to wait sends the actor an exit message.
  void close();

private:
  caf::actor front_;
};

} // namespace bulkhead
