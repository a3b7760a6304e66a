#include "runtime/worker/span_notes.hpp"

#include "runtime/channel/span_list.hpp"

#include <chrono>
#include <new>
#include <string>
#include <utility>

namespace bulkhead::runtime {

namespace {

/// Kept free, so that it can be told how many are missing.
constexpr std::size_t last_word_bytes = 32 + longest_span_name;

void add_lost(detail::buffer& to, std::uint64_t task, std::size_t count) {
  const auto text = std::to_string(count) + " further spans";
  add_span(to, {task, text, std::chrono::steady_clock::now(), {}});
}

} // namespace

void span_notes::add(const detail::task_span& s) noexcept try {
  const std::lock_guard lock{mutex_};
  if (list_.size() + 2 * last_word_bytes > most_span_bytes || !add_span(list_, s))
    ++lost_;
  task_ = s.task;
  any_.store(true, std::memory_order_relaxed); // the list is read under the lock
} catch (const std::bad_alloc&) {              // it is only shown
}

detail::buffer span_notes::take() noexcept try {
  const std::lock_guard lock{mutex_};
  any_.store(false, std::memory_order_relaxed); // as above
  if (const auto lost = std::exchange(lost_, 0); lost != 0)
    add_lost(list_, task_, lost);
  return std::exchange(list_, {});
} catch (const std::bad_alloc&) {
  return {};
}

} // namespace bulkhead::runtime
