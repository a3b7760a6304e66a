#pragma once

#include "actors/caf/version.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/node_id.hpp>

#include <functional>
#include <span>
#include <string>

namespace bulkhead::actors {

/// Turns a (node, actor id) that arrived inside a message into a handle; null where it is forged.
using resolve_handle = std::function<caf::strong_actor_ptr(const caf::node_id&, caf::actor_id)>;

/// What a codec has to know of this process to resolve handles of its own actors, which CAF would
/// look for in its registry.
struct home_node {
  explicit home_node(caf::actor_system& system);
  byte_buf bytes;    ///< the node id as CAF encodes it
  caf::node_id away; ///< one that no process has
  byte_buf away_bytes;
};

/// Encodes and decodes what crosses the border. One object for one thread at a time; cheap.
class codec {
public:
  /// `home`: handles of this process's own actors are resolved like others; null: CAF does it.
  codec(caf::actor_system& system, const resolve_handle& resolve, const home_node* home = nullptr);

  /// Appends `msg`. False: a type in it is not registered or does not encode; `why` names it and
  /// the buffer is as it was.
  bool encode(byte_buf& out, const caf::message& msg, std::string& why);
  bool encode(byte_buf& out, const caf::error& value);
  bool encode(byte_buf& out, const caf::node_id& value);

  /// Reads bytes that another process wrote. False: they are no message, or a handle in it did not
  /// resolve; `why` says so. Never throws for what the bytes say.
  bool decode(std::span<const std::byte> in, caf::message& msg, std::string& why);
  bool decode(std::span<const std::byte> in, caf::error& value);
  bool decode(std::span<const std::byte> in, caf::node_id& value);
  /// After a decode that failed: the bytes make no sense. Else the code of a user's type has
  /// thrown, which refuses a value.
  bool forged() const noexcept { return forged_; }

private:
  template <class T>
  bool read(std::span<const std::byte> in, T& value, std::string& why);
  template <class T>
  bool write(byte_buf& out, const T& value, std::string& why);

  caf::actor_system& system_;
  const resolve_handle& resolve_;
  const home_node* const home_;
  bool forged_ = false;
};

/// The name of the first type in `msg` that is not registered, in the messages and errors in it
/// too; empty where all are.
std::string unregistered_type(const caf::actor_system& system, const caf::message& msg);

inline std::span<const std::byte> as_bytes(const byte_buf& buf) noexcept {
  return {reinterpret_cast<const std::byte*>(buf.data()), buf.size()};
}

} // namespace bulkhead::actors
