#pragma once

#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace bulkhead::actors {

/// What the library keeps for each prepared system: the functions to run when it shuts down.
class host_record {
public:
  std::shared_ptr<void> at_shutdown(std::function<void()> f);
  void run_all();

  static std::shared_ptr<host_record> of(const caf::actor_system& system);
  /// The newest entry of a system wins; leave() removes only its own.
  static std::shared_ptr<host_record> enter(const caf::actor_system& system);
  static void leave(const caf::actor_system& system, const host_record* record);

private:
  using entry = std::function<void()>;
  std::mutex mutex_;
  std::vector<std::weak_ptr<entry>> entries_;
  bool over_ = false;
};

} // namespace bulkhead::actors
