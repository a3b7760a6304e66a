#include "actors/border/border.hpp"
#include "actors/border/process_proxy.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <caf/actor_cast.hpp>

#include <algorithm>

// Handles of actors elsewhere: one proxy for each actor, whoever names it. The table holds weak
// pointers, `recent_` keeps the last ones alive for half a second, and `pinned` keeps those that
// somebody observes, or all of them where this CAF does not tell who is observed.
namespace bulkhead::actors {

namespace {

void append(caf::attachable_ptr& chain, caf::attachable_ptr more) {
  auto* end = &chain;
  while (*end)
    end = &(*end)->next;
  *end = std::move(more);
}

} // namespace

caf::strong_actor_ptr border::find_proxy(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = proxies_.find(key);
  return i == proxies_.end() ? nullptr : i->second.actor.lock();
}

// Under the lock the proxy is made but not used: its constructor calls nothing.
caf::strong_actor_ptr border::proxy_for(const actor_key& key, bool counted) {
  caf::strong_actor_ptr actor;
  caf::error reason;
  recent evicted;
  bool fresh = false;
  bool dead = false;
  {
    std::lock_guard lock{mutex_};
    const auto* node = nodes_.find(key.peer);
    if (node == nullptr || key.peer == self_)
      return nullptr;
    const auto [entry, inserted] = proxies_.try_emplace(key);
    if (inserted)
      nodes_.count_proxy(key.peer, true);
    auto& known = entry->second;
    actor = known.actor.lock();
    // There was none, or its last handle has just gone and its destructor waits for this mutex:
    // then the new one takes its place, and proxy_ended() sees by `object` that it is not meant.
    if (!actor) {
      actor = make_proxy<process_proxy>(system_, key.id, node->id, shared_from_this(), key);
      known.actor = caf::actor_cast<caf::weak_actor_ptr>(actor);
      known.object = static_cast<const process_proxy*>(actor->get());
      if (!proxy_base::tells_observers)
        known.pinned = actor;
      fresh = true;
      dead = node->dead;
      reason = node->end.reason_for(key.id);
      if (recent_.size() >= lingering) {
        evicted = std::move(recent_.front());
        recent_.pop_front();
      }
      // A requester is often named again at once; without this each answer would cost a release, a
      // monitor and a new proxy.
      recent_.push_back({actor, clock::now()});
    }
  }
  auto* proxy = static_cast<process_proxy*>(actor->get());
  // Without the mutex, and before any frame: the count is what a release will give back.
  if (counted)
    proxy->count();
  if (fresh)
    for (auto chain = take_observers(key); chain;) {
      auto rest = std::move(chain->next);
      proxy->attach(std::move(chain));
      chain = std::move(rest);
    }
  if (dead)
    kill_proxy(key, reason);
  else if (fresh)
    notify(frame_kind::monitor, key, nullptr, 0);
  return actor;
}

void border::pin(const actor_key& key, const caf::strong_actor_ptr& proxy) {
  std::lock_guard lock{mutex_};
  auto i = proxies_.find(key);
  const auto* node = nodes_.find(key.peer);
  if (i != proxies_.end() && i->second.object == proxy->get() && node != nullptr && !node->dead
      && !static_cast<const process_proxy*>(proxy->get())->killed())
    i->second.pinned = proxy;
}

void border::kill_proxy(const actor_key& key, const caf::error& reason) {
  caf::strong_actor_ptr actor;
  caf::strong_actor_ptr unpinned;
  {
    std::lock_guard lock{mutex_};
    auto i = proxies_.find(key);
    if (i == proxies_.end())
      return;
    actor = i->second.actor.lock();
    unpinned = std::move(i->second.pinned);
    i->second.pinned = nullptr;
  }
  if (actor)
    static_cast<process_proxy*>(actor->get())->kill(reason);
}

// Runs wherever the last handle goes, even inside CAF's locks: a frame, nothing else. Who observes
// the actor, here or through here, does not keep it, and is told of its end all the same.
void border::proxy_ended(process_proxy& proxy, std::uint64_t counted) {
  node_directory::node forgotten;
  bool observed = false;
  {
    std::lock_guard lock{mutex_};
    if (auto chain = proxy.take_observers())
      append(observers_[proxy.key()], std::move(chain));
    observed = observers_.contains(proxy.key())
               || std::any_of(links_.begin(), links_.end(), [&](const auto& l) {
                    return l.second->exported.monitors(proxy.key());
                  });
    auto i = proxies_.find(proxy.key());
    if (i != proxies_.end() && i->second.object == &proxy) {
      proxies_.erase(i);
      nodes_.count_proxy(proxy.key().peer, false);
      forgotten = nodes_.forget_if_unknown(proxy.key().peer);
    }
  }
  // The process is gone, so no DOWN comes any more for those who observe without a handle.
  if (auto out = route(proxy.key().peer); !out || out->dead())
    tell_observers(proxy.key(), reason_of(proxy.key()));
  else if (counted != 0)
    notify(observed ? frame_kind::release_observed : frame_kind::release, proxy.key(), nullptr,
           counted);
}

caf::attachable_ptr border::take_observers(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = observers_.find(key);
  if (i == observers_.end())
    return nullptr;
  auto chain = std::move(i->second);
  observers_.erase(i);
  return chain;
}

void border::tell_observers(const actor_key& key, const caf::error& reason) {
  const auto chain = take_observers(key);
  for (auto* observer = chain.get(); observer != nullptr; observer = observer->next.get())
    try {
      observer->actor_exited(reason, loop_);
    } catch (...) { // a function of the user's; the others hear of the end all the same
      runtime::report_exception_in("a function attached to an actor");
    }
}

border::clock::time_point border::tidy(clock::time_point now) {
  std::vector<recent> old;
  auto next = clock::time_point::max();
  {
    std::lock_guard lock{mutex_};
    while (!recent_.empty() && recent_.front().since + linger <= now) {
      old.push_back(std::move(recent_.front()));
      recent_.pop_front();
    }
    if (!recent_.empty())
      next = recent_.front().since + linger;
  }
  return next;
}

} // namespace bulkhead::actors
