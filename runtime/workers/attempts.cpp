#include "runtime/workers/attempts.hpp"

#include "runtime/dispatch/retry_rule.hpp"

#include <new>

namespace bulkhead::runtime {

std::unique_ptr<unit> attempts::after(const unit& u, std::uint32_t item,
                                      const failure& f) const noexcept try {
  if (u.attempt > retries_of(u) || u.cancel_wanted || u.pinned_worker != 0 || pool_.ended()
      || is_poison(u) || !may_follow(policy_of(u), f))
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
  queue_.delay(again, clock::now() + pause_before(policy_of(*placed), placed->attempt));
  pool_.tasks.try_again();
  placed->sink->placed(placed, placed->id);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

bool attempts::is_poison(const unit& u) const noexcept {
  const auto most = pool_.options.poison_after;
  return most != 0 && u.deaths >= most && u.pinned_worker == 0 && u.attempt <= retries_of(u);
}

std::size_t attempts::retries_of(const unit& u) const noexcept {
  return u.options ? u.options->retries.value_or(pool_.options.retries) : pool_.options.retries;
}

const retry_policy& attempts::policy_of(const unit& u) const noexcept {
  return u.options && u.options->retry ? *u.options->retry : pool_.options.retry;
}

} // namespace bulkhead::runtime
