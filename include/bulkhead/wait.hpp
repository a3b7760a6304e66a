#pragma once

#include <bulkhead/future.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <ranges>
#include <vector>

namespace bulkhead {

namespace detail {

/// Collects the indices of futures in the order in which they become ready.
struct ready_queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::size_t> order;

  void push(std::size_t index) {
    std::lock_guard lock{mutex};
    order.push_back(index);
    changed.notify_one();
  }

  std::optional<std::size_t> pop(time_point deadline) {
    std::unique_lock lock{mutex};
    const auto some = [this] { return !order.empty(); };
    if (deadline == time_point::max())
      changed.wait(lock, some);
    else if (!changed.wait_until(lock, deadline, some))
      return std::nullopt;
    const auto first = order.front();
    order.pop_front();
    return first;
  }
};

} // namespace detail

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
  auto queue = std::make_shared<detail::ready_queue>();
  index = 0;
  for (auto&& f : futures) {
    f.on_ready([queue, index](const auto&) { queue->push(index); });
    ++index;
  }
  return queue->pop(deadline);
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
  explicit completion_range(std::vector<future<T>> futures)
    : futures_(std::move(futures)), queue_(std::make_shared<detail::ready_queue>()) {
    for (std::size_t i = 0; i < futures_.size(); ++i)
      futures_[i].on_ready([queue = queue_, i](const auto&) { queue->push(i); });
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
      const auto index = range_->queue_->pop(detail::time_point::max());
      ++range_->taken_;
      current_ = range_->futures_[*index];
    }

    completion_range* range_ = nullptr;
    future<T> current_;
  };

  iterator begin() { return iterator{this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  std::vector<future<T>> futures_;
  std::shared_ptr<detail::ready_queue> queue_;
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

} // namespace bulkhead
