#pragma once

#include "actors/border/request_watch.hpp"
#include "actors/caf/message_marks.hpp"
#include "actors/wire/frame.hpp"
#include "runtime/system/adaptive_mutex.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/message_id.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
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
    peer_id to = host_peer; ///< where the request goes in the end
    caf::actor_id whom = 0; ///< and to which actor there
    message_marks::time_point deadline = message_marks::time_point::max();
  };
  /// An actor and what it asked without having an answer yet.
  struct asked {
    caf::strong_actor_ptr requester;
    std::vector<caf::message_id> requests;
  };

  /// An entry with neither a request nor a watch is ignored.
  void add(entry e, std::uint64_t popped);
  /// An answer for `to` passed, or the request itself came back to this side. False: nobody waits.
  /// `deadline`: set to that of the request.
  bool answered(const caf::strong_actor_ptr& to, caf::message_id mid,
                message_marks::time_point* deadline = nullptr);
  /// The peer has popped so many pieces: messages among them that are watched are told.
  void popped(std::uint64_t count);
  bool waits(const caf::strong_actor_ptr& sender, caf::message_id mid) const;
  /// The requester waits no more: its own time-out came. Where the request went; empty where it is
  /// not there any more.
  std::optional<peer_id> abandon(const caf::strong_actor_ptr& sender, caf::message_id mid);
  /// True once each time that the table has grown so much that a look for abandoned requests is
  /// worth it: the looks together cost a constant for each request.
  bool take_crowded() noexcept;
  /// All requests, by who made them.
  std::vector<asked> by_requester() const;
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
  void take_popped(std::uint64_t count, std::vector<entry>& gone);

  mutable runtime::adaptive_mutex mutex_;
  std::unordered_map<key, entry, hash> requests_;
  std::deque<entry> messages_; ///< watched messages that are no requests, oldest first
  static constexpr std::size_t small = 1024;
  std::size_t sweep_at_ = small;
  std::atomic<bool> crowded_ = false;
};

} // namespace bulkhead::actors
