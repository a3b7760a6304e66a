// ledger_host FOLDER write|read: a host whose one supervised actor counts, and keeps its count in
// the journal of the folder. write: prints each number once it is acknowledged, without end. read:
// prints the number that it begins with. Ends with 3 and the text where the supervisor is refused.

#include "actors/caf/verbs.hpp"

#include <bulkhead/init.hpp>
#include <bulkhead/keep_state.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using bulkhead::actors::state_of;

namespace {

struct count_state {
  std::int64_t number = 0;
};

caf::behavior counter(caf::stateful_actor<count_state>* self, const std::string& last) {
  state_of(self).number = last.empty() ? 0 : std::stoll(last);
  return {
    [self](std::int64_t by) {
      state_of(self).number += by;
      auto promise = self->make_response_promise<std::int64_t>();
      bulkhead::keep_state(self, std::to_string(state_of(self).number))
        .then([promise, number = state_of(self).number]() mutable { promise.deliver(number); },
              [promise](const caf::error& e) mutable { promise.deliver(e); });
      return promise;
    },
  };
}

bool say(std::int64_t number) {
  const auto line = std::to_string(number) + '\n';
  return ::write(STDOUT_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

bool count(caf::scoped_actor& self, const caf::actor& whom, std::int64_t by) {
  bool told = false;
  self->request(whom, 30s, by)
    .receive([&](std::int64_t number) { told = say(number); }, [](const caf::error&) {});
  return told;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  try {
    bulkhead::pool workers{system, {.workers = 1, .actor_workers = 1}};
    bulkhead::child_spec spec{"count", bulkhead::child(counter, "")};
    spec.state_limit = 32;
    bulkhead::supervisor ledger{workers, {.name = "ledger", .journal = argv[1]}, {spec}};
    caf::scoped_actor self{system};
    const auto whom = ledger.child("count");
    if (std::string_view{argv[2]} == "read")
      return count(self, whom, 0) ? 0 : 1;
    while (count(self, whom, 1)) {
    }
    return 1;
  } catch (const bulkhead::error& e) {
    std::printf("%s\n", e.what());
    return 3;
  }
}
