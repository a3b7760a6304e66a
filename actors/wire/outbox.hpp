#pragma once

#include "actors/caf/version.hpp"
#include "actors/wire/transport.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <utility>

namespace bulkhead::actors {

/// Frames on their way into a transport, in order: what has no room or no credit waits here. Not
/// thread-safe; the link guards it.
class outbox {
public:
  struct item {
    byte_buf bytes;
    bool counted = false;        ///< needs credit of the peer
    std::shared_ptr<void> token; ///< kept until the frame is in the transport
  };

  /// `window`: how many counted frames may be unprocessed at the peer; 0: any number.
  outbox(transport& out, std::uint64_t window) : out_(out), window_(window) {}

  /// How many pieces will have been queued with this frame, if it is the next: it has reached the
  /// peer when transport::peer_popped() is not below.
  std::uint64_t number_of(const item& frame) const noexcept;
  /// Takes the frame. Where it went out at once, `frame.bytes` is left to the caller.
  void push(item& frame);
  /// Moves on what can move; true when nothing waits.
  bool flush();

  /// How many frames wait; any thread may ask. Who is woken because of a frame sees it counted.
  std::size_t waiting() const noexcept { return count_.load(std::memory_order_relaxed); }
  /// Takes what waits, in order; for a link that died.
  std::deque<item> take();

private:
  bool advance(const item& frame);
  bool has_credit(const item& frame) const noexcept;

  transport& out_;
  const std::uint64_t window_;
  std::deque<item> waiting_;
  std::atomic<std::size_t> count_ = 0; ///< of waiting_; raised before the wish to be woken
  std::size_t done_ = 0; ///< bytes of the first waiting frame that are in the transport
  std::uint64_t pieces_ = 0;
  std::uint64_t counted_ = 0; ///< counted frames that went out
};

} // namespace bulkhead::actors
