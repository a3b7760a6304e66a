#pragma once

#include <bulkhead/detail/task_sink.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace bulkhead::runtime {

/// Tasks that were submitted one by one and travel in one unit: gives each its own outcome, and
/// tells each where it is. The items of the unit are numbered as its tasks are. Guarded by the
/// pool's lock.
class gathered final : public detail::task_sink {
public:
  /// `first_id`: number of the first task in the pool; the others follow it.
  explicit gathered(std::uint64_t first_id) noexcept : first_id_(first_id) {}

  /// The next one. Throws std::bad_alloc.
  void add(std::shared_ptr<task_sink> one) { tasks_.push_back(std::move(one)); }

  void on_value(std::uint64_t item, std::span<const std::byte> result) noexcept override;
  void on_failure(std::uint64_t item, failure&& f) noexcept override;
  void on_large_value(std::uint64_t item, detail::buffer&& result) noexcept override;
  void moved(void* place, std::uint64_t first, std::uint64_t items) noexcept override;
  bool tells(const task_sink& one, std::uint64_t item) const noexcept override;

private:
  std::shared_ptr<task_sink> take(std::uint64_t item) noexcept;

  const std::uint64_t first_id_;
  std::vector<std::shared_ptr<task_sink>> tasks_; ///< null: it has its outcome
};

} // namespace bulkhead::runtime
