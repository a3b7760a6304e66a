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
  /// One more reference is on its way. A null actor is one that has gone already: the peer counts
  /// the reference all the same.
  void add(const actor_key& key, const caf::strong_actor_ptr& actor);
  /// Null where the peer was not told of it, or has given it back, or it had gone before.
  caf::strong_actor_ptr find(const actor_key& key) const;
  /// Whether the peer wants to know its end.
  bool monitors(const actor_key& key) const;
  /// The peer wants to know its end. False where unknown.
  bool monitor(const actor_key& key);
  /// True once for each time the peer wanted to know.
  bool take_monitor(const actor_key& key);
  /// The same for all actors of one process.
  std::vector<actor_key> take_monitors(peer_id owner);

  enum class released { kept, gone, unknown };
  /// The peer gave back `count` references. `observed`: monitors and links outlive its handles, so
  /// it is to be told of the end nevertheless. `gone` is to be destroyed without locks.
  released release(const actor_key& key, std::uint64_t count, bool observed,
                   caf::strong_actor_ptr& gone);

  /// The peer is gone: takes all. What is added later is not kept.
  std::vector<caf::strong_actor_ptr> take();
  std::size_t size() const;

private:
  struct entry {
    caf::strong_actor_ptr actor;
    std::uint64_t count = 0;
    bool monitored = false;
  };
  using table = std::unordered_map<actor_key, entry, actor_key_hash>;
  /// The wish is heard; who has no references either is forgotten.
  table::iterator heard(table::iterator i);

  mutable runtime::adaptive_mutex mutex_; ///< guards what follows
  bool over_ = false;
  table entries_; ///< without references: only the wish to be told of the end is left
};

} // namespace bulkhead::actors
