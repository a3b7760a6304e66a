#pragma once

#include <caf/actor.hpp>

#include <cstddef>
#include <vector>

#include <sys/types.h>

namespace bulkhead {

/// A snapshot of one instance behind the actor of a spawn_pool.
struct instance_info {
  std::size_t number = 0;     ///< from 1 on; its successor has it too
  pid_t pid = 0;              ///< of its worker; 0 while there is none
  bool serves = false;        ///< false: it starts, or waits to be started again
  std::size_t unanswered = 0; ///< messages that it has and has not answered
};

/// A snapshot of a spawn_pool.
struct spawn_pool_info {
  std::vector<instance_info> instances;
  std::size_t waiting = 0; ///< messages that wait for an instance
};

/// Of the actor that spawn_pool returned, also where it is a supervised child. Thread-safe. Throws
/// config_error for any other actor, and outside its host.
spawn_pool_info info_of_spawn_pool(const caf::actor& front);

} // namespace bulkhead
