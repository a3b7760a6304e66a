#pragma once

#include <algorithm>
#include <cstdint>

namespace bulkhead::runtime {

/// When to read the clock between items that may take next to nothing: reading it takes as long as
/// many of them. A plain value; the clock is passed in, in nanoseconds. Invariant: items that all
/// take the same time wait for at most about `longest_wait` until they are published.
class item_pace {
public:
  static constexpr std::int64_t longest_wait = 100'000;
  static constexpr std::int64_t aim = 20'000; ///< between two looks
  static constexpr std::uint32_t most = 4096; ///< items between two looks

  /// Nothing waits; the next item begins now.
  void begin(std::int64_t now) noexcept {
    began_ = looked_ = now;
    left_ = every_;
  }

  /// An item has ended. True: look() is to be called.
  bool is_due() noexcept { return --left_ == 0; }
  /// So many items may follow until then; and so many did.
  std::uint32_t left() const noexcept { return left_; }
  bool are_due(std::uint32_t items) noexcept { return (left_ -= items) == 0; }

  /// True: what waits is to be published, and begin() to be called.
  bool look(std::int64_t now) noexcept {
    const auto took = std::max<std::int64_t>(1, now - looked_);
    const auto fits = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(std::int64_t{every_} * aim / took, 1, most));
    every_ = std::min(fits, 2 * every_); // grows by steps: the first items may be the cheap ones
    looked_ = now;
    left_ = every_;
    return now - began_ >= longest_wait - aim;
  }

  /// Time an item took, of `items` since begin(): at least 1.
  std::uint64_t mean(std::int64_t now, std::uint32_t items) const noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(1, (now - began_) / items));
  }

private:
  std::int64_t began_ = 0;
  std::int64_t looked_ = 0;
  std::uint32_t every_ = 1; ///< items between two looks
  std::uint32_t left_ = 1;
};

} // namespace bulkhead::runtime
