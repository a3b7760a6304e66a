#include "actors/border/border.hpp"

#include "actors/border/process_proxy.hpp"
#include "actors/caf/failure_error.hpp"
#include "runtime/testing/hooks.hpp"

// The end of the process behind a link: whoever waits for it, observes its actors or asks later
// gets the reason.

namespace bulkhead::actors {

namespace {

// Whoever hears this has sent nothing that the worker could have seen.
caf::error unseen(const caf::error& reason) {
  auto f = failure_of(reason);
  if (!f)
    return reason;
  f->may_have_executed = false;
  return to_error(*f);
}

} // namespace

caf::error border::reason_of(const actor_key& key) {
  {
    std::lock_guard lock{mutex_};
    const auto* node = nodes_.find(key.peer);
    if (node != nullptr && node->dead)
      return unseen(node->end.reason_for(key.id));
  }
  failure f;
  f.kind = failure_kind::worker_died;
  f.message = "the actor's process is gone";
  return to_error(f);
}

void border::fail(link& dead, const process_end& end) {
  if (!dead.claim_death())
    return;
  {
    // First, so that whoever finds the link dead finds the reason too.
    std::lock_guard lock{mutex_};
    nodes_.die(dead.peer(), end);
  }
  // From here on nothing more is sent or received; what was noted as pending stays, and is answered
  // below.
  dead.die();
  BULKHEAD_HOOK("actor.host.link_dead");
  std::vector<caf::strong_actor_ptr> proxies;
  {
    std::lock_guard lock{mutex_};
    links_.erase(dead.peer());
    for (auto& [key, known] : proxies_)
      if (!is_host() || key.peer == dead.peer()) {
        if (auto strong = known.actor.lock())
          proxies.push_back(std::move(strong));
        known.pinned = nullptr;
      }
  }
  // What goes to another worker was counted already, and this thread serves everybody.
  no_wait_scope moves_on;
  // In the order in which they were sent, so that those which move on to another instance keep it.
  for (auto& e : dead.take_pending()) {
    const bool delivered = dead.reached(e);
    const auto& heard = end.reason_for(e.whom);
    const auto why = delivered ? heard : unseen(heard);
    if (e.watch && e.watch->lost(why, delivered))
      continue;
    if (e.sender)
      answer_error(e.sender, e.mid, why, nullptr);
  }
  BULKHEAD_HOOK("actor.host.answered");
  // Requests before monitors: who hears that an actor is down must not have an open request to it.
  for (auto& p : proxies) {
    auto* proxy = static_cast<process_proxy*>(p->get());
    proxy->kill(end.reason_for(proxy->key().id));
  }
  // The handles that the peer held are let go here, without the mutex: the last one ends its actor.
  dead.exported.take();
  proxies.clear();
  end_all_of(dead.peer(), end);
  node_directory::node forgotten;
  std::lock_guard lock{mutex_};
  forgotten = nodes_.forget_if_unknown(dead.peer());
}

// Who observes actors of a dead process without having a handle, here and in other processes.
void border::end_all_of(peer_id peer, const process_end& end) {
  std::vector<actor_key> observed;
  std::vector<std::shared_ptr<link>> others;
  {
    std::lock_guard lock{mutex_};
    for (const auto& [key, chain] : observers_)
      if (!is_host() || key.peer == peer)
        observed.push_back(key);
    for (const auto& [other, l] : links_)
      others.push_back(l);
  }
  for (const auto& key : observed)
    tell_observers(key, end.reason_for(key.id));
  for (const auto& l : others)
    for (const auto& key : l->exported.take_monitors(peer))
      tell_down(*l, key, end.reason_for(key.id));
}

} // namespace bulkhead::actors
