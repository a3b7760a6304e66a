#include "actors/caf/ready_queue.hpp"

namespace bulkhead::actors {

// Relaxed, here and in pop(): the jobs are ordered by the lock; who misses the flag is woken.
void ready_queue::push(caf::resumable* job) {
  if (in_loop()) {
    local_.push_back(job);
    return;
  }
  {
    std::lock_guard lock{mutex_};
    foreign_.push_back(job);
    any_foreign_.store(true, std::memory_order_relaxed);
  }
  wake();
}

// Relaxed: see push().
caf::resumable* ready_queue::pop() {
  if (local_.empty() && any_foreign_.load(std::memory_order_relaxed)) {
    std::lock_guard lock{mutex_};
    local_.swap(foreign_);
    any_foreign_.store(false, std::memory_order_relaxed);
  }
  if (local_.empty())
    return nullptr;
  auto* job = local_.front();
  local_.pop_front();
  return job;
}

// Relaxed: asked by the loop's own thread, between jobs.
std::size_t ready_queue::size() const noexcept {
  return local_.size() + (any_foreign_.load(std::memory_order_relaxed) ? 1 : 0);
}

} // namespace bulkhead::actors
