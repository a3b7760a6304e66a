#include "actors/caf/proxy.hpp"

#include <caf/action.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/detail/meta_object.hpp>
#include <caf/scheduled_actor.hpp>

namespace bulkhead::actors {

bool proxy_base::enqueue(caf::mailbox_element_ptr what, caf::scheduler* ctx) {
  may_wait_scope own_thread{sends_in_own_thread(what->sender, ctx)};
  on_send(std::move(what->sender), what->mid, std::move(what->payload));
  return true;
}

bool proxy_base::add_backlink(caf::abstract_actor* local) {
  if (!abstract_actor::add_backlink(local))
    return false;
  on_link(local, true);
  return true;
}

bool proxy_base::remove_backlink(caf::abstract_actor* local) {
  if (!abstract_actor::remove_backlink(local))
    return false;
  on_link(local, false);
  return true;
}

caf::strong_actor_ptr take_named(caf::actor_system& system, caf::actor_id id) {
  auto actor = system.registry().get(id);
  if (actor && !system.has_middleman())
    system.registry().erase(id);
  return actor;
}

void proxy_base::kill_proxy(caf::scheduler*, caf::error) {}

const char* proxy_base::name() const { return "bulkhead.proxy"; }

void proxy_base::force_close_mailbox() {}

// The last handle is gone, and CAF holds the actor by a reference of its own for this call. Who is
// observed must live on to tell of its end: on_observed() makes a handle that keeps it. Who is not
// has nobody to tell.
void proxy_base::on_unreachable() {
  if (tells_observers && !observed())
    return;
  if (tells_observers)
    on_observed();
  if (ctrl()->strong_refs.load() == 1)
    actor_proxy::on_unreachable();
}

// A mailbox element cannot tell of its end here, so one that does nothing but hold the token comes
// behind the message.
void deliver(const caf::strong_actor_ptr& to, caf::strong_actor_ptr from, caf::message_id mid,
             caf::message msg, exec_ctx* ctx, std::shared_ptr<void> token, const message_marks&) {
  const bool watched = token && dynamic_cast<caf::scheduled_actor*>(to->get()) != nullptr;
  to->enqueue(caf::make_mailbox_element(std::move(from), mid, std::move(msg)), ctx);
  if (watched)
    to->enqueue(
      caf::make_mailbox_element(nullptr, caf::make_message_id(),
                                caf::make_single_shot_action([held = std::move(token)] {})),
      ctx);
}

// Elements are final here, and nobody else knows what a message brought along.
message_marks marks_in_hand(const caf::strong_actor_ptr&) noexcept { return {}; }

void answer_error(const caf::strong_actor_ptr& to, caf::message_id mid, caf::error reason,
                  exec_ctx* ctx) {
  to->enqueue(caf::make_mailbox_element(nullptr, mid.response_id(), std::move(reason)), ctx);
}

std::string first_element_text(const caf::message& msg) {
  if (msg.empty())
    return {};
  std::string text;
  caf::detail::global_meta_object(msg.type_at(0)).stringify(text, element_at(msg, 0));
  return text;
}

const void* element_at(const caf::message& msg, std::size_t at) { return msg.cdata().at(at); }

} // namespace bulkhead::actors
