#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace bulkhead::actors {

/// One end of a channel between two processes that carries byte pieces in order. The link layer
/// above cuts frames into pieces and never sees shared memory.
class transport {
public:
  using time_point = std::chrono::steady_clock::time_point;
  using taker = std::function<void(std::span<const std::byte>)>;

  virtual ~transport() = default;

  /// The largest piece that can ever pass; at least 256.
  virtual std::size_t max_piece() const noexcept = 0;

  /// False: no room now. The peer is woken. One caller at a time.
  virtual bool try_push(std::span<const std::byte> piece) = 0;
  /// Asks the peer to wake this side when it has popped or granted; holds until the next wake.
  virtual void want_wake() noexcept = 0;
  /// How many pieces this side has pushed, and the peer popped of them. What is beyond the second
  /// number was never seen by the peer.
  virtual std::uint64_t pushed() const noexcept = 0;
  virtual std::uint64_t peer_popped() const noexcept = 0;

  /// Passes at most `limit` pieces to `take`, each after its space was given back, so that a piece
  /// that is handed over counts as popped even where the process dies in `take`. One caller at a
  /// time. False: the peer broke the protocol.
  virtual bool pop(std::size_t limit, const taker& take, std::size_t& popped) = 0;

  /// Credit for the peer: how many of its counted messages were processed here, in total, and how
  /// many bytes they had.
  virtual void grant(std::uint64_t total, std::uint64_t bytes) noexcept = 0;
  /// What the peer granted; never more than was sent.
  virtual std::uint64_t granted() const noexcept = 0;
  virtual std::uint64_t granted_bytes() const noexcept = 0;

  /// Sleeps until a piece (unless only woken is wanted), a wake or the deadline. Only the thread
  /// that pops.
  enum class until { piece_or_wake, wake };
  virtual void wait(until what, time_point deadline) = 0;
  /// Ends wait() of this side, from any thread.
  virtual void wake() noexcept = 0;
};

} // namespace bulkhead::actors
