#include "actors/wire/outbox.hpp"

#include <algorithm>

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
  const bool first = waiting_.empty();
  if (first && has_credit(frame) && advance(frame))
    return;
  waiting_.push_back(std::move(frame));
  count_.store(waiting_.size(), std::memory_order_relaxed);
  frame = {};
  // Behind others it waits for the wake that they wait for.
  if (first)
    flush();
}

bool outbox::flush() {
  while (!waiting_.empty()) {
    auto& first = waiting_.front();
    if ((done_ == 0 && !has_credit(first)) || !advance(first)) {
      out_.want_wake();
      // The peer may have made room between the failure and the wish.
      if ((done_ == 0 && !has_credit(first)) || !advance(first))
        return false;
    }
    waiting_.pop_front();
    count_.store(waiting_.size(), std::memory_order_relaxed);
  }
  return true;
}

bool outbox::has_credit(const item& frame) const noexcept {
  return !frame.counted || window_ == 0 || counted_ - out_.granted() < window_;
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
  if (frame.counted)
    ++counted_;
  return true;
}

std::deque<outbox::item> outbox::take() {
  done_ = 0;
  count_.store(0, std::memory_order_relaxed);
  return std::exchange(waiting_, {});
}

} // namespace bulkhead::actors
