#include "actors/border/process_proxy.hpp"
#include "actors/caf/verbs.hpp"
#include "actors/host/actor_hub.hpp"
#include "actors/host/actor_process.hpp"
#include "actors/host/incarnated.hpp"
#include "runtime/dispatch/worker_watch.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>

#include <algorithm>

namespace bulkhead {

namespace {

constexpr std::chrono::hours longest_grace{24};

} // namespace

void kill(const caf::actor& actor, std::optional<std::chrono::nanoseconds> grace) {
  if (grace && grace->count() < 0)
    throw config_error("bulkhead::kill: the grace is " + std::to_string(grace->count())
                       + " ns; allowed: 0 ns or more");
  auto whom = caf::actor_cast<caf::strong_actor_ptr>(actor);
  // The handle of a supervised child outlives its incarnations; whoever kills means the one that
  // lives.
  if (whom)
    if (const auto* name = dynamic_cast<actors::incarnated*>(whom->get())) {
      whom = name->incarnation();
      if (!whom)
        return; // nobody is there now
    }
  if (!whom)
    throw config_error("bulkhead::kill: the handle is empty; it names no actor");
  auto* const proxy = dynamic_cast<actors::process_proxy*>(whom->get());
  if (proxy == nullptr) {
    // A thread that runs an actor's behaviour in this process cannot be stopped, so this would be a
    // promise that nobody keeps.
    if (dynamic_cast<actors::proxy_base*>(whom->get()) == nullptr)
      throw config_error("bulkhead::kill: actor " + std::to_string(whom->id())
                         + " lives in the calling process, where nothing can end it but itself; "
                           "send it an exit message, or spawn it in a worker");
    actors::send_exit(whom, caf::exit_reason::kill); // of a spawn_pool, or ended
    return;
  }
  // In a worker there is no hub: a proxy there has a border, and no process that it could end.
  const auto hub = actors::actor_hub::find(proxy->home_system());
  if (!hub)
    throw config_error("bulkhead::kill: only the host of the pool can end an actor's worker; send "
                       "an exit message, or ask an actor of the host to do it");
  if (const auto process = hub->process_of(proxy->key().peer))
    process->end_actor(whom, grace ? std::min<std::chrono::nanoseconds>(*grace, longest_grace)
                                   : process->grace());
}

namespace detail {

actor_options checked(actor_options options) {
  if (options.message_timeout.count() < 0)
    throw config_error("actor_options::message_timeout is "
                       + std::to_string(options.message_timeout.count())
                       + " ns; allowed: 0 ns (pool_options::task_timeout) or more");
  if (options.start_timeout.count() < 0)
    throw config_error("actor_options::start_timeout is "
                       + std::to_string(options.start_timeout.count())
                       + " ns; allowed: 0 ns (30 s) or more");
  options.start_timeout = std::min(options.start_timeout, runtime::longest_limit);
  options.message_timeout = std::min(options.message_timeout, runtime::longest_limit);
  return options;
}

} // namespace detail

} // namespace bulkhead
