#pragma once

#include <bulkhead/detail/duration.hpp>

#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

namespace bulkhead::detail {

/// The indices of futures in the order in which they become ready. Filled where a future gets its
/// outcome and not by callbacks, so it may be waited for in a callback and in a coroutine.
/// Thread-safe.
class completion_queue {
public:
  /// Rings `bell`, an eventfd, borrowed for as long as it is told, for each index; -1: none.
  explicit completion_queue(int bell = -1) noexcept : bell_(bell) {}

  /// Takes over a list of one index, made beforehand so that a completion needs no memory.
  void push(std::list<std::size_t>&& index) noexcept;

  /// The next one; empty when none comes before the deadline.
  std::optional<std::size_t> pop(time_point deadline);

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  const int bell_;
  std::list<std::size_t> order_;
};

/// A future's promise to tell a queue, from `watch` until it was kept or taken back.
struct completion_watch {
  std::shared_ptr<completion_queue> queue;
  std::list<std::size_t> index;
};

} // namespace bulkhead::detail
