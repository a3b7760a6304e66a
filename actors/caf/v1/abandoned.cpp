#include "actors/caf/abandoned.hpp"

#include <caf/action.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message.hpp>
#include <caf/scheduled_actor.hpp>

#include <algorithm>
#include <utility>

namespace bulkhead::actors {

namespace {

/// The lists are protected: a derived class may name them.
struct opened_actor : caf::scheduled_actor {
  static bool awaits(const caf::scheduled_actor& actor, caf::message_id response) {
    const auto& awaited = actor.*&opened_actor::awaited_responses_;
    const auto& others = actor.*&opened_actor::multiplexed_responses_;
    return others.contains(response)
           || std::any_of(awaited.begin(), awaited.end(),
                          [&](const auto& a) { return std::get<0>(a) == response; });
  }
};

} // namespace

void find_abandoned(const caf::strong_actor_ptr& requester, std::vector<caf::message_id> requests,
                    abandoned_handler tell) {
  auto* actor = dynamic_cast<caf::scheduled_actor*>(requester->get());
  if (actor == nullptr)
    return;
  // Runs as a message of the actor, which has it in its mailbox.
  auto question = caf::make_action([actor, requests = std::move(requests), tell = std::move(tell)] {
    std::vector<caf::message_id> given_up;
    for (const auto request : requests)
      if (!opened_actor::awaits(*actor, request.response_id()))
        given_up.push_back(request);
    if (!given_up.empty())
      tell(caf::strong_actor_ptr{actor->ctrl()}, given_up);
  });
  requester->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(),
                                               caf::make_message(std::move(question))),
                     nullptr);
}

} // namespace bulkhead::actors
