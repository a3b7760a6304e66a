#include "runtime/workers/ticker.hpp"

#include "runtime/system/bell.hpp"

#include <algorithm>
#include <new>
#include <utility>

// One timer for a whole pool, always the nearest that anybody needs. All calls come under the
// pool's lock; a timer that fires waits for it, and by then may be one that was replaced, which its
// number shows.
namespace bulkhead::runtime {

void ticker::need(time_point at) noexcept try {
  if (at >= at_ || over_)
    return;
  const auto sooner = reactor_->at(at, [fire = fire_, number = number_ + 1] { fire(number); });
  ++number_; // under the pool's lock, which the timer needs
  // Not cancelled: the timer may be waiting for that lock, and begin() then sees the newer number.
  if (timer_ != 0)
    reactor_->retract(timer_);
  timer_ = sooner;
  at_ = at;
} catch (const std::bad_alloc&) {
  // No memory for a timer: the bell wakes whoever listens, and the next drain pays.
  owed_ = std::min(owed_, at);
  ring(bell_);
}

void ticker::retry_soon() noexcept { need(clock::now() + std::chrono::milliseconds{10}); }

void ticker::pay() noexcept {
  if (owed_ != time_point::max())
    need(std::exchange(owed_, time_point::max()));
}

std::optional<time_point> ticker::begin(std::uint64_t number) noexcept {
  if (number != number_)
    return std::nullopt;
  timer_ = 0;
  return std::exchange(at_, time_point::max());
}

std::uint64_t ticker::stop() noexcept {
  over_ = true;
  return std::exchange(timer_, 0);
}

} // namespace bulkhead::runtime
