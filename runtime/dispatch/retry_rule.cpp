#include "runtime/dispatch/retry_rule.hpp"

#include <algorithm>

namespace bulkhead::runtime {

namespace {

template <class List, class Value>
bool has(const List& list, const Value& value) noexcept {
  return std::find(list.begin(), list.end(), value) != list.end();
}

} // namespace

std::size_t retries_of(const task_options* own, const pool_options& pool) noexcept {
  return own != nullptr ? own->retries.value_or(pool.retries) : pool.retries;
}

const retry_policy& policy_of(const task_options* own, const pool_options& pool) noexcept {
  return own != nullptr && own->retry ? *own->retry : pool.retry;
}

bool may_follow(const retry_policy& policy, const failure& f) noexcept {
  if (!has(policy.kinds, f.kind))
    return false;
  if (f.kind == failure_kind::worker_died)
    return policy.causes.empty() || has(policy.causes, f.exit.cause);
  if (f.kind == failure_kind::task_exception)
    return policy.types.empty() || has(policy.types, f.type);
  return true;
}

std::chrono::nanoseconds pause_before(const retry_policy& policy, std::uint32_t attempt) noexcept {
  auto pause = policy.pause;
  // The second attempt waits for `pause` itself; each further one for twice as long.
  for (auto i = attempt; i > 2 && pause.count() != 0 && pause < policy.pause_max; --i)
    pause *= 2; // at most twice the longest, which is far from an overflow
  return std::min(pause, policy.pause_max);
}

} // namespace bulkhead::runtime
