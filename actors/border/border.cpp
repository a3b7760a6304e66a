#include "actors/border/border.hpp"

#include "actors/border/process_proxy.hpp"
#include "actors/border/relay.hpp"
#include "actors/caf/abandoned.hpp"
#include "actors/caf/failure_error.hpp"
#include "actors/caf/proxy.hpp"
#include "runtime/testing/hooks.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

// Where CAF's messages leave this process. Senders come in their own threads, many at once. The
// border's mutex guards nodes, links, proxies and observers, and is let go before a link is used or
// CAF is called: both may come back here. A link has a lock of its own.
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
  : system_(system), self_(self), loop_(loop), home_(system) {
  know(self, system.node());
}

border::~border() = default;

std::shared_ptr<link> border::connect(peer_id peer, std::shared_ptr<transport> io,
                                      link_limits limits) {
  auto made = std::make_shared<link>(peer, std::move(io), limits);
  // Each side knows of the other from the start, so neither is introduced by a frame.
  for (const auto known : {self_, peer})
    made->introduce(known, [] {});
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
  return nodes_.add(peer, id, std::move(bytes));
}

bool border::find_peer(const caf::node_id& id, peer_id& peer) {
  std::lock_guard lock{mutex_};
  const auto found = nodes_.find(id);
  if (found)
    peer = *found;
  return found.has_value();
}

bool border::key_of(const caf::strong_actor_ptr& actor, actor_key& key) {
  key.id = actor->id();
  if (actor->node() == system_.node()) {
    key.peer = self_;
    return true;
  }
  return find_peer(actor->node(), key.peer);
}

void border::open_to_all(caf::strong_actor_ptr actor) {
  std::lock_guard lock{mutex_};
  open_to_all_.swap(actor);
}

link::sent border::send(const actor_key& to, const caf::strong_actor_ptr& from, caf::message_id mid,
                        const caf::message& msg, const std::shared_ptr<request_watch>& watch) {
  // An actor of a remote node, which a user's middleman knows and no worker does.
  if (actor_key key; from && !key_of(from, key))
    return send(to, make_stand_in(system_, from), mid, msg, watch);
  const bool own = watch == nullptr; // whether errors are dealt with here
  const auto deadline =
    mid.is_request() ? marks_scope::current().deadline : message_marks::time_point::max();
  if (is_over(deadline))
    return answer_instead(to, from, mid, expired_answer(), watch);
  auto out = route(to.peer);
  if (!out || out->dead()) {
    if (own)
      answer_unsent(link::sent::dead, to, from, mid);
    return link::sent::dead;
  }
  outbox::item item;
  begin_frame(item.bytes);
  resolve_handle none;
  std::string why;
  if (!codec{system_, none}.encode(item.bytes, msg, why))
    return answer_instead(to, from, mid, border_error(failure_kind::codec, why), watch);
  BULKHEAD_HOOK("actor.send.encoded");
  // Counted before the frame is sent: the peer may give a handle back before push() has returned.
  // Where the frame does not go, the count is taken back.
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
                .id = mid.integer_value(),
                .deadline = encode_deadline(deadline),
                .number = number_for(to, from, watch.get())});
  item.counted = !mid.is_response();
  item.overtakes = mid.is_response();
  item.pair = {source.id, to.peer, to.id};
  // A message that is passed on takes its credit along; the worker gets it back when the last
  // receiver has processed it.
  item.token = relay_scope::current();
  // What an actor of the same process asks is answered over there.
  const bool waits = mid.is_request() && from && source.peer != to.peer;
  pending_table::entry request{waits ? from : nullptr, mid, 0, watch, to.peer, to.id, deadline};
  // The request is noted before it is sent and nothing is noted where it is not: so a death answers
  // each request once, and none that the sender was told of as refused.
  const auto result = put_into(out, std::move(item), std::move(request), from, mid);
  if (result == link::sent::ok)
    return result;
  unmention(*out, mentioned);
  if (own)
    answer_unsent(result, to, from, mid);
  return result;
}

// What the host counts, or how far an actor of a worker has come.
std::uint64_t border::number_for(const actor_key& to, const caf::strong_actor_ptr& from,
                                 const request_watch* watch) const {
  if (is_host())
    return watch != nullptr ? watch->number() : 0;
  if (!from || to.peer != host_peer || to.id != state_keeper)
    return 0;
  return open_->done_up_to(from->id(), marks_in_hand(from).number);
}

// Where the sender waits for its answer, it may read the link meanwhile.
link::sent border::put_into(const std::shared_ptr<link>& out, outbox::item&& item,
                            pending_table::entry request, const caf::strong_actor_ptr& from,
                            caf::message_id mid) {
  lead_scope lead{asking_scope::active() && mid.is_request() ? out->reader.lock() : nullptr};
  const auto result = out->send(std::move(item), std::move(request), &lead);
  // Behind the send, without a lock: finding those who wait no more asks other actors.
  if (out->pending.take_crowded())
    look_for_abandoned(out);
  if (result == link::sent::ok) {
    asking_scope others{false}; // what is delivered meanwhile does not wait
    lead.lead(from, mid);
  }
  return result;
}

void border::answer_unsent(link::sent result, const actor_key& to,
                           const caf::strong_actor_ptr& from, caf::message_id mid) {
  if (result == link::sent::full)
    refuse(from, mid,
           border_error(failure_kind::rejected,
                        "the actor worker takes no more messages: its mailbox is full"));
  else if (from && mid.is_request())
    answer_error(from, mid, reason_of(to), nullptr);
}

void border::look_for_abandoned(const std::shared_ptr<link>& out) {
  for (auto& asked : out->pending.by_requester())
    find_abandoned(asked.requester, std::move(asked.requests),
                   [weak = weak_from_this(), out](const auto& requester, const auto& requests) {
                     if (auto self = weak.lock())
                       self->abandon(*out, requester, requests);
                   });
}

// The host has an entry of its own for what a worker asks a third process.
void border::abandon(link& out, const caf::strong_actor_ptr& requester,
                     const std::vector<caf::message_id>& requests) {
  for (const auto mid : requests) {
    const auto to = out.pending.abandon(requester, mid);
    if (!to || is_host() || *to == host_peer || out.dead())
      continue;
    byte_buf buf;
    begin_frame(buf);
    control(out, frame_kind::abandoned,
            {.source_peer = self_,
             .source_actor = requester->id(),
             .dest_peer = *to,
             .id = mid.integer_value()},
            std::move(buf));
  }
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

void border::close(const caf::error& reason) {
  std::vector<std::shared_ptr<link>> all;
  std::deque<recent> forgotten; // their proxies hold this border
  caf::strong_actor_ptr nobody;
  {
    std::lock_guard lock{mutex_};
    for (auto& [peer, l] : links_)
      all.push_back(l);
    forgotten.swap(recent_);
    nobody.swap(open_to_all_);
  }
  // fail() takes the mutex itself, and tells actors.
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
