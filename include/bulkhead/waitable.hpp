#pragma once

#include <bulkhead/detail/awaited_word.hpp>
#include <bulkhead/detail/duration.hpp>
#include <bulkhead/future.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace bulkhead {

class waitable;

/// How many are to be ready before wait() returns.
enum class wait_for : std::uint8_t {
  all,
  any,           ///< one
  first_failure, ///< a future that failed, or all
};

/// What wait() waits for: a wait_for, or a number of objects.
class wait_goal {
public:
  wait_goal(bulkhead::wait_for what) noexcept : what_(what) {} // NOLINT: as an argument
  template <std::integral Count>
  wait_goal(Count n) // NOLINT: as an argument
    : count_(checked(static_cast<std::intmax_t>(n))) {}

  bulkhead::wait_for what() const noexcept { return what_; }
  /// 0: as what() says.
  std::size_t count() const noexcept { return count_; }

private:
  /// Throws config_error for less than 1.
  static std::size_t checked(std::intmax_t n);

  bulkhead::wait_for what_ = bulkhead::wait_for::all;
  std::size_t count_ = 0;
};

/// Indices into what was waited for, in its order.
struct wait_result {
  std::vector<std::size_t> done;
  std::vector<std::size_t> not_done;
};

namespace detail {

wait_result wait_until(std::span<const waitable> what, wait_goal goal, time_point deadline);

[[noreturn]] void throw_not_all_completed(std::size_t taken, std::size_t all);

/// A pipe's end, a descriptor, a listener.
template <class T>
concept has_descriptor = requires(const T& x) {
  { x.fd() } -> std::same_as<int>;
};
/// A process.
template <class T>
concept has_sentinel = requires(const T& x) {
  { x.sentinel() } -> std::same_as<int>;
};
/// A queue: ready when get() would not wait.
template <class T>
concept can_be_got = requires(const T& x) {
  { x.get_ready() } -> std::same_as<bool>;
};
/// An event.
template <class T>
concept can_be_set = requires(const T& x) {
  { x.is_set() } -> std::same_as<bool>;
};
/// Either of them of this library, which can be slept for.
template <class T>
concept has_sleep_word = requires(const T& x) {
  { x.sleep_word() } -> std::same_as<awaited_word>;
};

} // namespace detail

/// Something that wait() can wait for, made where it is called. All but a future is borrowed and
/// must live until wait() returns.
class waitable {
public:
  /// Throws config_error for an empty future.
  template <class T>
  waitable(const future<T>& f)
    : future_(detail::future_access::base(f)) {} // NOLINT: as an argument

  /// Readable, or its other end is gone. (What recv() has read of a message in part is not seen.)
  template <detail::has_descriptor T>
  waitable(const T& x) : waitable(x.fd(), what_is_empty) {} // NOLINT: as an argument

  /// A process that has ended.
  template <detail::has_sentinel T>
  waitable(const T& x) : waitable(x.sentinel(), what_has_not_started) {} // NOLINT: as an argument

  /// A queue with an item or that is closed, an event that is set.
  template <class T>
    requires(detail::can_be_got<T> || detail::can_be_set<T>)
  waitable(const T& x) // NOLINT: as an argument
    : object_(&x), look_([](const void* object) {
        if constexpr (detail::can_be_got<T>)
          return static_cast<const T*>(object)->get_ready();
        else
          return static_cast<const T*>(object)->is_set();
      }) {
    if constexpr (detail::has_sleep_word<T>)
      sleep_word_ = [](const void* object) { return static_cast<const T*>(object)->sleep_word(); };
  }

private:
  friend wait_result detail::wait_until(std::span<const waitable>, wait_goal, detail::time_point);
  friend class waiting_round;

  static constexpr const char* what_is_empty = "it is empty or closed";
  static constexpr const char* what_has_not_started = "it has not started, or was closed";

  /// Throws config_error with the reason for a negative one.
  waitable(int fd, const char* why_none);

  std::shared_ptr<detail::future_base> future_;
  int fd_ = -1;
  const void* object_ = nullptr;
  bool (*look_)(const void*) = nullptr;
  detail::awaited_word (*sleep_word_)(const void*) = nullptr; ///< none: it has to be looked at
};

} // namespace bulkhead
