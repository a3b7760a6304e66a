#pragma once

#include "actors/wire/frame.hpp"

#include <utility>

namespace bulkhead::actors {

/// While one lives in a thread, the message in hand came from that process, whatever it says of its
/// sender: a worker may pass on a request of an actor that it knows. Elsewhere: the own process.
class peer_scope {
public:
  explicit peer_scope(peer_id from) noexcept : before_(std::exchange(current(), from)) {}
  ~peer_scope() { current() = before_; }
  peer_scope(const peer_scope&) = delete;
  peer_scope& operator=(const peer_scope&) = delete;

  static peer_id& current() noexcept {
    thread_local peer_id peer = host_peer;
    return peer;
  }

private:
  const peer_id before_;
};

} // namespace bulkhead::actors
