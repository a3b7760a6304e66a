#pragma once

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/pipe.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace bulkhead::detail {

/// What a client may ask of a manager. Part of the wire format: append only.
enum class manager_op : std::uint8_t {
  make,
  serve_at,
  get,
  put,
  insert,
  replace,
  erase,
  contains,
  take,
  size,
  keys,
  items,
  clear,
  push,
  at,
  assign,
  insert_at,
  take_at,
  pop,
  add,
  load,
  store,
  queue_put,
  queue_get,
  queue_taken, ///< without an answer: the item has arrived
  queue_close,
  queue_done,
  queue_join,
};

enum class manager_status : std::uint8_t {
  ok,
  none,    ///< no such key or index, or not in time
  refused, ///< the first text says why
  closed,
};

/// A request: an object, what to do with it, a number (an index, an amount, nanoseconds; -1: for
/// ever), and texts: encoded keys and values, names. Or an answer: status, number, texts.
struct manager_message {
  std::uint64_t object = 0;
  manager_op what = manager_op::make;
  manager_status status = manager_status::ok;
  std::int64_t number = 0;
  std::vector<std::string> texts = {};

  template <class Inspector>
  friend bool inspect(Inspector& f, manager_message& x) {
    return f.object(x).fields(f.field("object", x.object), f.field("what", x.what),
                              f.field("status", x.status), f.field("number", x.number),
                              f.field("texts", x.texts));
  }
};

using manager_line = connection<manager_message>;

/// Where new lines to a manager are handed in: it receives one end of each.
using manager_door = connection<manager_line>;

/// This process's way to a manager: lines, one for each call at a time. Shared by all proxies that
/// were copied from one another; thread-safe.
class manager_link {
public:
  explicit manager_link(manager_door door) : door_(std::move(door)) {}

  /// Sends and waits for the answer, a minute beyond what the manager itself may wait (empty: for
  /// ever). Throws manager_lost, and config_error where it refuses.
  manager_message call(const manager_message& request,
                       std::optional<std::chrono::nanoseconds> waits = std::chrono::nanoseconds{0});

  /// Travels.
  const manager_door& door() const noexcept { return door_; }

private:
  manager_line take_line();

  manager_door door_;
  std::mutex mutex_;
  std::vector<manager_line> idle_;
};

[[noreturn]] void throw_not_managed(const std::type_info& type);

/// A key or value as the manager keeps it. Throws codec_error where descriptors belong to it.
template <class T>
std::string packed(const T& value) {
  buffer bytes;
  encode(bytes, value);
  if (bytes.descriptors() != nullptr)
    throw_not_managed(typeid(T));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
T unpacked(const std::string& bytes) {
  reader in{std::as_bytes(std::span{bytes})};
  T value = decode<T>(in);
  in.expect_end();
  return value;
}

template <class T>
std::vector<T> all_unpacked(const std::vector<std::string>& all) {
  std::vector<T> values;
  values.reserve(all.size());
  for (const auto& each : all)
    values.push_back(unpacked<T>(each));
  return values;
}

/// What all proxies are: an object of a manager, and the way there.
class managed_object {
public:
  managed_object(std::shared_ptr<manager_link> link, std::uint64_t id) noexcept
    : link_(std::move(link)), id_(id) {}

protected:
  manager_message ask(manager_op what, std::vector<std::string> texts = {},
                      std::int64_t number = 0) const {
    return link_->call({id_, what, manager_status::ok, number, std::move(texts)});
  }
  /// Calls that the manager may let wait until the deadline.
  manager_message ask_until(manager_op what, std::vector<std::string> texts,
                            time_point deadline) const;

  static bool done(const manager_message& a) { return a.status == manager_status::ok; }
  static std::int64_t number(const manager_message& a) { return a.number; }
  static const std::vector<std::string>& texts(const manager_message& a) { return a.texts; }
  template <class T>
  static std::optional<T> value(const manager_message& a) {
    if (!done(a))
      return std::nullopt;
    return unpacked<T>(text(a));
  }
  /// The first text. Throws manager_lost where there is none.
  static const std::string& text(const manager_message& a);

private:
  template <class Proxy>
  friend struct managed_coder;

  std::shared_ptr<manager_link> link_;
  std::uint64_t id_;
};

/// Proxies travel: as the door and the object's number.
template <class Proxy>
struct managed_coder {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes =
    coder<manager_door>::least_bytes + sizeof(std::uint64_t);
  static void write(buffer& out, const Proxy& value) {
    const managed_object& object = value;
    coder<manager_door>::write(out, object.link_->door());
    coder<std::uint64_t>::write(out, object.id_);
  }
  static Proxy read(reader& in) {
    auto door = coder<manager_door>::read(in);
    const auto id = coder<std::uint64_t>::read(in);
    return Proxy{std::make_shared<manager_link>(std::move(door)), id};
  }
};

} // namespace bulkhead::detail
