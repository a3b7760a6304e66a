#pragma once

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/queue_base.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>

namespace bulkhead {

/// The queue was closed: nothing can be put, or nothing is left to get.
class queue_closed : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// A first-in first-out queue in shared memory that travels, for any number of producers and
/// consumers in any processes. Items are any values that can travel, except those with open
/// descriptors (pipes, queues, locks, shared memory): those go through a pipe. No thread feeds it:
/// an item that put() has taken is there at once. A process may be killed inside any operation: an
/// item was put or was not, was taken or was not, and the queue goes on. What a consumer had taken
/// when it was killed is gone with it (join() then waits for a task_done() that never comes).
/// Its memory grows with what is in it, beyond any capacity in bytes, and comes back when it is
/// empty; it is a page, 64 KiB and two descriptors at least. Thread-safe.
template <class T>
class queue : public detail::queue_base {
public:
  /// At most so many items; 0: as many as memory holds. Throws too_large and std::system_error
  /// where the system refuses memory or descriptors.
  explicit queue(std::size_t capacity = 0) : queue_base(capacity) {
    detail::require_encodable<T>();
  }
  queue(detail::arrived_t arrived, detail::shared_segment segment, detail::shared_descriptor items)
    : queue_base(arrived, std::move(segment), std::move(items)) {}

  /// Adds an item; waits while the queue is full. Throws queue_closed, too_large where there is no
  /// memory for it, codec_error where it cannot travel.
  void put(const T& item) { static_cast<void>(put_until(item, detail::time_point::max())); }
  /// False: it was full all the time.
  template <class Rep, class Period>
  bool put(const T& item, std::chrono::duration<Rep, Period> timeout) {
    return put_until(item, detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  bool try_put(const T& item) { return put_until(item, std::chrono::steady_clock::now()); }

  /// Takes the oldest item; waits while there is none. Throws queue_closed where the queue is
  /// closed and empty.
  T get() { return *get_until(detail::time_point::max()); }
  /// Empty: there was none all the time.
  template <class Rep, class Period>
  std::optional<T> get(std::chrono::duration<Rep, Period> timeout) {
    return get_until(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  std::optional<T> try_get() { return get_until(std::chrono::steady_clock::now()); }

  /// Of this moment: other processes change it at any time.
  std::size_t size() const { return queue_base::size(); }
  bool empty() const { return size() == 0; }
  bool full() const { return capacity() != 0 && size() >= capacity(); }
  std::size_t capacity() const noexcept { return queue_base::capacity(); } ///< 0: unbounded

  /// Whether get() would return or throw at once.
  bool get_ready() const { return queue_base::get_ready(); }

  /// Nothing can be put any more; what is in it can still be taken. Wakes all who wait.
  void close() { queue_base::close(); }

  /// Says that the work for one item that was taken is done. Throws config_error where it is said
  /// more often than items were put.
  void task_done() { queue_base::task_done(); }
  /// Waits until task_done() was called for every item that was put.
  void join() const { static_cast<void>(queue_base::join(detail::time_point::max())); }
  /// At most so long; false: some are not done.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) const {
    return queue_base::join(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

private:
  bool put_until(const T& item, detail::time_point deadline) {
    detail::buffer bytes;
    detail::encode(bytes, item);
    if (bytes.descriptors() != nullptr)
      detail::throw_not_in_queue(typeid(T));
    return queue_base::put(bytes, deadline);
  }

  std::optional<T> get_until(detail::time_point deadline) {
    detail::buffer bytes;
    const auto result = queue_base::get(bytes, deadline);
    if (result == got::closed)
      detail::throw_queue_closed();
    if (result == got::none)
      return std::nullopt;
    detail::reader in{bytes.bytes()};
    std::optional<T> item{detail::decode<T>(in)};
    in.expect_end();
    return item;
  }
};

namespace detail {

template <class T>
struct coder<queue<T>> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = 2 * coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const queue<T>& value) {
    write_segment(out, value.segment());
    coder<shared_descriptor>::write(out, value.items());
  }
  static queue<T> read(reader& in) {
    auto segment = read_segment(in, sizeof(shared_kind));
    return queue<T>{arrived_t{}, std::move(segment), coder<shared_descriptor>::read(in)};
  }
};

} // namespace detail

} // namespace bulkhead
