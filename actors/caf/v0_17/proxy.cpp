#include "actors/caf/proxy.hpp"

#include "actors/caf/in_loop.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/message_builder.hpp>
#include <caf/scoped_execution_unit.hpp>

#include <atomic>
#include <mutex>

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

/// Gets the answer in the place of the requester where more actors come behind this one, as in
/// `f * g`: CAF leaves the passing on to the actor that answers, and that one lives elsewhere.
class staged_reply final : public proxy_base {
public:
  using stages = caf::mailbox_element::forwarding_stack;

  staged_reply(caf::actor_config& config, caf::strong_actor_ptr requester, caf::message_id mid,
               stages next)
    : proxy_base(config), mid_(mid), requester_(std::move(requester)), next_(std::move(next)) {}

  // A failure is the answer to the whole: no stage could do anything with it. Afterwards nothing is
  // held: the peer may keep its handle of this one for a while, which must not keep the stages.
  void on_send(caf::strong_actor_ptr, caf::message_id mid, caf::message msg) override {
    stages rest;
    caf::strong_actor_ptr requester;
    {
      std::lock_guard lock{mutex_};
      rest.swap(next_);
      requester.swap(requester_);
    }
    if (rest.empty())
      return;
    if (mid.is_response() && msg.match_elements<caf::error>()) {
      if (requester)
        requester->enqueue(nullptr, mid_.response_id(), std::move(msg), nullptr);
      return;
    }
    const auto to = std::move(rest.back());
    rest.pop_back();
    to->enqueue(
      caf::make_mailbox_element(std::move(requester), mid_, std::move(rest), std::move(msg)),
      nullptr);
  }
  void on_link(caf::abstract_actor*, bool) override {}

private:
  const caf::message_id mid_;
  std::mutex mutex_;
  caf::strong_actor_ptr requester_;
  stages next_; ///< the last one comes first
};

/// What CAF's registry holds in the place of an actor that a message named: it does not keep the
/// actor alive, and whoever looks there by the actor's id still reaches it.
class registry_entry final : public proxy_base {
public:
  registry_entry(caf::actor_config& config, const caf::strong_actor_ptr& real)
    : proxy_base(config), real_(caf::actor_cast<caf::weak_actor_ptr>(real)) {}

  caf::strong_actor_ptr real() const { return real_.lock(); }

  void attach(caf::attachable_ptr what) override {
    if (!entered_) // the registry's own, which hangs on the actor already
      entered_ = true;
    else if (auto actor = real())
      actor->get()->attach(std::move(what));
  }
  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    if (auto actor = real())
      actor->enqueue(std::move(sender), mid, std::move(msg), nullptr);
    else if (sender && mid.is_request())
      answer_error(sender, mid, make_error(caf::sec::request_receiver_down), nullptr);
  }
  void on_link(caf::abstract_actor*, bool) override {}

private:
  const caf::weak_actor_ptr real_;
  std::atomic<bool> entered_ = false; // set before anybody else can have the entry: no order needed
};

} // namespace

// The lock makes the look, the erasure and the new entry one step for all that look here. An
// encoder that enters the actor in between hangs one more functor on it, no more.
caf::strong_actor_ptr take_named(caf::actor_system& system, caf::actor_id id) {
  static std::mutex mutex;
  std::lock_guard lock{mutex};
  auto& registry = system.registry();
  auto actor = registry.get(id);
  if (!actor)
    return nullptr;
  if (const auto* entry = dynamic_cast<registry_entry*>(actor->get()))
    return entry->real();
  if (system.has_middleman())
    return actor;
  registry.erase(id);
  registry.put(id, make_proxy<registry_entry>(system, id, system.node(), actor));
  // It may have ended in between, after which nobody would erase the entry.
  if (proxy_base::terminated(actor->get()))
    registry.erase(id);
  return actor;
}

void proxy_base::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* ctx) {
  const bool asks = what->mid.is_request() && asks_itself(what->sender, ctx);
  if (asks && running_scope::active()) {
    answer_error(what->sender, what->mid, refusal_to_block(false), nullptr);
    return;
  }
  if (!what->stages.empty())
    what->sender =
      make_proxy<staged_reply>(home_system(), home_system().next_actor_id(), home_system().node(),
                               std::move(what->sender), what->mid, std::move(what->stages));
  asking_scope scope{asks};
  may_wait_scope own_thread{sends_in_own_thread(what->sender, ctx)};
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
