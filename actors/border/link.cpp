#include "actors/border/link.hpp"

#include "actors/caf/proxy.hpp"
#include "runtime/testing/hooks.hpp"

#include <functional>

// One connection to another process. Senders push under the mutex; one reader at a time receives
// without it. A link dies once: afterwards nothing is pushed, and what was noted as pending is
// taken by whoever tells the death.
namespace bulkhead::actors {

link::link(peer_id peer, std::shared_ptr<transport> io, link_limits limits)
  : peer_(peer), io_(std::move(io)), limits_(limits),
    outbox_(*io_, limits.window, limits.window_bytes) {}

link::sent link::send(outbox::item&& frame, pending_table::entry request, lead_scope* lead) {
  std::unique_lock lock{mutex_};
  if (dead())
    return sent::dead;
  if (frame.counted && !no_wait_scope::active() && !make_room(lock, frame.bytes.size()))
    return dead() ? sent::dead : sent::full;
  BULKHEAD_HOOK("actor.send.before_push");
  // Before the push: the answer may be here before push() returns.
  request.piece = outbox_.number_of(frame);
  const auto popped = request.watch ? io_->peer_popped() : 0;
  pending.add(std::move(request), popped);
  if (lead != nullptr)
    lead->begin();
  outbox_.push(frame);
  BULKHEAD_HOOK("actor.send.after_push");
  return sent::ok;
}

bool link::has_room(std::size_t bytes) const noexcept {
  const auto waiting = outbox_.waiting_bytes();
  return outbox_.waiting() < limits_.capacity
         && (waiting == 0 || waiting + bytes <= limits_.capacity_bytes);
}

// CAF's scheduler and clock threads serve everybody: only a thread that its sender has for itself
// waits. Once one has waited in vain the next are refused at once, until there was room: a loop of
// sends must not wait once for each.
bool link::make_room(std::unique_lock<mutex_type>& lock, std::size_t bytes) {
  if (has_room(bytes))
    return true;
  // What waits may fit by now; only then is it worth to wait.
  outbox_.flush();
  const bool waits = limits_.never_refuses || (may_wait_scope::active() && !in_vain_);
  const auto ready = [&] { return dead() || has_room(bytes); };
  if (ready() || (waits && room_.wait_for(lock, limits_.patience, ready))) {
    in_vain_ = false;
    return !dead();
  }
  in_vain_ = in_vain_ || waits;
  return limits_.never_refuses;
}

// Without the lock where nothing waits: who is just pushing does this for himself.
bool link::flush() {
  if (!backlogged())
    return true;
  std::lock_guard lock{mutex_};
  if (dead())
    return true;
  const auto before = outbox_.waiting();
  const bool empty = outbox_.flush();
  if (outbox_.waiting() < before) {
    in_vain_ = false;
    room_.notify_all();
  }
  return empty;
}

// The flag first and without the lock, so that nothing new begins; then the lock, so that who is
// inside has finished and who waits looks again.
void link::die() {
  dead_.store(true, std::memory_order_release);
  std::deque<outbox::item> unsent; // tokens end without the lock
  {
    std::lock_guard lock{mutex_};
    popped_at_death_.store(io_->peer_popped(), std::memory_order_release);
    unsent = outbox_.take();
  }
  room_.notify_all();
}

bool link::receive(std::size_t limit, const inbox::taker& take, std::size_t& popped) {
  bool good = true;
  const auto one = [&](std::span<const std::byte> piece) {
    BULKHEAD_HOOK("actor.receive.popped");
    good = good && inbox_.add(piece, take);
  };
  return io_->pop(limit, std::ref(one), popped) && good;
}

std::shared_ptr<void> link::token(std::size_t bytes) {
  if (!limits_.grants)
    return nullptr;
  // Not null: who holds it asks by its truth.
  return {static_cast<void*>(this), [self = weak_from_this(), bytes](void*) {
            if (auto alive = self.lock())
              alive->processed_one(bytes);
          }};
}

void link::processed_one(std::size_t bytes) noexcept {
  // Monotonic even where two threads overtake each other: grant keeps the larger totals.
  io_->grant(processed_.fetch_add(1, std::memory_order_acq_rel) + 1,
             processed_bytes_.fetch_add(bytes, std::memory_order_acq_rel) + bytes);
}

} // namespace bulkhead::actors
