#pragma once

#include "runtime/workers/pool_state.hpp"
#include "runtime/workers/task_queue.hpp"

#include <cstdint>
#include <memory>

namespace bulkhead::runtime {

/// Decides whether a task whose attempt failed has another one, and begins it.
class attempts {
public:
  attempts(pool_state& pool, task_queue& queue) : pool_(pool), queue_(queue) {}

  /// The item alone, to be tried again after `f`. Null: it has no further attempt, or there is no
  /// memory for one.
  std::unique_ptr<unit> after(const unit& u, std::uint32_t item, const failure& f) const noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// It waits its pause. False: there is no memory for it, and `again` is as it was.
  bool begin(std::unique_ptr<unit>& again) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// It has ended too many workers to have one of the attempts that are left. A task that has used
  /// up its attempts, or has one alone, is not poison: its failure says what ended the last one.
  bool is_poison(const unit& u) const noexcept BULKHEAD_REQUIRES(pool_lock);

private:
  pool_state& pool_;
  task_queue& queue_;
};

} // namespace bulkhead::runtime
