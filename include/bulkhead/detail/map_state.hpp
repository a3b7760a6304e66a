#pragma once

#include <bulkhead/detail/decode_outcome.hpp>
#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/outcome.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace bulkhead::detail {

/// Whoever wants to know how far a map is hears it no more often.
inline constexpr std::chrono::milliseconds between_tellings{50};

/// For a lazy map, of which so many results were delivered.
[[noreturn]] void throw_no_result_in_time(std::uint64_t delivered);

/// One item's outcome as it came from the worker: bytes, or a failure.
struct raw_outcome {
  static constexpr std::size_t small_bytes = 16;

  byte_block large; ///< a result of more than small_bytes
  std::size_t size = 0;
  std::byte small[small_bytes];
  kept_failure failed;
  std::unique_ptr<descriptor_list> descriptors; ///< that came along; null: none

  void set_value(std::span<const std::byte> result);
  void set_value(const buffer& result);
  std::span<const std::byte> bytes() const noexcept {
    return {size > small_bytes ? large.get() : small, size};
  }

  template <class R>
  outcome<R> decode() const {
    if (failed)
      return outcome<R>{failed};
    return decode_outcome<R>(bytes(), descriptors.get());
  }
};

/// What came of items of a map that follow one another: their results, or the failure of one.
struct map_piece {
  std::uint64_t first = 0;
  result_column results;
  kept_failure failed;                          ///< of the one item
  std::unique_ptr<descriptor_list> descriptors; ///< that came along with the one; null: none

  /// Calls f(outcome<R>&&) for each item.
  template <class R, class F>
  void decode(F&& f) const {
    if (failed)
      return f(outcome<R>{failed});
    results.for_each(
      [&](std::span<const std::byte> bytes) { f(decode_outcome<R>(bytes, descriptors.get())); });
  }
};

/// The outcomes of all items of one map.
class map_state final : public task_sink {
public:
  /// Room for more items; only the thread that feeds the map calls it, before it submits. Throws
  /// std::bad_alloc.
  std::uint64_t add_items(std::size_t count);

  /// No more items come; ready once all outcomes are here.
  void seal();

  std::size_t done() const noexcept { return done_.load(std::memory_order_acquire); }
  std::size_t size() const noexcept { return size_; }
  event_latch& latch() noexcept { return latch_; }

  /// All of them in input order. Only after the latch is set.
  const std::vector<map_piece>& pieces();

  void on_value(std::uint64_t item, std::span<const std::byte> result) noexcept override;
  void on_large_value(std::uint64_t item, buffer&& result) noexcept override;
  void on_column(std::uint64_t first, result_column&& results) noexcept override;
  void on_failure(std::uint64_t item, failure&& f) noexcept override;

  /// How many of its items have ended, and how many there are so far.
  std::pair<std::size_t, std::size_t> counts();

  /// Calls `tell` on the callback thread of `core` while items end, at most every 50 ms; set before
  /// the first item is submitted. Throws std::system_error where there can be no such thread.
  void tell_progress(std::shared_ptr<future_core> core,
                     std::function<void(std::size_t, std::size_t)> tell);

  /// Finished together with the map; set before seal().
  void set_dependent(std::weak_ptr<future_base> f) { dependent_ = std::move(f); }

private:
  void take_one(std::uint64_t item, std::span<const std::byte> result,
                const descriptor_list* descriptors) noexcept;
  void keep_piece(map_piece&& piece, std::size_t items) noexcept;
  void finish() noexcept;
  void tell(std::size_t done, std::size_t all) noexcept;

  std::mutex mutex_;              // guards pieces_ until the latch is set
  std::vector<map_piece> pieces_; // has room for one of each item
  std::size_t size_ = 0;
  std::atomic<std::size_t> done_{0};
  std::atomic<std::size_t> expected_{SIZE_MAX};
  std::atomic<bool> finished_{false};
  event_latch latch_;
  std::weak_ptr<future_base> dependent_;

  std::shared_ptr<future_core> teller_; ///< null: nobody is told; both constant from the first
                                        ///< item on
  std::shared_ptr<const std::function<void(std::size_t, std::size_t)>> tell_;
  std::chrono::steady_clock::time_point next_telling_{}; ///< guarded by mutex_
};

/// Outcomes of a lazy map, between the input and the consumer; the consumer bounds how many.
class imap_state final : public task_sink {
public:
  explicit imap_state(bool ordered) noexcept : ordered_(ordered) {}

  /// Room for so many more outcomes, before they are submitted. Throws std::bad_alloc.
  void expect(std::size_t count);

  void on_value(std::uint64_t item, std::span<const std::byte> result) noexcept override;
  void on_large_value(std::uint64_t item, buffer&& result) noexcept override;
  void on_failure(std::uint64_t item, failure&& f) noexcept override;

  /// The next outcome in input order, or of any item where unordered. Empty when it is not there.
  std::optional<raw_outcome> try_pop();

  /// Set when try_pop() may have something; take a fresh one before each look.
  std::shared_ptr<event_latch> next_latch();

private:
  template <class Result>
  void take(std::uint64_t item, const Result& result) noexcept;
  void put(std::uint64_t item, raw_outcome&& r) noexcept;

  std::mutex mutex_;
  using outcomes = std::map<std::uint64_t, raw_outcome>;
  outcomes ready_;
  std::list<outcomes> room_; ///< of one outcome each, for those expected
  std::uint64_t next_ = 0;
  bool ordered_;
  std::shared_ptr<event_latch> waiting_;
};

} // namespace bulkhead::detail
