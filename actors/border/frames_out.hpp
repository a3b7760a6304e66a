#pragma once

#include "actors/border/exports.hpp"
#include "actors/border/link.hpp"
#include "actors/wire/frame.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

#include <cstdint>
#include <memory>

namespace bulkhead::actors {

class process_proxy;

/// What a proxy needs of the border it belongs to. Thread-safe.
class frames_out {
public:
  virtual ~frames_out() = default;

  /// A message that leaves. With a watch, the caller deals with any result but ok; without, the
  /// sender has got its error.
  virtual link::sent send(const actor_key& to, const caf::strong_actor_ptr& from,
                          caf::message_id mid, const caf::message& msg,
                          const std::shared_ptr<request_watch>& watch = nullptr) = 0;
  /// A frame without content for the owner of `to`; `from` may be null. Safe inside CAF's locks.
  virtual void notify(frame_kind kind, const actor_key& to, caf::abstract_actor* from,
                      std::uint64_t id) = 0;
  /// From now on the proxy lives until its actor ends: CAF 1.x needs that where somebody observes
  /// it.
  virtual void pin(const actor_key& key, const caf::strong_actor_ptr& proxy) = 0;
  /// The proxy is being destroyed; `counted`: how often the peer named its actor.
  virtual void proxy_ended(process_proxy& proxy, std::uint64_t counted) = 0;
};

} // namespace bulkhead::actors
