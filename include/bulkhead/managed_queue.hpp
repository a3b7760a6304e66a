#pragma once

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/managed.hpp>
#include <bulkhead/queue.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead {

/// A number in a manager.
class managed_counter : public detail::managed_object {
  using op = detail::manager_op;

public:
  using managed_object::managed_object;

  /// Adds, wrapping around, and returns the sum.
  std::int64_t add(std::int64_t amount = 1) { return number(ask(op::add, {}, amount)); }
  std::int64_t value() const { return number(ask(op::load)); }
  void store(std::int64_t value) { ask(op::store, {}, value); }
};

/// Values of any types under names, in a manager.
class managed_namespace : public detail::managed_object {
  using op = detail::manager_op;

public:
  using managed_object::managed_object;

  template <class T>
  void set(const std::string& name, const T& value) {
    ask(op::put, {name, detail::packed(std::pair{detail::type_name<T>(), detail::packed(value)})});
  }
  /// Empty: nothing has that name. Throws config_error where it is of another type.
  template <class T>
  std::optional<T> get(const std::string& name) const {
    const auto found = value<std::pair<std::string, std::string>>(ask(op::get, {name}));
    if (!found)
      return std::nullopt;
    if (found->first != detail::type_name<T>())
      throw_other_type(name, found->first, detail::type_name<T>());
    return detail::unpacked<T>(found->second);
  }
  /// False: it was not there.
  bool erase(const std::string& name) { return done(ask(op::erase, {name})); }
  std::vector<std::string> names() const { return texts(ask(op::keys)); }

private:
  [[noreturn]] static void throw_other_type(const std::string& name, const std::string& is,
                                            const std::string& asked);
};

/// A queue in a manager, for processes that are no relatives; for those that are, queue<T> is much
/// faster. An item that was handed to a consumer which died before it had arrived goes to the next.
template <class T>
class managed_queue : public detail::managed_object {
  using op = detail::manager_op;

public:
  using managed_object::managed_object;

  /// Waits while it is full. Throws queue_closed.
  void put(const T& item) { put_until(item, detail::time_point::max()); }
  /// False: it was full all the time.
  template <class Rep, class Period>
  bool put(const T& item, std::chrono::duration<Rep, Period> timeout) {
    return put_until(item, detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  bool try_put(const T& item) { return put(item, std::chrono::nanoseconds{0}); }

  /// Waits while it is empty. Throws queue_closed where it is closed and empty.
  T get() { return *get_until(detail::time_point::max()); }
  /// Empty: there was none all the time.
  template <class Rep, class Period>
  std::optional<T> get(std::chrono::duration<Rep, Period> timeout) {
    return get_until(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  std::optional<T> try_get() { return get(std::chrono::nanoseconds{0}); }

  std::size_t size() const { return static_cast<std::size_t>(number(ask(op::size))); }
  bool empty() const { return size() == 0; }
  /// Nothing can be put any more; what is in it can still be taken.
  void close() { ask(op::queue_close); }

  /// Throws config_error where it is said more often than items were put.
  void task_done() { ask(op::queue_done); }
  void join() const { ask_until(op::queue_join, {}, detail::time_point::max()); }
  /// False: some are not done.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) const {
    return done(
      ask_until(op::queue_join, {}, detail::deadline_after(detail::to_nanoseconds(timeout))));
  }

private:
  bool put_until(const T& item, detail::time_point deadline) {
    return done(open(ask_until(op::queue_put, {detail::packed(item)}, deadline)));
  }
  std::optional<T> get_until(detail::time_point deadline) {
    return this->template value<T>(open(ask_until(op::queue_get, {}, deadline)));
  }
  static detail::manager_message open(detail::manager_message a) {
    if (a.status == detail::manager_status::closed)
      detail::throw_queue_closed();
    return a;
  }
};

namespace detail {

template <>
struct coder<managed_counter> : managed_coder<managed_counter> {};
template <>
struct coder<managed_namespace> : managed_coder<managed_namespace> {};
template <class T>
struct coder<managed_queue<T>> : managed_coder<managed_queue<T>> {};

} // namespace detail

} // namespace bulkhead
