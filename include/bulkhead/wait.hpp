#pragma once

#include <bulkhead/detail/future_watcher.hpp>
#include <bulkhead/future.hpp>
#include <bulkhead/waitable.hpp>

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace bulkhead {

/// Waits until all futures are ready. True when they are within `timeout`.
template <std::ranges::input_range Futures, class Rep, class Period>
bool wait_all(Futures&& futures, std::chrono::duration<Rep, Period> timeout) {
  const auto deadline = detail::deadline_after(detail::to_nanoseconds(timeout));
  for (auto&& f : futures)
    if (!f.wait(deadline - std::chrono::steady_clock::now()) && !f.ready())
      return false;
  return true;
}

/// Waits until all futures are ready.
template <std::ranges::input_range Futures>
bool wait_all(Futures&& futures) {
  for (auto&& f : futures)
    f.wait();
  return true;
}

/// Waits until one future is ready and returns its index (the first in order of the range where
/// several are); empty when none is within `timeout`, or the range is empty.
template <std::ranges::forward_range Futures, class Rep, class Period>
std::optional<std::size_t> wait_any(Futures&& futures, std::chrono::duration<Rep, Period> timeout) {
  std::size_t index = 0;
  for (auto&& f : futures) {
    if (f.ready())
      return index;
    ++index;
  }
  if (index == 0)
    return std::nullopt;
  const auto deadline = detail::deadline_after(detail::to_nanoseconds(timeout));
  detail::future_watcher watcher;
  index = 0;
  for (auto&& f : futures)
    watcher.add(detail::future_access::base(f), index++);
  return watcher.next(deadline);
}

template <std::ranges::forward_range Futures>
std::optional<std::size_t> wait_any(Futures&& futures) {
  return wait_any(std::forward<Futures>(futures), std::chrono::nanoseconds::max());
}

/// A range over copies of the given futures in the order in which they become ready. Iterating
/// waits; every future comes exactly once.
template <class T>
class completion_range {
public:
  explicit completion_range(std::vector<future<T>> futures,
                            detail::time_point deadline = detail::time_point::max())
    : futures_(std::move(futures)), deadline_(deadline) {
    for (std::size_t i = 0; i < futures_.size(); ++i)
      watcher_.add(detail::future_access::base(futures_[i]), i);
  }

  class iterator {
  public:
    using value_type = future<T>;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    explicit iterator(completion_range* range) : range_(range) { advance(); }
    future<T> operator*() const { return current_; }
    iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    bool operator==(std::default_sentinel_t) const noexcept { return range_ == nullptr; }

  private:
    void advance() {
      if (range_->taken_ == range_->futures_.size()) {
        range_ = nullptr;
        return;
      }
      const auto index = range_->watcher_.next(range_->deadline_);
      if (!index)
        detail::throw_not_all_completed(range_->taken_, range_->futures_.size());
      ++range_->taken_;
      range_->watcher_.forget(*index);
      current_ = std::move(range_->futures_[*index]); // the range keeps no result
    }

    completion_range* range_ = nullptr;
    future<T> current_;
  };

  iterator begin() { return iterator{this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  std::vector<future<T>> futures_; ///< those that were not handed out yet
  detail::time_point deadline_;
  detail::future_watcher watcher_;
  std::size_t taken_ = 0;
};

/// The futures of the range as they become ready.
template <std::ranges::input_range Futures>
auto as_completed(Futures&& futures) {
  using value = typename std::ranges::range_value_t<Futures>::value_type;
  std::vector<future<value>> copies;
  for (auto&& f : futures)
    copies.push_back(f);
  return completion_range<value>{std::move(copies)};
}

/// The same; iterating throws timeout_error where not all are ready within `timeout` of this call.
template <std::ranges::input_range Futures, class Rep, class Period>
auto as_completed(Futures&& futures, std::chrono::duration<Rep, Period> timeout) {
  using value = typename std::ranges::range_value_t<Futures>::value_type;
  const auto deadline = detail::deadline_after(detail::to_nanoseconds(timeout));
  std::vector<future<value>> copies;
  for (auto&& f : futures)
    copies.push_back(f);
  return completion_range<value>{std::move(copies), deadline};
}

/// Waits until the goal is met by futures of any types, processes, ends of pipes, queues, events
/// and descriptors, or the time is over; says which are ready then. Whatever is ready is in `done`,
/// also beyond the goal. Throws config_error for a goal of more than there are, and for what cannot
/// be waited for.
///
///     auto [done, not_done] = bulkhead::wait({answer, child, inbox}, bulkhead::wait_for::any, 1s);
template <class Rep, class Period>
wait_result wait(std::initializer_list<waitable> what, wait_goal goal,
                 std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_until({what.begin(), what.size()}, goal,
                            detail::deadline_after(detail::to_nanoseconds(timeout)));
}
inline wait_result wait(std::initializer_list<waitable> what,
                        wait_goal goal = bulkhead::wait_for::all) {
  return detail::wait_until({what.begin(), what.size()}, goal, detail::time_point::max());
}

/// The same of a range.
template <std::ranges::input_range Range, class Rep, class Period>
  requires std::convertible_to<std::ranges::range_reference_t<Range>, waitable>
wait_result wait(Range&& range, wait_goal goal, std::chrono::duration<Rep, Period> timeout) {
  const auto deadline = detail::deadline_after(detail::to_nanoseconds(timeout));
  std::vector<waitable> what;
  for (auto&& each : range)
    what.emplace_back(each);
  return detail::wait_until(what, goal, deadline);
}
template <std::ranges::input_range Range>
  requires std::convertible_to<std::ranges::range_reference_t<Range>, waitable>
wait_result wait(Range&& range, wait_goal goal = bulkhead::wait_for::all) {
  return wait(std::forward<Range>(range), goal, std::chrono::nanoseconds::max());
}

} // namespace bulkhead
