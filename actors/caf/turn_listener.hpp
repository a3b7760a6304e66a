#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead::actors {

/// Told by a worker's loop, in its thread, of each turn of an actor: one message, or a time-out.
class turn_listener {
public:
  virtual ~turn_listener() = default;

  virtual void begins(std::uint64_t actor) noexcept = 0;
  /// `name` is what CAF calls the actor; `mailbox`: messages that wait for it now. True: the
  /// listener wants to hear of its end.
  virtual bool ends(std::uint64_t actor, std::string_view name, std::size_t mailbox) noexcept = 0;
  /// It has ended, in any thread: an actor that nobody knows any more ends without a turn.
  virtual void gone(std::uint64_t actor) noexcept = 0;
};

} // namespace bulkhead::actors
