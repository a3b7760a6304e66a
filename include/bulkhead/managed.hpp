#pragma once

#include <bulkhead/detail/manager_link.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Proxies of what a manager keeps: values that travel in arguments and results, into other
// processes and other programs. All calls are thread-safe and atomic, each is one round trip, and
// throws manager_lost where the manager has ended or does not answer within a minute. Keys are
// equal where their encodings are. Keys and values are any values that can travel without
// descriptors.
namespace bulkhead {

/// The manager has ended, or does not answer.
class manager_lost : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// A map in a manager.
template <class K, class V>
class managed_dict : public detail::managed_object {
  using op = detail::manager_op;

public:
  using managed_object::managed_object;

  void put(const K& key, const V& value) {
    ask(op::put, {detail::packed(key), detail::packed(value)});
  }
  std::optional<V> get(const K& key) const {
    return this->template value<V>(ask(op::get, {detail::packed(key)}));
  }
  /// False: the key is there already, and nothing changes.
  bool insert(const K& key, const V& value) {
    return done(ask(op::insert, {detail::packed(key), detail::packed(value)}));
  }
  /// Puts f(the value, empty where there is none), which nobody else has changed meanwhile; `f`
  /// may be called again. Returns what was put.
  template <class F>
  V update(const K& key, F f) {
    const auto name = detail::packed(key);
    for (;;) {
      const auto before = ask(op::get, {name});
      V next = f(this->template value<V>(before));
      const auto put = detail::packed(next);
      const auto answer =
        done(before) ? ask(op::replace, {name, text(before), put}) : ask(op::insert, {name, put});
      if (done(answer))
        return next;
    }
  }
  /// False: it was not there.
  bool erase(const K& key) { return done(ask(op::erase, {detail::packed(key)})); }
  /// Erases it and returns what it was.
  std::optional<V> take(const K& key) {
    return this->template value<V>(ask(op::take, {detail::packed(key)}));
  }
  bool contains(const K& key) const { return done(ask(op::contains, {detail::packed(key)})); }
  std::size_t size() const { return static_cast<std::size_t>(number(ask(op::size))); }
  void clear() { ask(op::clear); }

  /// Of one moment, in no order that means something.
  std::vector<K> keys() const { return detail::all_unpacked<K>(texts(ask(op::keys))); }
  std::vector<std::pair<K, V>> items() const {
    const auto answer = ask(op::items);
    std::vector<std::pair<K, V>> all;
    for (std::size_t i = 0; i + 1 < texts(answer).size(); i += 2)
      all.emplace_back(detail::unpacked<K>(texts(answer)[i]),
                       detail::unpacked<V>(texts(answer)[i + 1]));
    return all;
  }
};

/// A set in a manager.
template <class T>
class managed_set : public detail::managed_object {
  using op = detail::manager_op;

public:
  using managed_object::managed_object;

  /// False: it was there already.
  bool insert(const T& value) { return done(ask(op::insert, {detail::packed(value), ""})); }
  bool erase(const T& value) { return done(ask(op::erase, {detail::packed(value)})); }
  bool contains(const T& value) const { return done(ask(op::contains, {detail::packed(value)})); }
  std::size_t size() const { return static_cast<std::size_t>(number(ask(op::size))); }
  void clear() { ask(op::clear); }
  /// Of one moment, in no order that means something.
  std::vector<T> items() const { return detail::all_unpacked<T>(texts(ask(op::keys))); }
};

/// A sequence in a manager. Indices are of the moment: others insert and take at any time.
template <class T>
class managed_list : public detail::managed_object {
  using op = detail::manager_op;

public:
  using managed_object::managed_object;

  void push_back(const T& value) { ask(op::push, {detail::packed(value)}); }
  /// Empty: there is none of that index.
  std::optional<T> at(std::size_t index) const {
    return this->template value<T>(ask(op::at, {}, static_cast<std::int64_t>(index)));
  }
  /// False: there is none of that index.
  bool assign(std::size_t index, const T& value) {
    return done(ask(op::assign, {detail::packed(value)}, static_cast<std::int64_t>(index)));
  }
  /// Before the index; false: it is beyond the end.
  bool insert(std::size_t index, const T& value) {
    return done(ask(op::insert_at, {detail::packed(value)}, static_cast<std::int64_t>(index)));
  }
  /// Erases it and returns what it was.
  std::optional<T> take(std::size_t index) {
    return this->template value<T>(ask(op::take_at, {}, static_cast<std::int64_t>(index)));
  }
  std::optional<T> pop_back() { return this->template value<T>(ask(op::pop)); }
  std::size_t size() const { return static_cast<std::size_t>(number(ask(op::size))); }
  void clear() { ask(op::clear); }
  /// Of one moment.
  std::vector<T> items() const { return detail::all_unpacked<T>(texts(ask(op::items))); }
};

namespace detail {

template <class K, class V>
struct coder<managed_dict<K, V>> : managed_coder<managed_dict<K, V>> {};
template <class T>
struct coder<managed_set<T>> : managed_coder<managed_set<T>> {};
template <class T>
struct coder<managed_list<T>> : managed_coder<managed_list<T>> {};

} // namespace detail

} // namespace bulkhead
