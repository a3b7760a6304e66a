#pragma once

#include "runtime/system/unique_fd.hpp"
#include "runtime/workers/pool_state.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace bulkhead::runtime {

/// Gives tasks their outcomes: each goes through here once. Tells the ledger, the sink, whoever
/// waits, and completion_fd().
class outcomes {
public:
  explicit outcomes(pool_state& pool);

  /// `count` items from `item` on. The caller hands the values to the sink.
  void succeed(const unit& u, std::uint32_t item, std::uint32_t count = 1) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// One item that its submitter has run.
  void succeed_here(const unit& u, std::uint32_t item) noexcept BULKHEAD_REQUIRES(pool_lock);
  void fail(unit& u, std::uint32_t item, failure f, task_place from) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// All its items.
  void fail_all(std::unique_ptr<unit> u, const failure& f, task_place from) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// One run of a hedged task whose outcome is nobody's any more; the dispatcher ends it.
  void lose(unit& u) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Takes the outcomes of such.
  const detail::task_sink& nobody() const noexcept { return *nobody_; }
  /// All items of a unit have their outcome: lets it go.
  void finish(std::unique_ptr<unit> u) noexcept BULKHEAD_REQUIRES(pool_lock);

  int completion_fd() BULKHEAD_REQUIRES(pool_lock);
  std::vector<std::uint64_t> completions() BULKHEAD_REQUIRES(pool_lock);

private:
  void show(const unit& u, std::uint32_t item, std::uint32_t count, const failure* f) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  bool twin_decides(const unit& u, const failure& f) const noexcept BULKHEAD_REQUIRES(pool_lock);
  void note_completion(std::uint64_t id) noexcept BULKHEAD_REQUIRES(pool_lock);

  pool_state& pool_;
  const std::shared_ptr<detail::task_sink> nobody_;
  unique_fd completion_fd_ BULKHEAD_GUARDED_BY(pool_lock); ///< none: nobody asked
  std::vector<std::uint64_t> completed_ BULKHEAD_GUARDED_BY(pool_lock);
};

} // namespace bulkhead::runtime
