#pragma once

#include "runtime/channel/channel_layout.hpp"
#include "runtime/dispatch/unit.hpp"

#include <bulkhead/detail/validated.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace bulkhead::runtime {

/// A frame in flight: sent to the worker and not fully answered.
struct flown_frame {
  std::unique_ptr<unit> work; ///< null once all its unanswered items were taken back
  std::uint32_t items = 0;
  std::uint64_t ring_end = 0; ///< ring bytes up to here are free once the frame is answered
};

/// The host's side of claim and recall for one channel: which frames are out, what the worker has
/// answered, what was taken back. Pure bookkeeping over the shared words: no system call, no clock.
/// Guarded by the pool's lock. Follows docs/wire_format.md, section "claim and recall".
class flight {
public:
  flight(host_page& mine, const worker_page& theirs, std::uint64_t base);

  /// No frame may be published while a recall stands, nor near the end of the sequence numbers.
  bool may_publish() const noexcept { return recalled_ == no_position && sent_ < max_sequence - 1; }
  bool exhausted() const noexcept { return sent_ >= max_sequence - 1; }
  bool empty() const noexcept { return frames_.empty(); }
  std::size_t frames() const noexcept { return frames_.size(); }
  std::uint64_t sent() const noexcept { return sent_; }
  position next() const noexcept { return make_position(next_seq_, next_item_); }

  /// Room for the record of one more frame; publish or undo_prepare follows. False: no memory.
  bool prepare() noexcept;
  void undo_prepare() noexcept { frames_.pop_back(); }
  /// Records a frame whose bytes are in the ring and publishes it. Returns its sequence number.
  std::uint64_t publish(std::unique_ptr<unit> work, std::uint64_t ring_end) noexcept;

  /// The unit of the first unanswered item; null: nothing is in flight, or it was taken back.
  unit* front() const noexcept { return frames_.empty() ? nullptr : frames_.front().work.get(); }

  /// The first item of the first frame whose unit is `wanted`, or no_position.
  template <class Wanted>
  position find_work(Wanted&& wanted) const {
    for (std::size_t i = 0; i < frames_.size(); ++i)
      if (frames_[i].work != nullptr && wanted(*frames_[i].work))
        return make_position(next_seq_ + i, 0);
    return no_position;
  }
  template <class F>
  void for_each_work(F&& f) const {
    for (const auto& frame : frames_)
      if (frame.work != nullptr)
        f(*frame.work);
  }

  /// The position that follows.
  position after(position p) const noexcept;

  /// How much lies behind the first unanswered item, is the worker's, and may be taken back: at
  /// least so many items, 0 for none. Exact where each frame has one item.
  std::size_t items_behind() const noexcept {
    if (frames_.empty() || !may_publish())
      return 0; // what a standing recall has left is not the worker's
    return frames_.size() - 1 + (frames_.front().items - static_cast<std::size_t>(next_item_) - 1);
  }

  /// True while the item is the worker's: not answered, not taken back.
  bool is_sent(position p) const noexcept { return p >= next() && p < taken_; }

  /// Takes back every frame and item from `p` on that the worker provably has not begun. `take(
  /// work, first_item, owner)` is called for each frame concerned, in order: the worker loses the
  /// items from first_item on. `owner` holds the unit where nothing unanswered of it stays with the
  /// worker, and is null otherwise.
  template <class Take>
  void recall(position p, Take&& take) {
    const auto from = announce_recall(p);
    give_back_from(from, sequence_after(), take);
    if (from < taken_)
      taken_ = from;
  }

  /// An answer for one item. Empty when the worker has no right to send it: a bad message.
  struct answered {
    unit* work;
    std::uint32_t item;
    std::unique_ptr<unit> owner; ///< of the unit, where this was its last unanswered item here
  };
  std::optional<answered> accept_result(position p) { return accept_results(p, 1); }
  /// The same for `count` items of one frame, from `p` on; `item` is the first of them.
  std::optional<answered> accept_results(position p, std::uint64_t count);

  /// The worker gives back [k, e): what was recalled, or where it `may_always`. Whoever gave back
  /// unasked could do so for ever. False: a bad message. `give` as `take` above.
  template <class Give>
  bool accept_returned(position k, std::uint64_t e, bool may_always, Give&& give) {
    if (!detail::validated("returned.position", k == next())
        || !detail::validated("returned.asked", may_always || k >= recalled_)
        || !detail::validated("returned.end_ahead", e > next_seq_)
        || !detail::validated("returned.end_sent", e <= sent_))
      return false;
    give_back_from(k, e, give);
    forget_up_to(e);
    lift_if_answered();
    return true;
  }

  /// After the worker's death, when its answers are drained. `give` is called for what goes
  /// elsewhere, then `casualty(owner, item)` for the item that had started. False: the record is
  /// inconsistent, nothing was called, and everything in flight must be treated as maybe executed.
  template <class Casualty, class Give>
  bool bury(Casualty&& casualty, Give&& give) {
    const auto claim = theirs_.claim.load(std::memory_order_acquire); // dead: all stores visible
    if (!record_is_valid(claim))
      return false;
    const auto at = next();
    const bool hit = !frames_.empty() && position_of(claim) == at && at < taken_
                     && phase_of(claim) == claim_phase::started;
    give_back_from(hit ? after(at) : at, sequence_after(), give);
    if (hit)
      casualty(std::move(frames_.front().work), static_cast<std::uint32_t>(item_of(at)));
    forget_up_to(sent_);
    return true;
  }

  /// Calls `f(work, first_item, owner)` for all that is the worker's; for a worker that lied.
  template <class F>
  void abandon(F&& f) {
    give_back_from(next(), sequence_after(), f);
    forget_up_to(sent_);
  }

  /// Where ring bytes are free up to: all before it are answered.
  std::uint64_t freed() const noexcept { return freed_; }

private:
  std::uint64_t sequence_after() const noexcept { return sent_; }
  position announce_recall(position p);
  bool record_is_valid(std::uint64_t claim) const noexcept;
  void pop_front();
  void forget_up_to(std::uint64_t seq);
  void lift_if_answered();

  /// Calls `f` for the items in [from, (end, 0)) that are the worker's.
  template <class F>
  void give_back_from(position from, std::uint64_t end, F&& f) {
    for (auto seq = next_seq_; seq < end; ++seq) {
      auto& frame = frames_[static_cast<std::size_t>(seq - next_seq_)];
      auto first = make_position(seq, seq == next_seq_ ? next_item_ : 0);
      first = first < from ? from : first;
      if (frame.work == nullptr || sequence_of(first) != seq || first >= taken_)
        continue;
      const auto item = static_cast<std::uint32_t>(item_of(first));
      if (item >= frame.items)
        continue;
      const bool whole = item == (seq == next_seq_ ? next_item_ : 0);
      auto& work = *frame.work;
      f(work, item, whole ? std::move(frame.work) : nullptr);
    }
  }

  host_page& mine_;
  const worker_page& theirs_;
  std::deque<flown_frame> frames_; // front: next_seq_
  std::uint64_t sent_;             // own copy of mine_.tail
  std::uint64_t next_seq_;         // first unanswered position
  std::uint64_t next_item_ = 0;
  position recalled_ = no_position; // own copy of mine_.recall
  position taken_ = no_position;    // all in-flight positions from here on were taken back
  std::uint64_t upto_ = 0;          // the recall stands until all frames below are answered
  std::uint64_t freed_ = 0;
};

} // namespace bulkhead::runtime
