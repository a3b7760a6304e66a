#include "observe/model/recorder.hpp"

#include <new>
#include <utility>

// What the pool tells lies here until the watch takes it. Whoever records holds the pool's lock
// and waits for nothing: what finds no room is counted and dropped.
namespace bulkhead::observe::detail {

void recorder::items_ended(const items_end& what) noexcept {
  const std::lock_guard lock{mutex_};
  if (waiting_.ended.size() >= most_ended) {
    waiting_.unseen += what.items;
    return;
  }
  try {
    waiting_.ended.emplace_back(what);
    if (waiting_.ended.back().result == task_result::failed
        && waiting_.failures.size() < most_notes)
      waiting_.failures.push_back({noted_end{what}, *what.failed});
  } catch (const std::bad_alloc&) {
    waiting_.unseen += what.items;
  }
  if (waiting_.ended.size() == most_ended / 2)
    woken_.notify_one();
}

void recorder::span_ended(std::size_t worker, const bulkhead::detail::task_span& what) noexcept
  try {
  const std::lock_guard lock{mutex_};
  if (waiting_.spans.size() < most_spans)
    waiting_.spans.push_back({what.task, worker, std::string(what.name), what.began, what.took});
} catch (const std::bad_alloc&) { // it is only shown: this one is lost
}

void recorder::outcome_taken(std::uint64_t task, steady::time_point when) noexcept try {
  const std::lock_guard lock{mutex_};
  if (waiting_.takes.size() < most_takes)
    waiting_.takes.push_back({task, when});
} catch (const std::bad_alloc&) { // an arrow that is not drawn
}

void recorder::happened(worker_kind among, const pool_event& event) noexcept try {
  const std::lock_guard lock{mutex_};
  if (waiting_.events.size() < most_notes)
    waiting_.events.push_back({among, steady::now(), event});
} catch (const std::bad_alloc&) { // events are news: this one is lost
}

void recorder::pool_ended(const pool_stats& last) noexcept {
  const std::lock_guard lock{mutex_};
  waiting_.last = last;
  waiting_.over = true;
  woken_.notify_one();
}

void recorder::stop() noexcept {
  const std::lock_guard lock{mutex_};
  stop_ = true;
  woken_.notify_one();
}

void recorder::wait_until(steady::time_point deadline) {
  std::unique_lock lock{mutex_};
  woken_.wait_until(lock, deadline, [this] { return stop_ || waiting_.over || is_full(); });
}

batch recorder::take() {
  const std::lock_guard lock{mutex_};
  batch next;
  next.over = waiting_.over;
  next.last = waiting_.last;
  return std::exchange(waiting_, std::move(next));
}

} // namespace bulkhead::observe::detail
