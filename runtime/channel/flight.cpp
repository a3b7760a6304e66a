#include "runtime/channel/flight.hpp"

#include <cassert>
#include <new>

// The units that one worker has, in the order in which they were sent: the host's part of claim and
// recall (docs/wire_format.md). Under the pool's lock, without I/O, model-checked in tests/models.
namespace bulkhead::runtime {

using detail::validated;

flight::flight(host_page& mine, const worker_page& theirs, std::uint64_t base)
  : mine_(mine), theirs_(theirs), sent_(base), next_seq_(base) {}

bool flight::prepare() noexcept try {
  frames_.emplace_back();
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

std::uint64_t flight::publish(std::unique_ptr<unit> work, std::uint64_t ring_end) noexcept {
  assert(may_publish() && frames_.size() == sent_ - next_seq_ + 1);
  const auto items = work->items;
  frames_.back() = {std::move(work), items, ring_end};
  const auto seq = sent_++;
  // seq_cst: partner of the worker's sleep flag; it also orders a lifted recall before the frame.
  mine_.tail.store(sent_, std::memory_order_seq_cst);
  return seq;
}

position flight::announce_recall(position p) {
  assert(p >= next());
  if (p < recalled_) {
    recalled_ = p;
    // Sync point "host recalls"; seq_cst: either "worker claims" sees it, or "host looks" sees
    // the claim.
    mine_.recall.store(p, std::memory_order_seq_cst);
  }
  // The recall stands for all that is sent by now; a frame published under it would be given back
  // as well.
  upto_ = sent_;
  // Sync point "host looks"; seq_cst: partner of "worker claims", which is made for each item.
  const auto claimed = position_of(theirs_.claim.load(std::memory_order_seq_cst));
  if (claimed < p)
    return p;
  // A claim beyond what is in flight is a lie; then nothing here is provably unstarted.
  return validated("claim.recall_sent", sequence_of(claimed) < sent_) ? after(claimed)
                                                                      : make_position(sent_, 0);
}

position flight::after(position p) const noexcept {
  const auto seq = sequence_of(p);
  if (seq >= next_seq_ && seq < sent_) {
    const auto& frame = frames_[static_cast<std::size_t>(seq - next_seq_)];
    if (item_of(p) + 1 < frame.items)
      return make_position(seq, item_of(p) + 1);
  }
  return make_position(seq + 1, 0);
}

std::optional<flight::answered> flight::accept_results(position p, std::uint64_t count) {
  const auto left = frames_.empty() ? 0 : frames_.front().items - next_item_;
  if (!validated("result.position", p == next())
      || !validated("result.in_flight", count != 0 && count <= left)
      || !validated("result.not_taken", p + (count - 1) * item_step < taken_))
    return std::nullopt;
  auto& frame = frames_.front();
  answered a{frame.work.get(), static_cast<std::uint32_t>(next_item_), nullptr};
  next_item_ += count;
  if (next_item_ == frame.items) {
    a.owner = std::move(frame.work);
    pop_front();
  } else if (make_position(next_seq_, next_item_) >= taken_)
    a.owner = std::move(frame.work); // the rest lives elsewhere
  lift_if_answered();
  return a;
}

bool flight::record_is_valid(std::uint64_t claim) const noexcept {
  const auto at = next();
  if (claim == 0 || position_of(claim) < at)
    return true; // between two frames, or what it returned last
  if (!validated("claim.position", position_of(claim) == at)
      || !validated("claim.in_flight", next_seq_ < sent_)
      || !validated("claim.phase", phase_of(claim) != claim_phase::none))
    return false;
  // A first item that started although it had been taken back breaks the protocol; a later one
  // stores its claim before it looks at the recall.
  const bool ran_taken =
    phase_of(claim) == claim_phase::started && item_of(at) == 0 && at >= taken_;
  return validated("claim.not_taken", !ran_taken);
}

void flight::pop_front() {
  // The ring is freed by the answer, as the worker reads its arguments in place.
  freed_ = frames_.front().ring_end;
  frames_.pop_front();
  ++next_seq_;
  next_item_ = 0;
}

void flight::forget_up_to(std::uint64_t seq) {
  while (next_seq_ < seq)
    pop_front();
}

void flight::lift_if_answered() {
  if (recalled_ == no_position || next_seq_ < upto_)
    return;
  recalled_ = no_position;
  taken_ = no_position;
  // release: the store of tail that publishes the next frame comes after it.
  mine_.recall.store(no_position, std::memory_order_release);
}

} // namespace bulkhead::runtime
