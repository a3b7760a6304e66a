#pragma once

#include <bulkhead/future.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace bulkhead {

namespace detail {

/// Watches futures for as long as it lives; what it leaves behind in them ends with it.
class future_watcher {
public:
  future_watcher() : queue_(std::make_shared<completion_queue>()) {}
  future_watcher(future_watcher&&) noexcept = default;
  future_watcher& operator=(future_watcher&&) = delete;
  ~future_watcher() {
    for (auto& [base, where] : watched_)
      if (base)
        base->unwatch(where);
  }

  /// Throws config_error for an empty future.
  template <class T>
  void add(const future<T>& f, std::size_t index) {
    auto base = future_access::base(f);
    watched_.reserve(watched_.size() + 1); // nothing may fail between watch and its note
    const auto where = base->watch(queue_, index);
    watched_.emplace_back(std::move(base), where);
  }
  /// The index of the next one that is ready; empty when none is before the deadline.
  std::optional<std::size_t> next(time_point deadline) { return queue_->pop(deadline); }
  /// Lets go of the state of the future that was added as the `position`th.
  void forget(std::size_t position) noexcept {
    auto& [base, where] = watched_[position];
    base->unwatch(where);
    base.reset();
  }

private:
  std::shared_ptr<completion_queue> queue_;
  std::vector<std::pair<std::shared_ptr<future_base>, future_base::watch_list::iterator>> watched_;
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
  detail::future_watcher watcher;
  index = 0;
  for (auto&& f : futures)
    watcher.add(f, index++);
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
  explicit completion_range(std::vector<future<T>> futures) : futures_(std::move(futures)) {
    for (std::size_t i = 0; i < futures_.size(); ++i)
      watcher_.add(futures_[i], i);
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
      const auto index = *range_->watcher_.next(detail::time_point::max());
      ++range_->taken_;
      range_->watcher_.forget(index);
      current_ = std::move(range_->futures_[index]); // the range keeps no result
    }

    completion_range* range_ = nullptr;
    future<T> current_;
  };

  iterator begin() { return iterator{this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  std::vector<future<T>> futures_; ///< those that were not handed out yet
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

} // namespace bulkhead
