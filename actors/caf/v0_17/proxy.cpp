#include "actors/caf/proxy.hpp"

#include "actors/caf/in_loop.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/local_actor.hpp>
#include <caf/message_builder.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/scoped_execution_unit.hpp>
#include <caf/system_messages.hpp>

#include <algorithm>
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

/// The message from another process that this thread works at, or has looked at last. Sender and
/// request are copies: who passes a message on takes them out.
struct hand {
  const caf::mailbox_element* element = nullptr;
  const void* sender = nullptr;
  caf::message_id request;
  message_marks marks;

  static hand& of_thread() noexcept {
    thread_local hand here;
    return here;
  }
};

/// A time-out that no actor waits for: CAF drops it without a word.
caf::message nothing_to_do() {
  return caf::make_message(caf::timeout_msg{caf::atom("receive"), ~std::uint64_t{0}});
}

/// A mailbox element that tells by its end that the actor is done with it, and that is dropped
/// where its actor comes to it too late.
class marked_element final : public caf::mailbox_element {
public:
  marked_element(caf::strong_actor_ptr from, caf::message_id id, caf::message msg,
                 std::shared_ptr<void> token, const message_marks& marks, bool may_expire)
    : mailbox_element(std::move(from), id, {}), msg_(std::move(msg)), token_(std::move(token)),
      marks_(marks), may_expire_(may_expire && id.is_request()) {
    if (msg_.vals() == nullptr)
      msg_ = caf::message_builder{}.to_message();
  }
  ~marked_element() override {
    if (hand::of_thread().element == this)
      hand::of_thread() = {};
  }
  // CAF asks for it when the actor comes to the message, and more than once: within one turn the
  // answer stays the same.
  caf::type_erased_tuple& content() override {
    if (marks_.empty())
      return msg_;
    hand::of_thread() = {this, sender.get(), mid.request_id(), marks_};
    if (may_expire_ && std::exchange(looked_in_, running_scope::turn()) != running_scope::turn()
        && is_over(marks_.deadline))
      expire();
    return msg_;
  }
  const caf::type_erased_tuple& content() const override { return msg_.content(); }
  caf::message move_content_to_message() override { return std::move(msg_); }
  caf::message copy_content_to_message() const override { return msg_; }

private:
  void expire() {
    may_expire_ = false;
    msg_ = nothing_to_do();
    if (sender)
      answer_error(sender, mid, expired_answer(), nullptr);
  }

  caf::message msg_;
  std::shared_ptr<void> token_;
  const message_marks marks_;
  bool may_expire_;
  std::uint64_t looked_in_ = ~std::uint64_t{0};
};

/// What an actor's request, or one that it passes on, has from the message in hand.
message_marks::time_point inherited_deadline(const caf::mailbox_element& what) noexcept {
  const auto& here = hand::of_thread();
  if (here.element == nullptr || !what.sender)
    return message_marks::time_point::max();
  if (what.sender.get() == here.sender && what.mid.request_id() == here.request)
    return here.marks.deadline;
  return marks_in_hand(what.sender).deadline;
}

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
  // Only requests expire. Without a context it comes from a border, which has set its own marks, or
  // from CAF's clock.
  auto marks = marks_scope::current();
  if (!what->mid.is_request())
    marks.deadline = message_marks::time_point::max();
  else if (ctx != nullptr)
    marks.deadline = std::min(marks.deadline, inherited_deadline(*what));
  marks_scope carried{marks};
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

// The element that the actor says it works at may have gone, so it is compared, not used.
message_marks marks_in_hand(const caf::strong_actor_ptr& actor) noexcept {
  const auto& here = hand::of_thread();
  if (here.element == nullptr || !actor)
    return {};
  auto* self = dynamic_cast<caf::local_actor*>(actor->get());
  return self != nullptr && self->current_mailbox_element() == here.element ? here.marks
                                                                            : message_marks{};
}

void deliver(const caf::strong_actor_ptr& to, caf::strong_actor_ptr from, caf::message_id mid,
             caf::message msg, exec_ctx* ctx, std::shared_ptr<void> token,
             const message_marks& marks) {
  if (!token && marks.empty()) {
    to->enqueue(std::move(from), mid, std::move(msg), ctx);
    return;
  }
  // A blocking actor would keep what it does not know in its mailbox.
  const bool may_expire = marks.deadline != message_marks::time_point::max()
                          && dynamic_cast<caf::scheduled_actor*>(to->get()) != nullptr;
  caf::mailbox_element_ptr element{
    new marked_element{std::move(from), mid, std::move(msg), std::move(token), marks, may_expire}};
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
