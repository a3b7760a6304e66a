#include "actors/caf/codec.hpp"

#include <caf/abstract_actor.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/detail/meta_object.hpp>
#include <caf/proxy_registry.hpp>
#include <caf/system_messages.hpp>

#include <algorithm>
#include <exception>
#include <mutex>
#include <vector>

namespace bulkhead::actors {

namespace {

/// A registry for one decode: the library keeps its own table of proxies, because CAF's holds each
/// proxy for ever. Clearing it calls kill_proxy, which our proxies ignore.
class resolver final : public caf::proxy_registry::backend {
public:
  explicit resolver(const resolve_handle& resolve) : resolve_(resolve) {}
  caf::strong_actor_ptr make_proxy(caf::node_id node, caf::actor_id id) override {
    if (id == caf::invalid_actor_id && !node)
      return nullptr;
    auto result = resolve_ ? resolve_(node, id) : nullptr;
    if (!result)
      forged = true;
    return result;
  }
  void set_last_hop(caf::node_id*) override {}

  bool forged = false;

private:
  const resolve_handle& resolve_;
};

/// CAF looks for this process's own actors in its registry: those that the bytes name are there as
/// long as the scope lives. One decode of such bytes at a time.
class registered_handles {
public:
  registered_handles(caf::actor_system& system, const resolve_handle& resolve,
                     std::span<const std::byte> in, const byte_buf& home)
    : system_(system) {
    const auto* const node = reinterpret_cast<const std::byte*>(home.data());
    auto at = std::search(in.begin(), in.end(), node, node + home.size());
    if (home.empty() || at == in.end())
      return;
    lock_ = std::unique_lock{mutex()};
    for (; at != in.end(); at = std::search(at + 1, in.end(), node, node + home.size()))
      if (at - in.begin() >= 8)
        enter(number_before(&*at), resolve);
  }
  ~registered_handles() {
    for (auto id : entered_)
      system_.registry().erase(id);
  }
  registered_handles(const registered_handles&) = delete;
  registered_handles& operator=(const registered_handles&) = delete;

private:
  static std::mutex& mutex() {
    static std::mutex only;
    return only;
  }
  static caf::actor_id number_before(const std::byte* at) {
    caf::actor_id id = 0;
    for (const auto* byte = at - 8; byte != at; ++byte)
      id = id << 8 | static_cast<caf::actor_id>(*byte);
    return id;
  }
  void enter(caf::actor_id id, const resolve_handle& resolve) {
    auto actor = resolve && id != 0 ? resolve(system_.node(), id) : nullptr;
    if (!actor || system_.registry().get(id))
      return;
    system_.registry().put(id, actor);
    entered_.push_back(id);
  }

  caf::actor_system& system_;
  std::unique_lock<std::mutex> lock_;
  std::vector<caf::actor_id> entered_;
};

/// What CAF's decoder asks for handles in this thread, until the scope ends.
class current_registry {
public:
  explicit current_registry(caf::proxy_registry& registry)
    : before_(caf::proxy_registry::current()) {
    caf::proxy_registry::current(&registry);
  }
  ~current_registry() { caf::proxy_registry::current(before_); }
  current_registry(const current_registry&) = delete;
  current_registry& operator=(const current_registry&) = delete;

private:
  caf::proxy_registry* const before_;
};

// CAF ends the process when it is to print an error of a category that it does not know.
bool printable(const caf::message& msg);
bool printable(const caf::error& e) {
  return !e
         || (caf::detail::global_meta_object_or_null(e.category()) != nullptr
             && printable(e.context()));
}
bool printable(const caf::message& msg) {
  for (std::size_t i = 0; i < msg.size(); ++i)
    if ((msg.match_element<caf::error>(i) && !printable(msg.get_as<caf::error>(i)))
        || (msg.match_element<caf::exit_msg>(i) && !printable(msg.get_as<caf::exit_msg>(i).reason))
        || (msg.match_element<caf::down_msg>(i) && !printable(msg.get_as<caf::down_msg>(i).reason))
        || (msg.match_element<caf::message>(i) && !printable(msg.get_as<caf::message>(i))))
      return false;
  return true;
}
bool printable(const caf::node_id&) { return true; }

} // namespace

home_node::home_node(caf::actor_system& system) {
  resolve_handle none;
  codec{system, none}.encode(bytes, system.node());
}

codec::codec(caf::actor_system& system, const resolve_handle& resolve, const home_node* home)
  : system_(system), resolve_(resolve), home_(home) {}

template <class T>
bool codec::write(byte_buf& out, const T& value, std::string& why) {
  const auto size = out.size();
  try {
    caf::binary_serializer sink{system_, out};
    if (sink.apply(value))
      return true;
    why = to_string(sink.get_error());
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
    why = "an exception of unknown type while encoding";
  }
  out.resize(size);
  return false;
}

template <class T>
bool codec::read(std::span<const std::byte> in, T& value, std::string& why) {
  try {
    resolver backend{resolve_};
    caf::proxy_registry registry{system_, backend};
    current_registry scope{registry};
    const registered_handles own{system_, resolve_, in, home_ ? home_->bytes : byte_buf{}};
    caf::binary_deserializer source{system_, in.data(), in.size()};
    if (!source.apply(value))
      why = to_string(source.get_error());
    else if (backend.forged)
      why = "a handle of an unknown process";
    else if (source.remaining() != 0)
      why = "bytes behind the message";
    else if (!printable(value))
      why = "an error of an unknown category";
    else
      return true;
    forged_ = true;
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
    why = "an exception of unknown type while decoding";
  }
  return false;
}

bool codec::encode(byte_buf& out, const caf::message& msg, std::string& why) {
  auto missing = unregistered_type(system_, msg);
  if (!missing.empty()) {
    why = "message type '" + missing + "' is not registered: declare it with BULKHEAD_MESSAGE";
    return false;
  }
  return write(out, msg, why);
}

bool codec::encode(byte_buf& out, const caf::error& value) {
  std::string why;
  return write(out, value, why);
}

bool codec::encode(byte_buf& out, const caf::node_id& value) {
  std::string why;
  return write(out, value, why);
}

bool codec::decode(std::span<const std::byte> in, caf::message& msg, std::string& why) {
  return read(in, msg, why);
}

bool codec::decode(std::span<const std::byte> in, caf::error& value) {
  std::string why;
  return read(in, value, why);
}

bool codec::decode(std::span<const std::byte> in, caf::node_id& value) {
  std::string why;
  return read(in, value, why);
}

// A type without a number does not compile, so only a block that was never entered is missing.
std::string unregistered_type(const caf::actor_system&, const caf::message& msg) {
  for (std::size_t i = 0; i < msg.size(); ++i)
    if (caf::detail::global_meta_object_or_null(msg.type_at(i)) == nullptr)
      return "number " + std::to_string(msg.type_at(i));
  return {};
}

} // namespace bulkhead::actors
