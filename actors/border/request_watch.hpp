#pragma once

#include <caf/error.hpp>

#include <cstdint>

namespace bulkhead::actors {

/// Follows one message on its way to a process: the pools' bookkeeping. Exactly one of the calls
/// happens; for a message that is no request, answered() means that the process took it.
class request_watch {
public:
  virtual ~request_watch() = default;
  virtual void answered() = 0;
  /// The process died first. `delivered`: it may have seen the message. True: the watch took the
  /// message over; false: the requester gets `reason`.
  virtual bool lost(const caf::error& reason, bool delivered) = 0;
  /// See message_marks::number.
  virtual std::uint64_t number() const noexcept { return 0; }
};

} // namespace bulkhead::actors
