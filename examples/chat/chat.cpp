// The guests of a chat: each is an actor that joins rooms, which are groups, speaks there and notes
// what it hears. There is no program: chat.json says who comes, who says what, and who is killed.
#include <bulkhead/message.hpp>
#include <bulkhead/names.hpp>

#include <caf/all.hpp>

#include <string>
#include <vector>

namespace {

using guest = caf::typed_actor<
  // join, room: an answer when everybody who speaks there from now on is heard
  caf::replies_to<caf::join_atom, std::string>::with<bool>,
  // put, room, text: to all who are in the room, the speaker too
  caf::replies_to<caf::put_atom, std::string, std::string>::with<bool>,
  // what a room brings: who speaks, where, what
  caf::reacts_to<std::string, std::string, std::string>,
  // get: what was heard, in order
  caf::replies_to<caf::get_atom>::with<std::vector<std::string>>>;

struct guest_state {
  std::string name;
  std::vector<std::string> heard;
};

guest::behavior_type visit(guest::stateful_pointer<guest_state> self, const std::string& name) {
  self->state.name = name;
  return {
    [self](caf::join_atom, const std::string& room) -> caf::result<bool> {
      auto promise = self->make_response_promise<bool>();
      bulkhead::join(self, room)
        .then([promise]() mutable { promise.deliver(true); },
              [promise](const caf::error& e) mutable { promise.deliver(e); });
      return promise;
    },
    [self](caf::put_atom, const std::string& room, const std::string& text) {
      bulkhead::publish(self, room, self->state.name, room, text);
      return true;
    },
    [self](const std::string& who, const std::string& room, const std::string& text) {
      self->state.heard.push_back(room + ": " + who + ": " + text);
    },
    [self](caf::get_atom) { return self->state.heard; },
  };
}

BULKHEAD_ACTOR("chat.guest", visit)

} // namespace
