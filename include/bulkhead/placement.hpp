#pragma once

#include <string>
#include <utility>

namespace bulkhead {

/// Where pool::spawn puts an actor, as its first argument:
///
///     pool.spawn(bulkhead::placement::own_process, codec);
///     pool.spawn(bulkhead::placement::by_key("customer 7"), account);
struct placement {
  enum class kind {
    balanced, ///< the worker with the fewest actors (default)
    key,      ///< actors of one key share a worker
    own,      ///< a worker of its own, which ends with the actor's last handle
  };

  kind where = kind::balanced;
  std::string text = {}; ///< of kind::key

  static const placement own_process;
  static placement by_key(std::string key) { return {kind::key, std::move(key)}; }
};

inline const placement placement::own_process{placement::kind::own};

} // namespace bulkhead
