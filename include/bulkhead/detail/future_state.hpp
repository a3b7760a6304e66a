#pragma once

#include <bulkhead/detail/decode_outcome.hpp>
#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/detail/kept_bytes.hpp>
#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/outcome.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace bulkhead::detail {

/// Throws config_error where so many results do not fit into the memory that the caller brought.
void expect_room(std::size_t results, std::size_t room);

/// Nobody will ever give the outcome.
failure abandoned_failure() noexcept;

/// What of a result needs no code of the user's to become a value, and little room on a stack: it
/// is decoded where it arrives.
template <class T>
inline constexpr bool decodes_on_arrival = std::is_same_v<T, bool>;
template <>
inline constexpr bool decodes_on_arrival<void> = true;
template <raw T>
inline constexpr bool decodes_on_arrival<T> = sizeof(T) <= 64;

/// The shared state of a future: decodes its bytes once, in the first thread that asks.
template <class T>
class future_state : public future_base {
public:
  explicit future_state(std::shared_ptr<future_core> core) noexcept
    : future_base(std::move(core)) {}
  future_state(const future_state&) = delete;
  future_state& operator=(const future_state&) = delete;
  ~future_state() override {
    switch (stage_.load(std::memory_order_acquire)) { // whoever wrote it let go of the state before
    case stage::encoded:
      std::destroy_at(&bytes_);
      break;
    case stage::decoded:
    case stage::taken:
      std::destroy_at(&outcome_);
      break;
    default:
      break;
    }
  }

  /// The outcome; only after ready().
  const outcome<T>& get() {
    settle();
    tell_taken();
    return outcome_;
  }

  bool failed() final {
    // relaxed: settle() looks again.
    if (!ready() || stage_.load(std::memory_order_relaxed) == stage::taken)
      return false;
    settle();
    return !outcome_.has_value();
  }

  /// Moves it out. Once: later calls of both throw config_error.
  outcome<T> take() {
    tell_taken();
    settle();
    // acq_rel: of several that take, one gets it, and the others do not touch it.
    auto seen = stage::decoded;
    if (outcome_.has_value()
        && !stage_.compare_exchange_strong(seen, stage::taken, std::memory_order_acq_rel))
      throw_taken();
    return std::move(outcome_);
  }

  /// Copies the elements of a vector to `to`, from the bytes where it is not made yet. Throws as
  /// value() does, and config_error where they do not fit. Only after ready().
  template <class Element>
  std::size_t copy_to(std::span<Element> to) {
    auto seen = stage::encoded;
    if (!stage_.compare_exchange_strong(seen, stage::busy, std::memory_order_acquire)) {
      const std::span<const Element> from{get().value()};
      expect_room(from.size(), to.size());
      std::copy(from.begin(), from.end(), to.begin());
      return from.size();
    }
    static_assert(!decodes_on_arrival<T>, "a vector waits as bytes");
    const turn mine{*this, seen};
    reader in{bytes_.bytes()};
    const auto count = in.take_count(sizeof(Element), sizeof(Element), typeid(T));
    const auto* from = in.take(count * sizeof(Element), typeid(T));
    in.expect_end();
    expect_room(count, to.size());
    if (count != 0)
      std::memcpy(to.data(), from, count * sizeof(Element));
    return count;
  }

  void on_value(std::uint64_t, std::span<const std::byte> result) noexcept override {
    if constexpr (decodes_on_arrival<T>)
      put(decode_outcome<T>(result, nullptr));
    else
      keep_encoded(result);
    finish();
  }
  void on_large_value([[maybe_unused]] std::uint64_t item, buffer&& result) noexcept override {
    if constexpr (decodes_on_arrival<T>) {
      on_value(item, result.bytes());
    } else {
      keep_encoded(std::move(result));
      finish();
    }
  }
  void on_failure(std::uint64_t, failure&& f) noexcept override {
    put(outcome<T>{keep(std::move(f))});
    finish();
  }

protected:
  /// Makes the outcome where no bytes came. Once.
  virtual outcome<T> decode() { return outcome<T>{abandoned_failure()}; }

  /// The outcome is there; before finish(), by the thread that calls it.
  void put(outcome<T>&& o) {
    std::construct_at(&outcome_, std::move(o));
    stage_.store(stage::decoded, std::memory_order_relaxed); // the latch tells it
  }

private:
  // A pool's lock may be taken.
  void tell_taken() noexcept {
    if (core() && !told_.exchange(true, std::memory_order_relaxed)) // once; nothing hangs on it
      core()->tell_taken(id());
  }

  /// While it lives no other thread reads the bytes; leaves the state as `then` says.
  struct turn {
    future_state& of;
    stage then;
    ~turn() {
      // release: what was made of the bytes is seen by whoever comes next.
      of.stage_.store(then, std::memory_order_release);
      of.stage_.notify_all();
    }
  };

  template <class Bytes>
  void keep_encoded(Bytes&& result) noexcept {
    try {
      std::construct_at(&bytes_, std::forward<Bytes>(result));
      stage_.store(stage::encoded, std::memory_order_relaxed); // the latch tells it
    } catch (const std::bad_alloc&) {
      put(outcome<T>{keep(undecodable_result())});
    }
  }

  /// Sees to it that the outcome can be told.
  void settle() {
    // acquire: what the thread before made of it.
    for (auto seen = stage_.load(std::memory_order_acquire); seen != stage::decoded;
         seen = stage_.load(std::memory_order_acquire))
      if (seen == stage::taken)
        throw_taken();
      else if (seen == stage::busy)
        stage_.wait(seen, std::memory_order_acquire); // as above
      else if (stage_.compare_exchange_strong(seen, stage::busy, std::memory_order_acquire))
        make(seen);
  }

  outcome<T> decode_bytes() {
    if constexpr (decodes_on_arrival<T>)
      return decode(); // there are none
    else
      return decode_outcome<T>(bytes_.bytes(), bytes_.descriptors());
  }

  void make(stage before) {
    turn mine{*this, before};
    auto made = before == stage::encoded ? decode_bytes() : decode();
    if (before == stage::encoded)
      std::destroy_at(&bytes_);
    std::construct_at(&outcome_, std::move(made));
    mine.then = stage::decoded;
  }

  [[noreturn]] static void throw_taken() {
    throw config_error("the value of this future cannot be copied and has been moved out by "
                       "another copy of the future");
  }

  struct no_bytes {};
  union { // as stage_ says
    std::conditional_t<decodes_on_arrival<T>, no_bytes, kept_bytes> bytes_;
    outcome<T> outcome_;
  };
};

} // namespace bulkhead::detail
