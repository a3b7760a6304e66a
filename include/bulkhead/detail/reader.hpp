#pragma once

#include <bulkhead/decoding.hpp>
#include <bulkhead/detail/codec_failure.hpp>
#include <bulkhead/detail/descriptor_list.hpp>
#include <bulkhead/detail/validated.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <typeinfo>

namespace bulkhead::detail {

/// What one message may cost its reader, whatever the bytes claim.
struct reader_limits {
  /// Memory of all elements of containers together.
  std::size_t memory_bytes = 0;
  /// Elements of all containers together.
  std::size_t elements = 0;
  /// User types inside user types.
  std::size_t depth = 64;
  /// Elements looked at in long buckets of hash tables, all together: about half a second. Reached
  /// by 23,000 keys in one bucket, by none that are spread.
  std::size_t looks = std::size_t{1} << 28;

  /// For bytes of one's own host.
  static constexpr reader_limits trusted() noexcept {
    constexpr auto all = static_cast<std::size_t>(-1);
    return {all, all, 64, all};
  }

  /// As decoding_limits say now.
  static reader_limits for_message(std::size_t bytes) noexcept;
};

/// The process's decoding_limits, each for itself: relaxed, for nothing else is passed on.
struct decoding_settings {
  std::atomic<std::size_t> memory_bytes{decoding_limits{}.memory_bytes};
  std::atomic<std::size_t> memory_factor{decoding_limits{}.memory_factor};
  std::atomic<std::size_t> elements{decoding_limits{}.elements};
  std::atomic<std::size_t> looks{decoding_limits{}.looks};
};
inline constinit decoding_settings decoding_now;

inline reader_limits reader_limits::for_message(std::size_t bytes) noexcept {
  // Relaxed, all of them: see decoding_settings.
  const auto read = [](const auto& one) { return one.load(std::memory_order_relaxed); };
  return {read(decoding_now.memory_bytes) + read(decoding_now.memory_factor) * bytes,
          read(decoding_now.elements) + bytes, reader_limits{}.depth, read(decoding_now.looks)};
}

/// Reads borrowed bytes from front to back and trusts none of them: whatever is not there, or
/// costs more than the limits allow, is a codec_error. Not thread-safe.
class reader {
public:
  explicit reader(std::span<const std::byte> bytes) noexcept
    : reader(bytes, reader_limits::for_message(bytes.size())) {}
  reader(std::span<const std::byte> bytes, reader_limits limits) noexcept
    : at_(bytes.data()), end_(bytes.data() + bytes.size()), limits_(limits) {}

  /// What came along with the bytes, borrowed; null: nothing.
  void bring(const descriptor_list* descriptors) noexcept { descriptors_ = descriptors; }

  /// The descriptor that the bytes name `key`; an error names the type that needs it.
  shared_descriptor descriptor(std::uint64_t key, const std::type_info& type) const {
    auto found = descriptors_ == nullptr ? nullptr : descriptors_->find(key);
    if (!validated("codec.descriptor", found != nullptr)) [[unlikely]]
      throw_no_descriptor(type);
    return found;
  }

  std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  /// The next `count` bytes; they lie anywhere in memory, aligned for nothing. An error names the
  /// type that was to be read.
  const std::byte* take(std::size_t count, const std::type_info& type) {
    if (!validated("codec.value", count <= remaining())) [[unlikely]]
      throw_too_short(type, count, remaining());
    return advance(count);
  }

  /// Reads the number of elements of a container of `type`, each of which takes at least
  /// `least_bytes` here and `memory_bytes` once decoded, and charges the limits for them.
  std::size_t take_count(std::size_t least_bytes, std::size_t memory_bytes,
                         const std::type_info& type) {
    std::uint64_t count = 0;
    std::memcpy(&count, take(sizeof count, type), sizeof count);
    if (!validated("codec.count", least_bytes == 0 || count <= remaining() / least_bytes))
      [[unlikely]]
      throw_bad_count(type, count, least_bytes, remaining());
    charge(count, memory_bytes, type);
    return static_cast<std::size_t>(count);
  }

  /// True for one call of 32 on average; which ones, the writer of the bytes cannot know.
  bool is_sampled() noexcept {
    if (chance_ == 0) [[unlikely]]
      chance_ = first_chance();
    chance_ ^= chance_ << 13U; // xorshift64 (Marsaglia, 2003)
    chance_ ^= chance_ >> 7U;
    chance_ ^= chance_ << 17U;
    return (chance_ >> 32U) % sample == 0;
  }

  /// Charges a sampled search of a hash table of `type` that looked at `looks` elements, and those
  /// that were not sampled with it. Keys that the peer chose so that all are in one bucket cost a
  /// time that grows with the square of their number, whether they are new or repeated.
  void charge_looks(std::size_t looks, const std::type_info& type) {
    constexpr std::size_t honest = 8; // even where the table is as full as it may be
    if (looks <= honest)
      return;
    const auto cost = looks * sample;
    if (!validated("codec.looks", cost <= limits_.looks)) [[unlikely]]
      throw_undecodable(type, "its keys are all in few buckets: they collide, or their hash "
                              "function does not spread them");
    limits_.looks -= cost;
  }

  /// Nothing may be left.
  void expect_end() const {
    if (!validated("codec.end", at_ == end_)) [[unlikely]]
      throw_trailing(remaining());
  }

  /// One level of nesting for as long as it lives.
  class level {
  public:
    level(reader& in, const std::type_info& type) : in_(in) {
      if (!validated("codec.depth", in.depth_ != in.limits_.depth)) [[unlikely]]
        throw_too_deep(type, in.limits_.depth);
      ++in.depth_;
    }
    level(const level&) = delete;
    level& operator=(const level&) = delete;
    ~level() { --in_.depth_; }

  private:
    reader& in_;
  };

private:
  static constexpr std::size_t sample = 32;

  static std::uint64_t first_chance() noexcept {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    return (static_cast<std::uint64_t>(now) * 0x9e3779b97f4a7c15U) | 1U; // never 0
  }

  const std::byte* advance(std::size_t count) noexcept {
    const auto* from = at_;
    at_ += count;
    return from;
  }

  void charge(std::uint64_t count, std::size_t memory_bytes, const std::type_info& type) {
    if (!validated("codec.elements", count <= limits_.elements)) [[unlikely]]
      throw_over_budget(type, count, 0, limits_.elements);
    if (!validated("codec.memory", count <= limits_.memory_bytes / memory_bytes)) [[unlikely]]
      throw_over_budget(type, count, memory_bytes, limits_.memory_bytes);
    limits_.elements -= static_cast<std::size_t>(count);
    limits_.memory_bytes -= static_cast<std::size_t>(count) * memory_bytes;
  }

  const std::byte* at_;
  const std::byte* end_;
  const descriptor_list* descriptors_ = nullptr;
  reader_limits limits_;
  std::size_t depth_ = 0;
  std::uint64_t chance_ = 0; ///< of is_sampled; 0: not asked yet
};

} // namespace bulkhead::detail
