#include "actors/caf/codec.hpp"

#include "actors/caf/v0_17/guarded_reader.hpp"
#include "actors/caf/v0_17/private_member.hpp"

#include <caf/abstract_actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/proxy_registry.hpp>
#include <caf/system_messages.hpp>
#include <caf/uniform_type_info_map.hpp>

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>

namespace bulkhead::actors {

namespace {

class context final : public caf::execution_unit {
public:
  explicit context(caf::actor_system& sys) : execution_unit(&sys) {}
  void exec_later(caf::resumable*) override {}
};

/// A registry for one decode: the library keeps its own table of proxies, because CAF's holds each
/// proxy for ever.
class resolver final : public caf::proxy_registry::backend {
public:
  resolver(caf::actor_system& system, const resolve_handle& resolve, const home_node* home,
           guarded_reader& source)
    : registry(system, *this), system_(system), resolve_(resolve), home_(home), source_(source) {}
  // CAF takes all actors in it for proxies when it clears the registry; those of this process are
  // none.
  ~resolver() override { detail_0_17::proxies_of(registry).clear(); }

  caf::strong_actor_ptr make_proxy(caf::node_id node, caf::actor_id id) override {
    if (id == caf::invalid_actor_id && !node)
      return nullptr;
    const bool home = home_ != nullptr && node == home_->away;
    if (home)
      source_.asked_for();
    auto result = resolve_ ? resolve_(home ? system_.node() : node, id) : nullptr;
    if (!result)
      forged = true;
    return result;
  }
  void set_last_hop(caf::node_id*) override {}

  caf::proxy_registry registry;
  bool forged = false;

private:
  caf::actor_system& system_;
  const resolve_handle& resolve_;
  const home_node* const home_;
  guarded_reader& source_;
};

std::string demangled(const std::type_info* type) {
  if (type == nullptr)
    return "unknown type";
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text{
    abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free};
  return status == 0 ? text.get() : type->name();
}

/// What an element holds that is a message of its own; null where it holds none.
const caf::message* message_inside(const caf::message& msg, std::size_t at) {
  const auto context = [](const caf::error& e) { return e ? &e.context() : nullptr; };
  if (msg.match_element<caf::message>(at))
    return &msg.get_as<caf::message>(at);
  if (msg.match_element<caf::error>(at))
    return context(msg.get_as<caf::error>(at));
  if (msg.match_element<caf::exit_msg>(at))
    return context(msg.get_as<caf::exit_msg>(at).reason);
  if (msg.match_element<caf::down_msg>(at))
    return context(msg.get_as<caf::down_msg>(at).reason);
  return nullptr;
}

// 0.17's generic call operator drops the errors of messages; the members report them.
caf::error put(caf::binary_serializer& sink, const caf::message& x) { return x.save(sink); }
caf::error get(guarded_reader& source, caf::message& x) { return x.load(source); }
template <class T>
caf::error put(caf::binary_serializer& sink, const T& x) {
  return sink(x);
}
template <class T>
caf::error get(guarded_reader& source, T& x) {
  return source(x);
}

} // namespace

// The process id is the part that no other process of this host has turned around.
home_node::home_node(caf::actor_system& system) {
  resolve_handle none;
  codec plain{system, none};
  const auto* data = dynamic_cast<const caf::node_id::default_data*>(&*system.node());
  if (data == nullptr || !plain.encode(bytes, system.node()))
    return;
  away = caf::make_node_id(~data->process_id(), data->host_id());
  if (!plain.encode(away_bytes, away))
    bytes.clear();
}

codec::codec(caf::actor_system& system, const resolve_handle& resolve, const home_node* home)
  : system_(system), resolve_(resolve), home_(home) {}

template <class T>
bool codec::write(byte_buf& out, const T& value, std::string& why) {
  const auto size = out.size();
  try {
    context ctx{system_};
    caf::binary_serializer sink{&ctx, out};
    if (auto err = put(sink, value))
      why = system_.render(err);
    else
      return true;
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
  std::set<std::size_t> plain; // grows by one with each round, and rounds are next to unheard of
  for (;;) {
    try {
      context ctx{system_};
      guarded_reader source{&ctx, in};
      resolver backend{system_, resolve_, home_, source};
      ctx.proxy_registry_ptr(&backend.registry);
      if (home_ != nullptr)
        source.redirect(as_bytes(home_->bytes), as_bytes(home_->away_bytes), plain);
      const auto err = get(source, value);
      // What looked like a handle was none: once more, with that place read as it is.
      if (const auto at = source.mistaken(); at && plain.insert(*at).second)
        continue;
      if (err)
        why = system_.render(err);
      else if (backend.forged)
        why = "a handle of an unknown process";
      else if (source.remaining() != 0)
        why = "bytes behind the message";
      else
        return true;
      // Bytes that no honest CAF writes. What the code of a type throws is not taken for a lie.
      forged_ = true;
    } catch (const std::exception& e) {
      why = e.what();
    } catch (...) {
      why = "an exception of unknown type while decoding";
    }
    return false;
  }
}

bool codec::encode(byte_buf& out, const caf::message& msg, std::string& why) {
  auto missing = unregistered_type(system_, msg);
  if (!missing.empty()) {
    why = "message type '" + missing + "' is not registered: declare it with BULKHEAD_MESSAGE";
    return false;
  }
  const auto size = out.size();
  if (!write(out, msg, why))
    return false;
  if (!msg.empty() && out.size() == size) {
    why = "the message encoded to nothing";
    return false;
  }
  return true;
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

// CAF drops the errors of encoding inside what it encodes: half a message would go out.
std::string unregistered_type(const caf::actor_system& system, const caf::message& msg) {
  auto& types = system.types();
  for (std::size_t i = 0; i < msg.size(); ++i) {
    const auto type = msg.type(i);
    if (types.portable_name(type) == types.default_type_name())
      return demangled(type.second);
    const auto* inner = message_inside(msg, i);
    auto missing = inner != nullptr ? unregistered_type(system, *inner) : std::string{};
    if (!missing.empty())
      return missing;
  }
  return {};
}

} // namespace bulkhead::actors
