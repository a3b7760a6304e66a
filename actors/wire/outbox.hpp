#pragma once

#include "actors/caf/version.hpp"
#include "actors/wire/transport.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>

namespace bulkhead::actors {

/// Frames on their way into a transport: what has no room or no credit waits here. Frames keep
/// their order, except that where credit is used an answer goes before what waits for credit, and
/// takes along what its sender sent to the same receiver before: each pair keeps its order, and no
/// answer waits for credit that is given back only after it. Not thread-safe; the link guards it.
class outbox {
public:
  /// Who writes to whom. One without a destination keeps no order of its own: a control frame,
  /// before which everything goes that was sent before it, unless it overtakes alone.
  struct lane {
    std::uint64_t source = 0;
    std::uint64_t dest_peer = 0;
    std::uint64_t dest = 0;
    bool operator==(const lane&) const = default;
    bool is_one() const noexcept { return dest != 0; }
  };
  struct item {
    byte_buf bytes;
    bool counted = false;        ///< needs credit of the peer
    bool overtakes = false;      ///< somebody waits for it: goes before what waits for credit
    lane pair = {};              ///< whose order it keeps
    std::shared_ptr<void> token; ///< kept until the frame is in the transport
  };

  /// `window`: how many counted frames may be unprocessed at the peer; 0: any number. `bytes`: how
  /// many bytes of them, which the last of them may exceed.
  outbox(transport& out, std::uint64_t window, std::uint64_t bytes)
    : out_(out), window_(window), window_bytes_(bytes) {}

  /// How many pieces will have been queued with this frame, if it is the next: it has reached the
  /// peer when transport::peer_popped() is not below.
  std::uint64_t number_of(const item& frame) const noexcept;
  /// Takes the frame. Where it went out at once, `frame.bytes` is left to the caller.
  void push(item& frame);
  /// Moves on what can move; true when nothing waits.
  bool flush();

  /// How many frames wait; any thread may ask. Who is woken because of a frame sees it counted.
  std::size_t waiting() const noexcept { return count_.load(std::memory_order_relaxed); }
  /// Bytes of the frames that wait, the one that is going out included; any thread may ask.
  std::size_t waiting_bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  /// Takes what waits; for a link that died.
  std::deque<item> take();

private:
  struct lane_hash {
    std::size_t operator()(const lane& l) const noexcept {
      return (l.source * 0x9e3779b97f4a7c15u) ^ (l.dest_peer * 0xbf58476d1ce4e5b9u) ^ l.dest;
    }
  };
  bool advance(const item& frame);
  bool has_credit(const item& frame) const noexcept;
  bool may_go(const std::deque<item>& from) const noexcept;
  std::deque<item>* next() noexcept;
  void waits(item&& frame, std::deque<item>& where);
  void first_left(std::deque<item>& where);
  void take_along(const lane& pair);
  bool counts_lane(const item& frame, const std::deque<item>& where) const noexcept {
    return &where == &waiting_ && window_ != 0 && frame.pair.is_one();
  }

  transport& out_;
  const std::uint64_t window_;
  const std::uint64_t window_bytes_;
  std::deque<item> waiting_;
  std::deque<item> express_;            ///< answers and what they took along; need no credit
  std::deque<item>* leaving_ = nullptr; ///< whose first frame is in part in the transport
  std::unordered_map<lane, std::size_t, lane_hash> lanes_; ///< of waiting_, how many frames
  std::atomic<std::size_t> count_ = 0; ///< of both; raised before the wish to be woken
  std::atomic<std::size_t> bytes_ = 0; ///< of both; relaxed: a bound, not a hand-over
  std::size_t done_ = 0; ///< bytes of the first waiting frame that are in the transport
  std::uint64_t pieces_ = 0;
  std::uint64_t counted_ = 0; ///< counted frames that went out
  std::uint64_t counted_bytes_ = 0;
};

} // namespace bulkhead::actors
