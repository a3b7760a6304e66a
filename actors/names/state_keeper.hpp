#pragma once

#include "actors/border/exports.hpp"
#include "actors/names/snapshot_store.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace bulkhead::actors {

/// The last snapshot of a supervised child, through all its incarnations.
struct kept_state {
  std::size_t limit = 0; ///< bytes
  std::string bytes;     ///< what follows: guarded by the keeper
  std::uint64_t count = 0;
  std::shared_ptr<snapshot_store> store = {}; ///< null: in memory alone
  std::string path = {};                      ///< in the store
  /// Called, without a lock, when a snapshot was taken that contains the messages to the child up
  /// to this number. Empty: nobody asks.
  std::function<void(std::uint64_t number)> on_contained = {};
};

/// The state of a child that may hand over snapshots of so many bytes; with a store it begins with
/// the last one there. Throws config_error where that cannot be read.
std::shared_ptr<kept_state> make_kept_state(std::size_t limit,
                                            std::shared_ptr<snapshot_store> store,
                                            const std::string& path);

/// Which actors may hand over snapshots now, and whose they are. Invariant: what it has
/// acknowledged is what the next incarnation gets, unless a later snapshot was acknowledged.
/// Thread-safe.
class state_keeper {
public:
  void attach(const actor_key& who, std::shared_ptr<kept_state> where);
  void detach(const actor_key& who);
  /// Calls `done` once: why it was refused; empty: it is kept, in place of the one before. At once,
  /// or where it goes to disk on the store's thread. `contains`: the messages up to this number.
  void keep(const actor_key& who, const std::string& bytes, std::uint64_t contains,
            snapshot_store::done_handler done);

  /// The last one, for the next incarnation.
  std::string read(const kept_state& state) const;
  struct size_fact {
    std::size_t bytes = 0;
    std::uint64_t count = 0; ///< that were kept
  };
  size_fact size_of(const kept_state& state) const;

private:
  std::string take(kept_state& state, const std::string& bytes);

  mutable std::mutex mutex_; ///< guards what follows, and what is kept
  std::unordered_map<actor_key, std::shared_ptr<kept_state>, actor_key_hash> owners_;
};

} // namespace bulkhead::actors
