#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace bulkhead::actors {

/// Messages that nobody waits for an answer to and that did not arrive. Their senders live on as if
/// they had arrived, as in CAF; so they are counted, and stderr is told of the first, the second,
/// the fourth and so on, which is news at any rate. Thread-safe.
class dead_letters {
public:
  void add(const std::string& why) noexcept;
  /// Called for each from now on, in the thread that finds it out; empty: nobody.
  using listener = std::function<void(const std::string& why)>;
  void watch(listener f);
  std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed); // a number for people; it orders nothing
  }

private:
  std::atomic<std::uint64_t> count_ = 0;
  std::mutex mutex_; ///< guards what follows; it is called without
  std::shared_ptr<const listener> listener_;
};

} // namespace bulkhead::actors
