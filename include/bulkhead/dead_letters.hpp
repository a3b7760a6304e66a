#pragma once

#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <string>

namespace bulkhead {

/// Hears, as long as it lives, of each plain message, no request, that the host of a system could
/// not pass on, and why: those that pool_stats::dead_letters counts. The last one made hears. Goes
/// before the system.
class dead_letter_watch {
public:
  /// `f` runs on a thread of the library, in order, and not after this object has gone; where more
  /// than 1024 wait for it, further ones are only counted. Throws config_error for a system that
  /// did not go through configure().
  dead_letter_watch(caf::actor_system& system, std::function<void(const std::string& why)> f);
  /// Waits for a running `f`; not within it.
  ~dead_letter_watch();
  dead_letter_watch(const dead_letter_watch&) = delete;
  dead_letter_watch& operator=(const dead_letter_watch&) = delete;

private:
  struct listener;
  std::shared_ptr<void> hub_; ///< of the system, which lives as long as somebody holds it
  std::shared_ptr<listener> listener_;
};

} // namespace bulkhead
