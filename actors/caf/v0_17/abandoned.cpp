#include "actors/caf/abandoned.hpp"

#include "actors/caf/v0_17/private_member.hpp"

#include <caf/atom.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message.hpp>
#include <caf/system_messages.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace bulkhead::actors {

namespace {

/// To the actor it is a time-out that is none of its own. It looks at the content in its own
/// thread, and there the question is asked.
class abandoned_question final : public caf::mailbox_element {
public:
  abandoned_question(caf::scheduled_actor& actor, std::vector<caf::message_id> requests,
                     abandoned_handler tell)
    : actor_(actor), requests_(std::move(requests)), tell_(std::move(tell)) {}

  caf::type_erased_tuple& content() override {
    // Whoever writes a log of what is sent looks too, in a thread of its own.
    if (detail_0_17::current_of(actor_) == this)
      ask();
    return message_.content();
  }
  const caf::type_erased_tuple& content() const override { return message_.content(); }
  caf::message move_content_to_message() override { return message_; }
  caf::message copy_content_to_message() const override { return message_; }

private:
  void ask() {
    const auto requests = std::exchange(requests_, {});
    std::vector<caf::message_id> given_up;
    for (const auto request : requests)
      if (!detail_0_17::awaits(actor_, request.response_id()))
        given_up.push_back(request);
    if (!given_up.empty())
      std::exchange(tell_, {})(caf::strong_actor_ptr{actor_.ctrl()}, given_up);
  }

  caf::scheduled_actor& actor_; // has this in its mailbox
  std::vector<caf::message_id> requests_;
  abandoned_handler tell_;
  caf::message message_ =
    caf::make_message(caf::timeout_msg{caf::receive_atom::value, UINT64_MAX}); // no actor's number
};

} // namespace

void find_abandoned(const caf::strong_actor_ptr& requester, std::vector<caf::message_id> requests,
                    abandoned_handler tell) {
  auto* actor = dynamic_cast<caf::scheduled_actor*>(requester->get());
  if (actor == nullptr)
    return;
  caf::mailbox_element_ptr question{
    new abandoned_question{*actor, std::move(requests), std::move(tell)}};
  requester->enqueue(std::move(question), nullptr);
}

} // namespace bulkhead::actors
