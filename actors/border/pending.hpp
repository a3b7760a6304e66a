#pragma once

#include "actors/border/request_watch.hpp"
#include "runtime/system/adaptive_mutex.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/message_id.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace bulkhead::actors {

/// The requests that went into one link and have no answer yet. CAF itself leaves such requests
/// waiting for ever when the peer dies. Thread-safe.
class pending_table {
public:
  struct entry {
    caf::strong_actor_ptr sender; ///< null: no request
    caf::message_id mid;          ///< of the request
    std::uint64_t piece = 0;      ///< the peer has it when it has popped so many pieces
    std::shared_ptr<request_watch> watch;
  };

  /// An entry with neither a request nor a watch is ignored.
  void add(entry e, std::uint64_t popped);
  /// An answer for `to` passed, or the request itself came back to this side; null where unknown.
  void answered(const caf::strong_actor_ptr& to, caf::message_id mid);
  bool waits(const caf::strong_actor_ptr& sender, caf::message_id mid) const;
  /// Takes one request back; false where it is not there any more.
  bool withdraw(const caf::strong_actor_ptr& sender, caf::message_id mid);
  /// Takes all, requests and watched messages, in the order in which they were sent.
  std::vector<entry> take();
  std::size_t requests() const;

private:
  struct key {
    const void* sender;
    std::uint64_t number;
    bool operator==(const key&) const = default;
  };
  struct hash {
    std::size_t operator()(const key& k) const noexcept {
      return std::hash<const void*>{}(k.sender) ^ (k.number * 0x9e3779b97f4a7c15u);
    }
  };
  static key key_of(const caf::strong_actor_ptr& sender, caf::message_id mid) {
    return {sender.get(), mid.request_id().integer_value()};
  }
  void sweep(std::vector<entry>& gone);

  mutable runtime::adaptive_mutex mutex_;
  std::unordered_map<key, entry, hash> requests_;
  std::deque<entry> messages_; ///< watched messages that are no requests, oldest first
  std::size_t sweep_at_ = 1024;
};

} // namespace bulkhead::actors
