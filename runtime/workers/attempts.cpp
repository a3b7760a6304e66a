#include "runtime/workers/attempts.hpp"

#include "runtime/dispatch/retry_rule.hpp"

#include <new>

// Further attempts of a task. A copy of the one item is made, because its neighbours in the frame
// go their own way. Both functions run under the pool's lock, and either do all or nothing where
// memory is short.
namespace bulkhead::runtime {

std::unique_ptr<unit> attempts::after(const unit& u, std::uint32_t item,
                                      const failure& f) const noexcept try {
  if (u.attempt > retries_of(u.options.get(), pool_.options) || u.cancel_wanted
      || u.pinned_worker != 0 || u.twin != nullptr || pool_.ended() || is_poison(u)
      || !may_follow(policy_of(u.options.get(), pool_.options), f))
    return nullptr;
  auto again = slice(u, item, 1); // its neighbours are elsewhere
  again->attempt = u.attempt + 1;
  again->queued = {}; // it waits anew
  again->deaths = u.deaths;
  return again;
} catch (const std::bad_alloc&) {
  return nullptr;
}

bool attempts::begin(std::unique_ptr<unit>& again) noexcept try {
  auto* placed = again.get();
  const auto& policy = policy_of(placed->options.get(), pool_.options);
  // The one call that may fail comes first: afterwards the task is counted and has its new place.
  queue_.delay(again, clock::now() + pause_before(policy, placed->attempt));
  pool_.tasks.try_again();
  placed->sink->placed(placed, placed->id);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

bool attempts::is_poison(const unit& u) const noexcept {
  const auto most = pool_.options.poison_after;
  return most != 0 && u.deaths >= most && u.pinned_worker == 0
         && u.attempt <= retries_of(u.options.get(), pool_.options);
}

} // namespace bulkhead::runtime
