#pragma once

#include <bulkhead/detail/feeder.hpp>
#include <bulkhead/outcome.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cxxabi.h>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace bulkhead {

/// The lazy results of imap and imap_unordered: an input range, for one thread, iterated once.
/// Dereferencing throws where the item failed; the iteration may go on. Dropping the range cancels
/// what has not started.
template <class Feeder>
class imap_range {
public:
  using result = typename Feeder::result;

  imap_range(std::shared_ptr<detail::pool_core> core, std::shared_ptr<detail::imap_state> state,
             Feeder source, std::size_t lookahead,
             std::function<void(std::size_t, std::size_t)> on_progress)
    : core_(std::move(core)), state_(std::move(state)),
      source_(std::make_unique<Feeder>(std::move(source))), lookahead_(lookahead),
      on_progress_(std::move(on_progress)) {}

  imap_range(imap_range&&) noexcept = default;
  imap_range& operator=(imap_range&&) = delete;
  ~imap_range() {
    if (core_ && core_->is_of_own_process() && delivered_ < source_->fed())
      core_->cancel_all(*state_);
  }

  class iterator {
  public:
    using value_type = result;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    explicit iterator(imap_range* range) : range_(range) { advance(); }

    /// The item's value; throws the exception of its failure.
    result operator*() const {
      if constexpr (std::is_void_v<result>)
        range_->current_->value();
      else if constexpr (std::is_copy_constructible_v<result>)
        return range_->current_->value();
      else // comes out once
        return std::move(*range_->current_).value();
    }
    /// The item's outcome; never throws for a failed task.
    const bulkhead::outcome<result>& outcome() const { return *range_->current_; }

    iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    bool operator==(std::default_sentinel_t) const noexcept { return range_ == nullptr; }

  private:
    void advance() {
      if (!range_->fetch(detail::time_point::max()))
        range_ = nullptr;
    }
    imap_range* range_ = nullptr;
  };

  iterator begin() { return iterator{this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// The next outcome, without an iterator; empty at the end. In place of iterating.
  std::optional<bulkhead::outcome<result>> next() {
    fetch(detail::time_point::max());
    return std::exchange(current_, std::nullopt);
  }
  /// The same; throws timeout_error where it is not there in time, and may be called again.
  template <class Rep, class Period>
  std::optional<bulkhead::outcome<result>> next(std::chrono::duration<Rep, Period> timeout) {
    fetch(detail::deadline_after(detail::to_nanoseconds(timeout)));
    return std::exchange(current_, std::nullopt);
  }

private:
  /// Fetches the next outcome into current_; false at the end.
  bool fetch(detail::time_point deadline) {
    current_.reset();
    deadline = std::min(deadline, source_->deadline());
    for (;;) {
      fill();
      const auto latch = state_->next_latch();
      if (auto raw = state_->try_pop()) {
        ++delivered_;
        current_.emplace(raw->template decode<result>());
        tell_progress();
        return true;
      }
      if (delivered_ == source_->fed() && exhausted_) {
        if (input_error_)
          std::rethrow_exception(std::exchange(input_error_, nullptr));
        if (const auto tell = std::exchange(on_progress_, nullptr))
          tell(static_cast<std::size_t>(delivered_), static_cast<std::size_t>(delivered_));
        return false;
      }
      if (!core_->wait(*latch, deadline) && std::chrono::steady_clock::now() >= deadline)
        detail::throw_no_result_in_time(delivered_);
    }
  }

  void tell_progress() {
    if (!on_progress_)
      return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_telling_)
      return;
    next_telling_ = now + detail::between_tellings;
    on_progress_(static_cast<std::size_t>(delivered_), static_cast<std::size_t>(source_->fed()));
  }

  /// False at the end of the input, or where it throws: the exception waits until all results
  /// before it are delivered.
  bool feed(std::size_t limit) {
    try {
      return source_->feed(limit, [this](std::size_t n) { state_->expect(n); }) != 0;
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      input_error_ = std::current_exception();
      return false;
    }
  }

  /// Keeps the pool busy without reading further ahead than allowed.
  void fill() {
    while (!exhausted_) {
      const auto ahead = static_cast<std::size_t>(source_->fed() - delivered_);
      if (ahead >= lookahead_ || (ahead > 0 && ahead * 2 > lookahead_))
        return; // refill in steps of half the window
      if (!feed(lookahead_ - ahead))
        exhausted_ = true;
    }
  }

  std::shared_ptr<detail::pool_core> core_;
  std::shared_ptr<detail::imap_state> state_;
  std::unique_ptr<Feeder> source_; // its iterators may point into its range
  std::size_t lookahead_;
  std::function<void(std::size_t, std::size_t)> on_progress_;
  std::chrono::steady_clock::time_point next_telling_{};
  std::uint64_t delivered_ = 0;
  bool exhausted_ = false;
  std::exception_ptr input_error_;
  std::optional<bulkhead::outcome<result>> current_;
};

} // namespace bulkhead
