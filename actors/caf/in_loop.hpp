#pragma once

#include "actors/caf/ready_queue.hpp"
#include "actors/caf/worker_core.hpp"

#include <cstdint>
#include <utility>

namespace bulkhead::actors {

/// While one lives in a thread, the thread runs an actor of a loop, and with it all others of the
/// process: whoever waits for an answer here would wait for ever. A blocking actor of CAF that
/// would wait without a limit throws std::runtime_error instead.
class running_scope {
public:
  running_scope() noexcept : before_(std::exchange(active(), true)) { ++turn(); }
  ~running_scope() { active() = before_; }
  running_scope(const running_scope&) = delete;
  running_scope& operator=(const running_scope&) = delete;

  static bool& active() noexcept;
  /// Which one it is, of this thread; elsewhere always the same.
  static std::uint64_t& turn() noexcept;

private:
  const bool before_;
};

/// The answer to a request of a blocking actor in such a thread. `sent`: the request is on its way.
caf::error refusal_to_block(bool sent);

/// Stands in for CAF's blocking printer actor, which would need a thread: writes whole lines. CAF's
/// default handler for unexpected messages prints too, so a system without a printer crashes.
caf::behavior loop_printer(caf::event_based_actor* self);

} // namespace bulkhead::actors
