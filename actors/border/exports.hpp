#pragma once

#include "actors/wire/frame.hpp"
#include "runtime/system/adaptive_mutex.hpp"

#include <caf/actor_control_block.hpp>

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace bulkhead::actors {

/// Names an actor across processes.
struct actor_key {
  peer_id peer = 0;
  caf::actor_id id = 0;
  bool operator==(const actor_key&) const = default;
};

struct actor_key_hash {
  std::size_t operator()(const actor_key& k) const noexcept {
    return static_cast<std::size_t>((k.peer * 0x9e3779b97f4a7c15u) ^ k.id);
  }
};

/// The actors that one peer knows, and how often it was told each: the peer counts what it
/// received and gives it back when its last handle is gone, so a handle that is on its way keeps
/// the actor. The peer may name these actors and no others. Thread-safe.
class exports {
public:
  /// One more reference is on its way.
  void add(const actor_key& key, const caf::strong_actor_ptr& actor);
  /// True once in a key's life here: CAF's registry must know it now. False too where unknown.
  bool publish(const actor_key& key);
  /// Null where the peer was not told of it.
  caf::strong_actor_ptr find(const actor_key& key) const;
  /// The peer wants to know its end. False where unknown.
  bool monitor(const actor_key& key);
  /// True once for each time the peer wanted to know.
  bool take_monitor(const actor_key& key);

  enum class released { kept, gone, unknown };
  struct dropped {
    caf::strong_actor_ptr actor; ///< to be destroyed without locks
    bool published = false;
  };
  /// The peer gave back `count` references.
  released release(const actor_key& key, std::uint64_t count, dropped& gone);

  std::vector<dropped> take();
  std::size_t size() const;

private:
  struct entry {
    caf::strong_actor_ptr actor;
    std::uint64_t count = 0;
    bool monitored = false;
    bool published = false;
  };
  mutable runtime::adaptive_mutex mutex_;
  std::unordered_map<actor_key, entry, actor_key_hash> entries_;
};

} // namespace bulkhead::actors
