#pragma once

#include "tools/system/system_plan.hpp"

#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace bulkhead::systems {

/// Which faults strike at which message: the same seed and the same messages, the same faults.
/// Thread-safe.
class fault_draw {
public:
  explicit fault_draw(const system_plan& plan);

  struct strike {
    bool kill_before = false;
    bool kill_unanswered = false;
    bool kill_after = false;
    std::chrono::nanoseconds hang{}; ///< 0: none
  };
  /// What happens at the next message to this actor.
  strike next(const std::string& actor);

private:
  struct aimed {
    fault_plan what;
    std::size_t messages = 0; ///< that it has seen
  };
  bool hits(aimed& each);

  std::mutex mutex_; ///< guards what follows
  std::mt19937_64 random_;
  std::vector<aimed> faults_;
};

/// Sets the faults of channels, for workers that start from now on.
void inject_channel_faults(const system_plan& plan);

} // namespace bulkhead::systems
