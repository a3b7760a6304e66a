#include "runtime/workers/pool_state.hpp"

#include "runtime/this_process/own_process.hpp"

#include <bulkhead/parallelism.hpp>

#include <algorithm>
#include <random>

namespace bulkhead::runtime {

pool_state::pool_state(pool_options o)
  : options(std::move(o)), parallelism(available_parallelism()), owner(own_process::identity()),
    runtime_thread(reactor::acquire()), queue(options.queue_capacity, options.queue_bytes),
    staff(options.workers), size(options.min_workers, options.max_workers, options.idle_timeout),
    intensity(options.restart, options.max_workers),
    picks(options.dispatch, std::random_device{}()), ticks(runtime_thread, waiting.bell.get()) {}

worker_slot* pool_state::find_slot(std::size_t id) const noexcept {
  const auto found =
    std::find_if(slots.begin(), slots.end(), [id](const auto& s) { return s->id == id; });
  return found == slots.end() ? nullptr : found->get();
}

bool pool_state::is_listed(const worker_slot& slot) const noexcept {
  return find_slot(slot.id) == &slot;
}

std::size_t pool_state::serving() const noexcept {
  return static_cast<std::size_t>(
    std::count_if(slots.begin(), slots.end(), [](const auto& s) { return s->serves(); }));
}

backlog::lane_id pool_state::lane_of(const unit& u) const noexcept {
  if (u.pinned_worker != 0)
    return u.pinned_worker;
  if (options.dispatch != dispatch_policy::key_hash || !u.options || u.options->key.empty())
    return backlog::any_worker;
  const auto slot = [this](std::size_t i) -> const worker_slot& {
    pool_is_locked();
    return *slots[i];
  };
  const auto at = owner_of(
    u.options->key, slots.size(), [&](std::size_t i) { return slot(i).id; },
    [&](std::size_t i) { return slot(i).serves(); });
  // While nobody serves, all units with keys wait in one lane, and keep_lanes() finds their owners
  // later.
  return at == nobody ? backlog::no_worker : slot(at).id;
}

void pool_state::check_open() const {
  if (broken)
    throw pool_broken(*broken);
  if (terminated || closed)
    throw pool_closed("pool '" + options.name
                      + "' is closed: it takes no more tasks; make a new "
                        "pool, or submit before close()");
}

} // namespace bulkhead::runtime
