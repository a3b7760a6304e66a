#pragma once

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/managed.hpp>
#include <bulkhead/managed_queue.hpp>
#include <bulkhead/process.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace bulkhead {

/// The kinds of objects that a manager keeps. Part of the wire format: append only.
enum class managed_kind : std::uint8_t { dict, list, set, counter, name_space, queue };

/// A manager as its clients have it: makes objects there, and finds them by name. Copies are the
/// same manager. Objects live until it ends. Thread-safe.
class manager_handle {
public:
  explicit manager_handle(std::shared_ptr<detail::manager_link> link) noexcept
    : link_(std::move(link)) {}

  /// A new object, or where the name is not empty the one of that name. All throw manager_lost, and
  /// config_error where the name is that of an object of another type.
  template <class K, class V>
  managed_dict<K, V> make_dict(const std::string& name = {}) {
    return make<managed_dict<K, V>>(managed_kind::dict, type_text<K, V>(), name);
  }
  template <class T>
  managed_list<T> make_list(const std::string& name = {}) {
    return make<managed_list<T>>(managed_kind::list, type_text<T>(), name);
  }
  template <class T>
  managed_set<T> make_set(const std::string& name = {}) {
    return make<managed_set<T>>(managed_kind::set, type_text<T>(), name);
  }
  /// Of 0.
  managed_counter make_counter(const std::string& name = {}) {
    return make<managed_counter>(managed_kind::counter, {}, name);
  }
  managed_namespace make_namespace(const std::string& name = {}) {
    return make<managed_namespace>(managed_kind::name_space, {}, name);
  }
  /// Of at most so many items, 0: as many as memory holds; ignored where the name is known.
  template <class T>
  managed_queue<T> make_queue(std::size_t capacity = 0, const std::string& name = {}) {
    return make<managed_queue<T>>(managed_kind::queue, type_text<T>(), name, capacity);
  }

  /// Other programs of the same user may connect_manager() to it from now on; address and key as
  /// for listener. Throws config_error, also where the address is in use, and manager_lost.
  void serve_at(const std::string& address, const std::string& key);

protected:
  const std::shared_ptr<detail::manager_link>& link() const noexcept { return link_; }

private:
  template <class... Types>
  static std::string type_text() {
    std::string all;
    ((all += (all.empty() ? "" : " to ") + detail::type_name<Types>()), ...);
    return all;
  }
  template <class Proxy>
  Proxy make(managed_kind kind, const std::string& type, const std::string& name,
             std::size_t capacity = 0) {
    return Proxy{link_, make_object(kind, type, name, capacity)};
  }
  std::uint64_t make_object(managed_kind kind, const std::string& type, const std::string& name,
                            std::size_t capacity);

  std::shared_ptr<detail::manager_link> link_;
};

/// A process that keeps dicts, lists, sets, counters, namespaces and queues for others, and ends
/// with this object, or with its host. It stores keys and values as their encodings and runs no
/// code of the user's. Each proxy call under way has a thread there; 1024 at a time. Move-only.
///
///     bulkhead::manager shared;
///     auto totals = shared.make_dict<std::string, int>();
///     pool.apply(count_words, text, totals); // the proxy travels
class manager : public manager_handle {
public:
  /// `options` are of its process; `daemon` stays true. Throws config_error, pool_broken.
  explicit manager(process_options options = {});

  pid_t pid() const { return server_.pid(); }
  bool is_alive() const { return server_.is_alive(); }

private:
  struct started;
  explicit manager(started made);
  static started start(process_options options);

  process server_;
};

namespace detail {
std::shared_ptr<manager_link> connect_to_manager(const std::string& address, const std::string& key,
                                                 time_point deadline);
}

/// A manager of another program that serves at this address. Throws as connect() does.
template <class Rep = std::int64_t, class Period = std::ratio<1>>
manager_handle connect_manager(const std::string& address, const std::string& key,
                               std::chrono::duration<Rep, Period> timeout = std::chrono::seconds{
                                 10}) {
  return manager_handle{detail::connect_to_manager(
    address, key, detail::deadline_after(detail::to_nanoseconds(timeout)))};
}

} // namespace bulkhead
