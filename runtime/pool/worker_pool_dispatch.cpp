#include "runtime/pool/pool_checks.hpp"
#include "runtime/pool/worker_pool.hpp"

#include <algorithm>
#include <functional>
#include <new>

namespace bulkhead::runtime {

namespace {

constexpr std::chrono::milliseconds send_again_after{10};

/// Highest random weight (rendezvous hashing, Thaler and Ravishankar 1998): when a worker goes,
/// only its keys move.
std::uint64_t weight(std::uint64_t key, std::uint64_t worker) noexcept {
  auto x = key ^ (worker * 0x9e3779b97f4a7c15U);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

} // namespace

void worker_pool::pump() noexcept try {
  while (!backlog_.empty() && pump_one()) {
  }
  stop_idle_workers();
  plan_for_idle();
} catch (const std::bad_alloc&) { // nothing else may ever pump again
  need_tick(clock::now() + send_again_after);
}

bool worker_pool::pump_one() {
  auto* next = backlog_.front();
  auto* slot = choose(*next);
  if (slot == nullptr && next->pinned_worker == 0 && options_.dispatch != dispatch_policy::key_hash)
    return false;
  if (slot == nullptr) { // its worker is full; others behind it may go
    next = backlog_.find([this](const unit& u) { return choose(u) != nullptr; });
    if (next == nullptr)
      return false;
    slot = choose(*next);
  }
  auto u = take_queued(*next);
  if (send_to(*slot, u))
    return true;
  enqueue(std::move(u), true); // no memory or a full socket: nothing else may ever pump again
  need_tick(clock::now() + send_again_after);
  return false;
}

// It may never be sent anything more.
bool worker_pool::is_used_up(const worker_slot& slot) const noexcept {
  return slot.link.is_used_up()
         || (options_.max_tasks_per_worker != 0
             && slot.dispatched >= options_.max_tasks_per_worker);
}

bool worker_pool::has_room(const worker_slot& slot, const unit& u) const noexcept {
  // What is meant for this worker alone may still follow while it drains.
  const bool takes = u.pinned_worker != 0 ? !slot.stopping && !slot.lost : slot.serves();
  if (!takes || slot.link.frames_in_flight() >= slot.frames.size())
    return false;
  if (is_used_up(slot))
    return false;
  return slot.link.has_room(u.bytes());
}

worker_slot* worker_pool::find_slot(std::size_t id) noexcept {
  const auto found =
    std::find_if(slots_.begin(), slots_.end(), [id](const auto& s) { return s->id == id; });
  return found == slots_.end() ? nullptr : found->get();
}

worker_slot* worker_pool::key_owner(const std::string& key) {
  const auto hash = std::hash<std::string>{}(key);
  worker_slot* owner = nullptr;
  std::uint64_t best = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto w = weight(hash, slots_[i]->id);
    if (slots_[i]->serves() && (owner == nullptr || w > best)) {
      owner = slots_[i].get();
      best = w;
    }
  }
  return owner;
}

worker_slot* worker_pool::choose(const unit& u) {
  if (u.pinned_worker != 0
      || (options_.dispatch == dispatch_policy::key_hash && u.options && !u.options->key.empty())) {
    auto* slot = u.pinned_worker != 0 ? find_slot(u.pinned_worker) : key_owner(u.options->key);
    return slot != nullptr && has_room(*slot, u) ? slot : nullptr;
  }
  const auto count = slots_.size();
  if (options_.dispatch == dispatch_policy::round_robin
      || options_.dispatch == dispatch_policy::random) {
    const auto first = options_.dispatch == dispatch_policy::random
                         ? random_() % std::max<std::size_t>(1, count)
                         : next_slot_;
    for (std::size_t i = 0; i < count; ++i)
      if (const auto at = (first + i) % count; has_room(*slots_[at], u)) {
        next_slot_ = (at + 1) % count;
        return slots_[at].get();
      }
    return nullptr;
  }
  worker_slot* least = nullptr;
  std::size_t load = 0;
  for (const auto& s : slots_) { // ties go to the first: it is the most likely to be awake
    // A worker that still starts gets only what no other can take: its initializer may last.
    const auto frames = s->link.frames_in_flight() + (s->ready ? 0 : window::largest);
    if ((least == nullptr || frames < load) && has_room(*s, u)) {
      least = s.get();
      load = frames;
      if (load == 0)
        break;
    }
  }
  return least;
}

// What is more than `items` goes back into the queue. False: no memory, and nothing has changed.
bool worker_pool::cut_to_fit(unit& u, std::size_t items) noexcept try {
  if (items < u.items)
    enqueue(split(u, static_cast<std::uint32_t>(items)), true);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

bool worker_pool::send_to(worker_slot& slot, std::unique_ptr<unit>& u) {
  if (options_.max_tasks_per_worker != 0
      && !cut_to_fit(*u, options_.max_tasks_per_worker - slot.dispatched))
    return false;
  const bool was_idle = !slot.busy();
  const auto limit = limit_of(*u);
  const int control = slot.process ? slot.process->control() : -1;
  if (!slot.link.send(*u, limit.count(), u->id, control, slot.inbox))
    return false;
  u->worker = &slot;
  if (u->deadline < sent_deadline_) {
    sent_deadline_ = u->deadline;
    need_tick(sent_deadline_);
  }
  slot.dispatched += u->items;
  in_flight_ += u->items;
  static_cast<void>(u.release()); // the flight holds it now
  if (was_idle)
    slot.front_since = {}; // looked up by the clock only where a limit needs it
  if (is_used_up(slot)) {
    retire(slot);
    fail_pinned(slot);
  }
  plan_ticks(slot);
  if (!leader_)
    arm(slot);
  return true;
}

std::chrono::nanoseconds worker_pool::limit_of(const unit& u) const noexcept {
  if (u.options && u.options->timeout.count() != 0)
    return std::min(u.options->timeout, longest_limit);
  return options_.task_timeout;
}

std::chrono::nanoseconds worker_pool::soft_limit_of(const unit& u) const noexcept {
  return u.options ? std::min(u.options->soft_timeout, longest_limit) : std::chrono::nanoseconds{0};
}

std::size_t worker_pool::retries_of(const unit& u) const noexcept {
  return u.options ? u.options->retries.value_or(options_.retries) : options_.retries;
}

} // namespace bulkhead::runtime
