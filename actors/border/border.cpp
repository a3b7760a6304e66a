#include "actors/border/border.hpp"

#include "actors/border/process_proxy.hpp"
#include "actors/border/relay.hpp"
#include "actors/caf/failure_error.hpp"
#include "runtime/testing/hooks.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

namespace bulkhead::actors {

namespace {

caf::error border_error(failure_kind kind, std::string text) {
  failure f;
  f.kind = kind;
  f.message = std::move(text);
  return to_error(f);
}

caf::error too_large_error(std::size_t size) {
  return border_error(failure_kind::too_large, "a message of " + std::to_string(size)
                                                 + " bytes exceeds the limit of "
                                                 + std::to_string(max_body_bytes));
}

} // namespace

border::border(caf::actor_system& system, peer_id self, exec_ctx* loop)
  : system_(system), self_(self), loop_(loop), home_(system),
    scan_(std::make_shared<handle_scan>()) {
  know(self, system.node());
}

border::~border() = default;

std::shared_ptr<link> border::connect(peer_id peer, std::shared_ptr<transport> io,
                                      link_limits limits) {
  auto made = std::make_shared<link>(peer, std::move(io), limits);
  made->introduce(self_);
  made->introduce(peer);
  std::lock_guard lock{mutex_};
  links_[peer] = made;
  return made;
}

// A worker reaches everybody through its host.
std::shared_ptr<link> border::route(peer_id peer) {
  std::lock_guard lock{mutex_};
  auto i = links_.find(is_host() ? peer : host_peer);
  return i == links_.end() ? nullptr : i->second;
}

bool border::know(peer_id peer, const caf::node_id& id) {
  byte_buf bytes;
  resolve_handle none;
  if (!id || !codec{system_, none}.encode(bytes, id))
    return false;
  std::lock_guard lock{mutex_};
  if (nodes_.count(peer) != 0 || !peers_.emplace(id, peer).second)
    return false;
  nodes_[peer].id = id;
  auto more = std::make_shared<handle_scan>(*scan_);
  more->add(peer, std::move(bytes));
  shortest_handle_.store(more->shortest(), std::memory_order_relaxed);
  scan_ = std::move(more);
  return true;
}

border::node border::forget_if_unknown(peer_id peer) {
  auto i = nodes_.find(peer);
  if (i == nodes_.end() || !i->second.dead || i->second.proxies != 0)
    return {};
  peers_.erase(i->second.id);
  auto fewer = std::make_shared<handle_scan>(*scan_);
  fewer->remove(peer);
  scan_ = std::move(fewer);
  auto forgotten = std::move(i->second);
  nodes_.erase(i);
  return forgotten;
}

bool border::find_peer(const caf::node_id& id, peer_id& peer) {
  std::lock_guard lock{mutex_};
  auto i = peers_.find(id);
  if (i == peers_.end())
    return false;
  peer = i->second;
  return true;
}

bool border::key_of(const caf::strong_actor_ptr& actor, actor_key& key) {
  key.id = actor->id();
  if (actor->node() == system_.node()) {
    key.peer = self_;
    return true;
  }
  return find_peer(actor->node(), key.peer);
}

link::sent border::send(const actor_key& to, const caf::strong_actor_ptr& from, caf::message_id mid,
                        const caf::message& msg, const std::shared_ptr<request_watch>& watch) {
  const bool own = watch == nullptr; // whether errors are dealt with here
  auto out = route(to.peer);
  if (!out || out->dead()) {
    if (own && from && mid.is_request())
      answer_error(from, mid, reason_of(to.peer), nullptr);
    return link::sent::dead;
  }
  outbox::item item;
  begin_frame(item.bytes);
  resolve_handle none;
  std::string why;
  if (!codec{system_, none}.encode(item.bytes, msg, why))
    return answer_instead(to, from, mid, border_error(failure_kind::codec, why), watch);
  BULKHEAD_HOOK("actor.send.encoded");
  auto mentioned = mention_all(*out, as_bytes(item.bytes).subspan(sizeof(frame_header)), &msg);
  const auto size = item.bytes.size() - sizeof(frame_header);
  if (size > max_body_bytes) {
    unmention(*out, mentioned);
    return answer_instead(to, from, mid, too_large_error(size), watch);
  }
  const auto source = mention(*out, from);
  mentioned.push_back(source);
  finish_frame(item.bytes, frame_kind::message,
               {.source_peer = source.peer,
                .source_actor = source.id,
                .dest_peer = to.peer,
                .dest_actor = to.id,
                .id = mid.integer_value()});
  item.counted = !mid.is_response();
  item.overtakes = mid.is_response();
  item.pair = {source.id, to.peer, to.id};
  item.token = relay_scope::current();
  pending_table::entry request;
  // What an actor of the same process asks is answered over there.
  if (mid.is_request() && from && source.peer != to.peer)
    request = {from, mid, 0, watch};
  else
    request.watch = watch;
  lead_scope lead{asking_scope::active() && mid.is_request() ? out->reader.lock() : nullptr};
  const auto result = out->send(std::move(item), std::move(request), &lead);
  if (result == link::sent::ok) {
    asking_scope others{false}; // what is delivered meanwhile does not wait
    lead.lead(from, mid);
    return result;
  }
  unmention(*out, mentioned);
  if (own && result == link::sent::full)
    refuse(from, mid,
           border_error(failure_kind::rejected,
                        "the actor worker takes no more messages: its mailbox is full"));
  else if (own && from && mid.is_request())
    answer_error(from, mid, reason_of(to.peer), nullptr);
  return result;
}

// A message that cannot go. Where it is an answer, the requester is told: he waits, and who
// answered could do nothing about it.
link::sent border::answer_instead(const actor_key& to, const caf::strong_actor_ptr& from,
                                  caf::message_id mid, caf::error reason,
                                  const std::shared_ptr<request_watch>& watch) {
  if (mid.is_response())
    return send(to, from, mid, caf::make_message(std::move(reason)), watch);
  refuse(from, mid, std::move(reason));
  if (watch)
    watch->answered();
  return link::sent::ok;
}

void border::refuse(const caf::strong_actor_ptr& from, caf::message_id mid, caf::error reason) {
  // An error as a message would end who sent: CAF's default for such messages.
  if (from && mid.is_request())
    answer_error(from, mid, std::move(reason), nullptr);
  else if (const auto f = failure_of(reason))
    letters.add(f->message);
}

void border::notify(frame_kind kind, const actor_key& to, caf::abstract_actor* from,
                    std::uint64_t id) {
  auto out = route(to.peer);
  if (!out || out->dead())
    return;
  actor_key source;
  if (from != nullptr)
    source = mention(*out, caf::actor_cast<caf::strong_actor_ptr>(from));
  byte_buf buf;
  begin_frame(buf);
  control(*out, kind,
          {.source_peer = source.peer,
           .source_actor = source.id,
           .dest_peer = to.peer,
           .dest_actor = to.id,
           .id = id},
          std::move(buf));
}

void border::control(link& to, frame_kind kind, frame_header header, byte_buf&& buf) {
  finish_frame(buf, kind, header);
  outbox::item item;
  item.bytes = std::move(buf);
  item.overtakes = kind == frame_kind::spawned; // its actor is new: nothing of it goes before
  to.send(std::move(item));
}

// A worker counts only its own actors: of the others it speaks with references that the host gave
// it and that come back only after this mention.
actor_key border::mention(link& to, const caf::strong_actor_ptr& actor) {
  actor_key key;
  if (!actor || !key_of(actor, key))
    return {self_, 0};
  if (key.peer == to.peer() || (!is_host() && key.peer != self_))
    return key;
  to.exported.add(key, actor);
  if (key.peer != self_)
    introduce(to, key.peer);
  return key;
}

std::shared_ptr<const handle_scan> border::scan_for(std::span<const std::byte> body) {
  if (body.size() < shortest_handle_.load(std::memory_order_relaxed))
    return nullptr;
  std::lock_guard lock{mutex_};
  return scan_;
}

// The message still holds what it names, so only who has ended is not found.
caf::strong_actor_ptr border::named(const actor_key& key, const caf::message* msg) {
  auto found = key.peer == self_ ? take_named(system_, key.id) : find_proxy(key);
  if (!found && msg != nullptr && key.peer == self_)
    found = handle_in(*msg, system_.node(), key.id);
  return found;
}

// The receiver counts each handle in the bytes, so each is counted here, also of actors that have
// ended: whoever asks for those is told of their end.
std::vector<actor_key> border::mention_all(link& to, std::span<const std::byte> body,
                                           const caf::message* msg) {
  std::vector<actor_key> keys;
  const auto scan = scan_for(body);
  if (!scan)
    return keys;
  for (const auto& f : is_host() ? scan->all(body, to.peer()) : scan->of(body, self_)) {
    const actor_key key{f.peer, f.actor};
    to.exported.add(key, named(key, msg));
    introduce(to, key.peer);
    keys.push_back(key);
  }
  return keys;
}

void border::unmention(link& to, const std::vector<actor_key>& keys) {
  for (const auto& key : keys) {
    caf::strong_actor_ptr gone;
    if (key.id != 0)
      to.exported.release(key, 1, true, gone);
  }
}

void border::introduce(link& to, peer_id whom) {
  if (!to.introduce(whom))
    return;
  caf::node_id id;
  {
    std::lock_guard lock{mutex_};
    auto i = nodes_.find(whom);
    if (i == nodes_.end())
      return;
    id = i->second.id;
  }
  byte_buf buf;
  begin_frame(buf);
  resolve_handle none;
  codec{system_, none}.encode(buf, id);
  control(to, frame_kind::node, {.id = whom}, std::move(buf));
}

caf::error border::reason_of(peer_id peer) {
  {
    std::lock_guard lock{mutex_};
    auto i = nodes_.find(peer);
    if (i != nodes_.end() && i->second.dead) {
      // Whoever hears this now has sent nothing that the worker could have seen.
      if (auto f = failure_of(i->second.reason)) {
        f->may_have_executed = false;
        return to_error(*f);
      }
      return i->second.reason;
    }
  }
  return border_error(failure_kind::worker_died, "the actor's process is gone");
}

void border::fail(link& dead, const caf::error& reason) {
  if (!dead.claim_death())
    return;
  {
    // First, so that whoever finds the link dead finds the reason too.
    std::lock_guard lock{mutex_};
    auto& n = nodes_[dead.peer()];
    n.dead = true;
    n.reason = reason;
  }
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
  const auto untouched = reason_of(dead.peer());
  no_wait_scope
    moves_on; // what goes to another worker was counted already, and this thread is all's
  for (auto& e : dead.take_pending()) {
    const bool delivered = dead.reached(e);
    const auto& why = delivered ? reason : untouched;
    if (e.watch && e.watch->lost(why, delivered))
      continue;
    if (e.sender)
      answer_error(e.sender, e.mid, why, nullptr);
  }
  BULKHEAD_HOOK("actor.host.answered");
  for (auto& p : proxies)
    static_cast<process_proxy*>(p->get())->kill(reason);
  dead.exported.take();
  proxies.clear();
  end_all_of(dead.peer(), reason);
  node forgotten;
  std::lock_guard lock{mutex_};
  forgotten = forget_if_unknown(dead.peer());
}

// Who observes actors of a dead process without having a handle, here and in other processes.
void border::end_all_of(peer_id peer, const caf::error& reason) {
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
    tell_observers(key, reason);
  for (const auto& l : others)
    for (const auto& key : l->exported.take_monitors(peer))
      tell_down(*l, key, reason);
}

void border::close(const caf::error& reason) {
  std::vector<std::shared_ptr<link>> all;
  std::deque<recent> forgotten; // their proxies hold this border
  {
    std::lock_guard lock{mutex_};
    for (auto& [peer, l] : links_)
      all.push_back(l);
    forgotten.swap(recent_);
  }
  for (auto& l : all)
    fail(*l, reason);
}

border::counts border::census() {
  counts result;
  std::lock_guard lock{mutex_};
  result.proxies = proxies_.size();
  result.peers = nodes_.size();
  result.observed = observers_.size();
  for (auto& [peer, l] : links_) {
    result.exported += l->exported.size();
    result.pending += l->pending.requests();
  }
  return result;
}

} // namespace bulkhead::actors
