#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/onlooker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace bulkhead::runtime {

/// The spans of the running task until its worker tells the host. Any thread of the task may add
/// some.
class span_notes {
public:
  void add(const detail::task_span& s) noexcept;

  /// For the task's own thread, behind the task.
  bool any() const noexcept { return any_.load(std::memory_order_relaxed); } // a hint to look

  /// All that are there; the last one tells how many found no room.
  detail::buffer take() noexcept;

private:
  std::mutex mutex_;
  detail::buffer list_;
  std::uint64_t task_ = 0; ///< of the last one
  std::size_t lost_ = 0;
  std::atomic<bool> any_{false};
};

} // namespace bulkhead::runtime
