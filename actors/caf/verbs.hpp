#pragma once

#include "actors/caf/own_error.hpp"
#include "actors/caf/version.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/error.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/message_builder.hpp>
#include <caf/message_id.hpp>
#include <caf/message_priority.hpp>
#include <caf/send.hpp>
#include <caf/system_messages.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace bulkhead::actors {

// One spelling for what the CAF generations spell differently.

template <class Self, class Dest, class... Ts>
void tell(Self* self, const Dest& dest, Ts&&... xs) {
#if BULKHEAD_CAF_0
  self->send(dest, std::forward<Ts>(xs)...);
#else
  self->mail(std::forward<Ts>(xs)...).send(dest);
#endif
}

template <class Self, class Duration, class Dest, class... Ts>
void tell_after(Self* self, Duration delay, const Dest& dest, Ts&&... xs) {
#if BULKHEAD_CAF_0
  self->delayed_send(dest, delay, std::forward<Ts>(xs)...);
#else
  self->mail(std::forward<Ts>(xs)...).delay(delay).send(dest);
#endif
}

/// A request; the result takes then, await or receive.
template <class Self, class Dest, class Duration, class... Ts>
auto ask(Self* self, const Dest& dest, Duration timeout, Ts&&... xs) {
#if BULKHEAD_CAF_0
  return self->request(dest, timeout, std::forward<Ts>(xs)...);
#else
  return self->mail(std::forward<Ts>(xs)...).request(dest, timeout);
#endif
}

/// Calls `f(const caf::error&)` when the actor ends. On 0.17 the last call's `f` serves all.
template <class Handle, class F>
void watch(caf::event_based_actor* self, const Handle& actor, F f) {
#if BULKHEAD_CAF_0
  self->set_down_handler([f](caf::down_msg& down) { f(down.reason); });
  self->monitor(actor);
#else
  self->monitor(actor, [f](const caf::error& reason) { f(reason); });
#endif
}

/// Calls `f(caf::exit_msg&)` instead of dying with a linked actor.
template <class F>
void trap_exit(caf::event_based_actor* self, F f) {
  self->set_exit_handler([f](caf::exit_msg& exit) { f(exit); });
}

template <class Self>
decltype(auto) state_of(Self* self) {
#if BULKHEAD_CAF_0
  return (self->state);
#else
  return self->state();
#endif
}

/// The same message with another text as its last element, which is a text.
inline caf::message with_last_text(const caf::message& msg, const std::string& text) {
#if BULKHEAD_CAF_0
  return caf::message::concat(msg.drop_right(1), caf::make_message(text));
#else
  auto changed = msg;
  changed.get_mutable_as<std::string>(changed.size() - 1) = text;
  return changed;
#endif
}

/// What is left of a message without its first elements; it has so many.
inline caf::message without_first(const caf::message& msg, std::size_t n) {
#if BULKHEAD_CAF_0
  return msg.drop(n);
#else
  caf::message_builder rest;
  rest.append_from(msg, n, msg.size() - n);
  return rest.move_to_message();
#endif
}

/// An exit message that goes before what waits in the actor's mailbox.
inline void send_exit(const caf::strong_actor_ptr& actor, caf::exit_reason reason) {
  const auto urgent = caf::make_message_id(caf::message_priority::high);
  actor->enqueue(nullptr, urgent, caf::make_message(caf::exit_msg{actor->get()->address(), reason}),
                 nullptr);
}

inline std::string render(const caf::actor_system& system, const caf::error& reason) {
#if BULKHEAD_CAF_0
  return system.render(reason);
#else
  static_cast<void>(system);
  std::uint8_t code = 0;
  const auto* own = own_error_context(reason, code);
  if (own != nullptr && !own->empty() && own->match_element<std::string>(0))
    return own->get_as<std::string>(0);
  return to_string(reason);
#endif
}

} // namespace bulkhead::actors
