#include "actors/caf/proxy.hpp"

#include "actors/caf/in_loop.hpp"

#include <caf/actor_system.hpp>
#include <caf/message_builder.hpp>
#include <caf/scoped_execution_unit.hpp>

namespace bulkhead::actors {

namespace {

/// Whether a blocking actor sends in this very thread: it brings its own context. (Another's may be
/// passed on here, by a delegate.)
bool asks_itself(const caf::strong_actor_ptr& sender, caf::execution_unit* ctx) noexcept {
  return sender && sender->get()->getf(caf::abstract_actor::is_blocking_flag)
         && dynamic_cast<caf::scoped_execution_unit*>(ctx) != nullptr;
}

/// A mailbox element that tells by its end that the actor is done with it.
class counted_element final : public caf::mailbox_element {
public:
  counted_element(caf::strong_actor_ptr from, caf::message_id id, caf::message msg,
                  std::shared_ptr<void> token)
    : mailbox_element(std::move(from), id, {}), msg_(std::move(msg)), token_(std::move(token)) {
    if (msg_.vals() == nullptr)
      msg_ = caf::message_builder{}.to_message();
  }
  caf::type_erased_tuple& content() override { return msg_; }
  const caf::type_erased_tuple& content() const override { return msg_.content(); }
  caf::message move_content_to_message() override { return std::move(msg_); }
  caf::message copy_content_to_message() const override { return msg_; }

private:
  caf::message msg_;
  std::shared_ptr<void> token_;
};

} // namespace

void proxy_base::attach(caf::attachable_ptr what) {
  monitorable_actor::attach(std::move(what));
  on_observed();
}

void proxy_base::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* ctx) {
  const bool asks = what->mid.is_request() && asks_itself(what->sender, ctx);
  if (asks && running_scope::active()) {
    answer_error(what->sender, what->mid, refusal_to_block(false), nullptr);
    return;
  }
  asking_scope scope{asks};
  on_send(std::move(what->sender), what->mid, what->move_content_to_message());
}

bool proxy_base::add_backlink(caf::abstract_actor* local) {
  if (!monitorable_actor::add_backlink(local))
    return false;
  on_link(local, true);
  return true;
}

bool proxy_base::remove_backlink(caf::abstract_actor* local) {
  if (!monitorable_actor::remove_backlink(local))
    return false;
  on_link(local, false);
  return true;
}

void proxy_base::kill_proxy(caf::execution_unit*, caf::error) {}

void deliver(const caf::strong_actor_ptr& to, caf::strong_actor_ptr from, caf::message_id mid,
             caf::message msg, exec_ctx* ctx, std::shared_ptr<void> token) {
  if (!token) {
    to->enqueue(std::move(from), mid, std::move(msg), ctx);
    return;
  }
  caf::mailbox_element_ptr element{
    new counted_element{std::move(from), mid, std::move(msg), std::move(token)}};
  to->enqueue(std::move(element), ctx);
}

void answer_error(const caf::strong_actor_ptr& to, caf::message_id mid, caf::error reason,
                  exec_ctx* ctx) {
  to->enqueue(nullptr, mid.response_id(), caf::make_message(std::move(reason)), ctx);
}

std::string first_element_text(const caf::message& msg) {
  return msg.empty() ? std::string{} : msg.stringify(0);
}

const void* element_at(const caf::message& msg, std::size_t at) { return msg.get(at); }

} // namespace bulkhead::actors
