#include "actors/wire/outbox.hpp"

#include <algorithm>
#include <iterator>

namespace bulkhead::actors {

namespace {

std::span<const std::byte> bytes_of(const byte_buf& buf) noexcept {
  return {reinterpret_cast<const std::byte*>(buf.data()), buf.size()};
}

} // namespace

std::uint64_t outbox::number_of(const item& frame) const noexcept {
  const auto piece = out_.max_piece();
  return pieces_ + (frame.bytes.size() + piece - 1) / piece;
}

void outbox::push(item& frame) {
  pieces_ = number_of(frame);
  const bool first = waiting() == 0;
  if (first && has_credit(frame) && advance(frame))
    return;
  const bool overtakes = !first && frame.overtakes && window_ != 0;
  if (overtakes)
    take_along(frame.pair);
  waits(std::move(frame), overtakes ? express_ : waiting_);
  frame = {};
  if (first && done_ != 0)
    leaving_ = &waiting_;
  // Behind others a frame waits for the wake that they wait for; an answer for none of theirs.
  if (first || overtakes)
    flush();
}

bool outbox::flush() {
  while (auto* from = next()) {
    if (!may_go(*from) || !advance(from->front())) {
      leaving_ = done_ != 0 ? from : nullptr;
      out_.want_wake();
      // The peer may have made room between the failure and the wish.
      if (!may_go(*from) || !advance(from->front())) {
        leaving_ = done_ != 0 ? from : nullptr;
        return false;
      }
    }
    leaving_ = nullptr;
    first_left(*from);
  }
  return true;
}

std::deque<outbox::item>* outbox::next() noexcept {
  if (leaving_ != nullptr)
    return leaving_;
  if (!express_.empty())
    return &express_;
  return waiting_.empty() ? nullptr : &waiting_;
}

bool outbox::may_go(const std::deque<item>& from) const noexcept {
  return done_ != 0 || &from == &express_ || has_credit(from.front());
}

// What is in part in the transport goes on by itself, and first. Control frames share no lane: the
// end of an actor must not overtake what it has sent, nor a handle that is given back the messages
// that name it.
void outbox::take_along(const lane& pair) {
  if (lanes_.count(pair) == 0)
    return;
  const auto begin = waiting_.begin() + (leaving_ == &waiting_ ? 1 : 0);
  const auto rest =
    std::stable_partition(begin, waiting_.end(), [&](const item& i) { return i.pair == pair; });
  const auto taken = static_cast<std::size_t>(rest - begin);
  std::move(begin, rest, std::back_inserter(express_));
  waiting_.erase(begin, rest);
  const auto left = lanes_.find(pair);
  left->second -= taken;
  if (left->second == 0)
    lanes_.erase(left);
}

// Both numbers have one writer, the owner of the link's lock; relaxed, since nothing is read on
// their word.
void outbox::waits(item&& frame, std::deque<item>& where) {
  bytes_.store(waiting_bytes() + frame.bytes.size(), std::memory_order_relaxed);
  if (counts_lane(frame, where))
    ++lanes_[frame.pair];
  where.push_back(std::move(frame));
  count_.store(waiting_.size() + express_.size(), std::memory_order_relaxed);
}

// Relaxed: see waits().
void outbox::first_left(std::deque<item>& where) {
  const auto& first = where.front();
  bytes_.store(waiting_bytes() - first.bytes.size(), std::memory_order_relaxed);
  if (counts_lane(first, where))
    if (const auto left = lanes_.find(first.pair); --left->second == 0)
      lanes_.erase(left);
  where.pop_front();
  count_.store(waiting_.size() + express_.size(), std::memory_order_relaxed);
}

bool outbox::has_credit(const item& frame) const noexcept {
  if (!frame.counted || window_ == 0)
    return true;
  return counted_ - out_.granted() < window_
         && counted_bytes_ - out_.granted_bytes() < window_bytes_;
}

bool outbox::advance(const item& frame) {
  const auto all = bytes_of(frame.bytes);
  while (done_ < all.size()) {
    const auto piece = all.subspan(done_, std::min(out_.max_piece(), all.size() - done_));
    if (!out_.try_push(piece))
      return false;
    done_ += piece.size();
  }
  done_ = 0;
  if (frame.counted) {
    ++counted_;
    counted_bytes_ += all.size();
  }
  return true;
}

// Relaxed: see waits().
std::deque<outbox::item> outbox::take() {
  done_ = 0;
  count_.store(0, std::memory_order_relaxed);
  bytes_.store(0, std::memory_order_relaxed);
  leaving_ = nullptr;
  lanes_.clear();
  auto all = std::exchange(express_, {});
  std::move(waiting_.begin(), waiting_.end(), std::back_inserter(all));
  waiting_.clear();
  return all;
}

} // namespace bulkhead::actors
