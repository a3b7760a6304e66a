#include "actors/border/link.hpp"

#include "runtime/testing/hooks.hpp"

#include <functional>

namespace bulkhead::actors {

link::link(peer_id peer, std::shared_ptr<transport> io, link_limits limits)
  : peer_(peer), io_(std::move(io)), limits_(limits), outbox_(*io_, limits.window) {}

link::sent link::send(outbox::item&& frame, pending_table::entry request, lead_scope* lead) {
  std::unique_lock lock{mutex_};
  if (dead())
    return sent::dead;
  if (frame.counted && outbox_.waiting() >= limits_.capacity && !no_wait_scope::active()
      && !wait_for_room(lock))
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

bool link::wait_for_room(std::unique_lock<mutex_type>& lock) {
  outbox_.flush();
  const auto has_room = [this] { return dead() || outbox_.waiting() < limits_.capacity; };
  return room_.wait_for(lock, limits_.patience, has_room) && !dead();
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
  if (outbox_.waiting() < before)
    room_.notify_all();
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

std::shared_ptr<void> link::token() {
  if (!limits_.grants)
    return nullptr;
  // Not null: who holds it asks by its truth.
  return {static_cast<void*>(this), [self = weak_from_this()](void*) {
            if (auto alive = self.lock())
              alive->processed_one();
          }};
}

void link::processed_one() noexcept {
  // Monotonic even where two threads overtake each other: grant keeps the larger total.
  io_->grant(processed_.fetch_add(1, std::memory_order_acq_rel) + 1);
}

bool link::introduce(peer_id whom) {
  std::lock_guard lock{mutex_};
  return introduced_.insert(whom).second;
}

} // namespace bulkhead::actors
