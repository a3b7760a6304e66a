#pragma once

#include <caf/actor.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/message.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace bulkhead::systems {

/// Talks to actors in messages whose types are known at run time only, from threads that are no
/// actors. Thread-safe. Lives no longer than its system.
class asker {
public:
  using clock = std::chrono::steady_clock;
  using number = std::uint64_t; ///< of a request

  explicit asker(caf::actor_system& system);
  ~asker();
  asker(const asker&) = delete;
  asker& operator=(const asker&) = delete;

  void tell(const caf::actor& whom, caf::message what);
  /// Each begun request is to be forgotten.
  number begin(const caf::actor& whom, caf::message what);
  /// The answer, which may be a caf::error; empty where there is none by then, or after give_up().
  std::optional<caf::message> wait(number request, clock::time_point until);
  void forget(number request);
  /// From now on nobody waits.
  void give_up();

private:
  class desk;
  caf::strong_actor_ptr desk_;
};

/// Sends a signal (0: none) to the worker process of an actor; of a supervised child to that of its
/// incarnation. Its pid; 0 where there is nobody, and for actors that live in no worker. Only in
/// the host.
pid_t signal_worker_of(const caf::actor& actor, int number);

} // namespace bulkhead::systems
