// Behaviours for systems in a file.
#include "actors/caf/verbs.hpp"

#include <bulkhead/keep_state.hpp>
#include <bulkhead/message.hpp>
#include <bulkhead/task.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/response_promise.hpp>
#include <caf/stateful_actor.hpp>

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace {

using bulkhead::actors::state_of;

struct till_state {
  std::int32_t sum = 0;
};

/// ("add", n) is answered with the sum, ("keep", n) when the host holds it, "sum", "pid", and
/// "crash" not at all. `last`: the sum to begin with.
caf::behavior till(caf::stateful_actor<till_state>* self, const std::string& last) {
  state_of(self).sum = std::stoi(last);
  return {
    [self](const std::string& verb, std::int32_t n) -> caf::result<std::int32_t> {
      state_of(self).sum += n;
      if (verb != "keep")
        return state_of(self).sum;
      auto promise = self->make_response_promise();
      bulkhead::keep_state(self, std::to_string(state_of(self).sum))
        .then([promise, sum = state_of(self).sum]() mutable { promise.deliver(sum); },
              [promise](const caf::error& e) mutable { promise.deliver(e); });
      return promise;
    },
    [self](const std::string& verb) -> std::int32_t {
      if (verb == "crash")
        ::raise(SIGKILL);
      return verb == "pid" ? static_cast<std::int32_t>(::getpid()) : state_of(self).sum;
    },
  };
}

BULKHEAD_ACTOR("shop.till", till)
BULKHEAD_TASK("shop.price", [](const std::string& what, int pieces) {
  return static_cast<int>(what.size()) * pieces;
})

} // namespace
