#include "runtime/channel/argument_segments.hpp"

#include "runtime/channel/channel_layout.hpp"

#include <algorithm>
#include <bit>

// Segments for large arguments, kept and used again in the order of frames. Under the pool's lock;
// a segment is free when all frames that used it are answered, and never before, since the worker
// reads it in place.
namespace bulkhead::runtime {

argument_segments::lease argument_segments::acquire(std::size_t bytes, std::uint64_t sequence) {
  const auto fits = [bytes](const entry& e) { return e.memory.head_bytes() >= bytes; };
  const auto found = std::find_if(free_.begin(), free_.end(), fits);
  if (found != free_.end()) {
    held_.emplace_back(); // before the segment leaves its place
    held_.back() = {sequence, std::move(*found)};
    free_.erase(found);
    const auto& e = held_.back().content;
    return {e.id, e.memory.head(), e.memory.head_bytes(), -1, false};
  }
  const auto size = std::bit_ceil(std::max(bytes, threshold));
  auto memory = segment::make("bulkhead-arguments", size, 0, segment::access::read_write);
  memory.seal_writes();
  // The worker is told by a flag to unmap it as well, so both sides forget the same ones.
  const bool drop = kept_bytes_ + size > keep_bytes_;
  free_.reserve(free_.size() + held_.size() + 1); // so that release_below allocates nothing
  held_.push_back({sequence, entry{next_id_++, std::move(memory), drop}});
  if (!drop)
    kept_bytes_ += size;
  const auto& e = held_.back().content;
  return {e.id, e.memory.head(), size, e.memory.fd(), drop};
}

void argument_segments::undo_acquire() noexcept {
  auto& last = held_.back().content;
  if (!last.drop_after)
    kept_bytes_ -= last.memory.head_bytes();
  held_.pop_back();
}

void argument_segments::release_below(std::uint64_t sequence) noexcept {
  while (!held_.empty() && held_.front().sequence < sequence) {
    auto& e = held_.front().content;
    if (!e.drop_after) {
      e.memory.close_fd();
      free_.push_back(std::move(e));
    }
    held_.pop_front();
  }
}

} // namespace bulkhead::runtime
