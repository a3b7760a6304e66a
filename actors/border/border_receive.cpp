#include "actors/border/border.hpp"

#include "actors/border/peer_scope.hpp"
#include "actors/border/process_proxy.hpp"
#include "actors/border/relay.hpp"
#include "actors/caf/failure_error.hpp"
#include "runtime/testing/hooks.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

// Where frames of other processes arrive: in the thread that reads the link, one at a time for
// each. A false return means that the peer has broken the protocol; the host then ends that worker.
// What a user's type may cause is no lie and costs a message only.
namespace bulkhead::actors {

bool border::receive(link& from, std::size_t limit, std::size_t& popped) {
  // This thread reads for everybody: it must not wait for room towards another worker.
  no_wait_scope never;
  peer_scope whose{from.peer()};
  marks_scope nothing_of_ours{{}};
  const bool good = from.receive(
    limit, [&](const frame& f) { return handle(from, f); }, popped);
  // What was read may have granted room or credit, for which frames of ours wait.
  from.flush();
  return good;
}

// Whose frame, and for whom: a worker speaks for itself, and the host routes.
bool border::handle(link& from, const frame& f) {
  const auto& h = f.header;
  if (!is_host() && h.dest_actor != 0 && h.dest_peer != self_)
    return false;
  switch (f.kind()) {
  case frame_kind::hello:
    return on_hello(from, f);
  case frame_kind::node:
    return on_node(f);
  case frame_kind::message:
    return on_message(from, f);
  case frame_kind::monitor:
    return on_monitor(from, f);
  case frame_kind::down:
    return on_down(from, f);
  case frame_kind::link:
  case frame_kind::unlink:
    return on_link(from, f);
  case frame_kind::release:
  case frame_kind::release_observed:
    on_release(from, f);
    return true;
  case frame_kind::abandoned:
    return on_abandoned(from, f);
  case frame_kind::spawn:
  case frame_kind::spawned:
  case frame_kind::stop:
    return on_control && on_control(from, f);
  }
  return false;
}

bool border::on_hello(link& from, const frame& f) {
  caf::node_id id;
  resolve_handle none;
  return is_host() && codec{system_, none}.decode(f.body, id)
         && (!on_control || on_control(from, f)) && know(from.peer(), id);
}

bool border::on_node(const frame& f) {
  caf::node_id id;
  resolve_handle none;
  return !is_host() && codec{system_, none}.decode(f.body, id) && know(f.header.id, id);
}

bool border::source_of(link& from, const frame_header& h, caf::strong_actor_ptr& actor) {
  if (h.source_actor == 0)
    return true;
  const actor_key key{h.source_peer, h.source_actor};
  // Its own actor; on a worker, anybody's that is not ours.
  if (key.peer == from.peer() || (!is_host() && key.peer != self_)) {
    actor = proxy_for(key, true);
    return actor != nullptr;
  }
  // A request that it delegates keeps its sender, who must be one that the peer knows.
  actor = from.exported.find(key);
  return actor != nullptr || !is_host();
}

// A worker may name an actor that the host has not told it of, or has told it of as ended: it gets
// the handle of one that has ended, with which nothing can be reached. A frame counts each actor
// once, however often a decoder asks for it.
caf::strong_actor_ptr border::resolve(link& from, const caf::node_id& where, caf::actor_id id,
                                      key_set& counted) {
  actor_key key{0, id};
  if (!find_peer(where, key.peer))
    return is_host() ? ended_actor(system_, where, id) : nullptr;
  if (key.peer != self_ && (!is_host() || key.peer == from.peer()))
    return proxy_for(key, counted.insert(key).second);
  auto known = from.exported.find(key);
  return known ? known : ended_actor(system_, where, id);
}

template <class Decode>
border::reading border::read(link& from, std::span<const std::byte> body, Decode decode) {
  key_set counted;
  const resolve_handle resolver = [&](const caf::node_id& where, caf::actor_id id) {
    return resolve(from, where, id, counted);
  };
  codec reader{system_, resolver, &home_};
  if (decode(reader))
    return reading::whole;
  if (reader.forged() && is_host())
    return reading::forged;
  count_rest(from, body, counted);
  return reading::unreadable;
}

border::reading border::read(link& from, std::span<const std::byte> body, caf::message& msg,
                             std::string& why) {
  return read(from, body, [&](codec& reader) { return reader.decode(body, msg, why); });
}

border::reading border::read(link& from, std::span<const std::byte> body, caf::error& reason) {
  return read(from, body, [&](codec& reader) { return reader.decode(body, reason); });
}

// The peer has counted what its scan of the same bytes found, whether this side could read them or
// not: what is counted on one side only would be kept for ever.
void border::count_rest(link& from, std::span<const std::byte> body, key_set& counted) {
  const auto scan = scan_for(body);
  if (!scan)
    return;
  for (const auto& f : is_host() ? scan->of(body, from.peer()) : scan->all(body, self_))
    if (const actor_key key{f.peer, f.actor}; counted.insert(key).second)
      proxy_for(key, true);
}

void border::give_back(link& from, std::span<const std::byte> body) {
  key_set none;
  count_rest(from, body, none);
}

bool border::decode(link& from, std::span<const std::byte> body, caf::message& msg,
                    std::string& why) {
  return read(from, body, msg, why) == reading::whole;
}

caf::strong_actor_ptr border::receiver(const link& from, const actor_key& key) {
  auto known = from.exported.find(key);
  if (known || key.peer != self_)
    return known;
  std::lock_guard lock{mutex_};
  return open_to_all_ && open_to_all_->id() == key.id ? open_to_all_ : nullptr;
}

bool border::on_message(link& from, const frame& f) {
  const auto& h = f.header;
  const auto mid = to_mid(h.id);
  // Whatever becomes of the message, its credit goes back.
  auto credit = mid.is_response() ? nullptr : from.token(sizeof h + f.body.size());
  caf::strong_actor_ptr source;
  if (!source_of(from, h, source))
    return false;
  auto to = receiver(from, {h.dest_peer, h.dest_actor});
  caf::message msg;
  std::string why;
  const auto got = read(from, f.body, msg, why);
  if (got == reading::forged)
    return false;
  if (got == reading::unreadable) {
    on_undecodable(from, to, source, mid, why);
    return true;
  }
  if (!to) {
    if (source && mid.is_request())
      answer_error(source, mid, make_error(caf::sec::request_receiver_down), loop_);
    return true;
  }
  message_marks marks{decode_deadline(h.deadline), h.number};
  // The host passes on the one answer to each request, and no more: answers need no credit, and a
  // worker can make up any number of them.
  if (mid.is_response() && !from.pending.answered(to, mid, &marks.deadline) && is_host())
    return true;
  if (mid.is_request() && source)
    from.pending.answered(source, mid); // delegated back to this side
  BULKHEAD_HOOK("actor.receive.decoded");
  // Before it is in a mailbox: here nearly all messages wait.
  if (mid.is_request() && is_over(marks.deadline))
    refuse(source, mid, expired_answer());
  else
    hand_over(to, std::move(source), mid, std::move(msg), std::move(credit), marks);
  BULKHEAD_HOOK("actor.receive.delivered");
  return true;
}

// It may be the doing of a user's type, and costs that message, not its worker. An answer that does
// not decode is one all the same: the requester waits for it.
void border::on_undecodable(link& from, const caf::strong_actor_ptr& to,
                            const caf::strong_actor_ptr& source, caf::message_id mid,
                            const std::string& why) {
  failure bad;
  bad.kind = failure_kind::codec;
  bad.message =
    std::string{"the message does not decode in the "} + (is_host() ? "host: " : "worker: ") + why;
  if (!mid.is_response()) {
    refuse(source, mid, to_error(bad));
  } else if (to) {
    from.pending.answered(to, mid);
    deliver(to, source, mid, caf::make_message(to_error(bad)), loop_);
  }
}

void border::hand_over(const caf::strong_actor_ptr& to, caf::strong_actor_ptr source,
                       caf::message_id mid, caf::message&& msg, std::shared_ptr<void> credit,
                       message_marks marks) {
  const bool passes_on =
    (credit || !marks.empty()) && dynamic_cast<proxy_base*>(to->get()) != nullptr;
  relay_scope relay{passes_on ? std::move(credit) : nullptr};
  marks_scope taken_along{passes_on ? marks : message_marks{}};
  if (passes_on)
    marks = {};
  else if (marks.number != 0 && !is_host())
    credit = note_number(to, marks.number);
  deliver(to, std::move(source), mid, std::move(msg), loop_, std::move(credit), marks);
}

// In a worker, which gives no credit: only the host numbers messages.
std::shared_ptr<void> border::note_number(const caf::strong_actor_ptr& to, std::uint64_t number) {
  const bool first = !open_->knows(to->id());
  auto token = open_->came(to->id(), number);
  if (first)
    at_exit(to, [open = open_, id = to->id()](const caf::error&) { open->forget(id); });
  return token;
}

bool border::on_monitor(link& from, const frame& f) {
  BULKHEAD_HOOK("actor.receive.monitor");
  const actor_key key{f.header.dest_peer, f.header.dest_actor};
  auto actor = from.exported.find(key);
  if (!actor || !from.exported.monitor(key)) {
    tell_down(from, key, make_error(caf::exit_reason::unknown));
    return true;
  }
  // Of an actor of a third process its own DOWN tells, so that no monitor of ours hangs on its
  // proxy. The wish is noted first: a proxy that is killed later tells of it.
  auto* foreign = dynamic_cast<process_proxy*>(actor->get());
  if (foreign == nullptr)
    watch(actor, key);
  else if (foreign->killed() && from.exported.take_monitor(key))
    tell_down(from, key, foreign->reason());
  return true;
}

// One attachable for each actor, however many peers ask: an actor that lives long would gather
// those of all workers that ever knew it. First the wish of the peer, then the look whether there
// is one; at the end first the look is undone, then the wishes are read: no wish is missed.
void border::watch(const caf::strong_actor_ptr& actor, const actor_key& key) {
  {
    std::lock_guard lock{mutex_};
    if (!watched_.insert(actor->get()).second)
      return;
  }
  // Its object may also go without an end, where it is a proxy that nobody holds.
  std::shared_ptr<const caf::abstract_actor> guard{
    actor->get(), [weak = weak_from_this()](const caf::abstract_actor* object) {
      if (auto self = weak.lock())
        self->unwatch(object);
    }};
  at_exit(actor, [weak = weak_from_this(), guard, key](const caf::error& reason) {
    if (auto self = weak.lock()) {
      self->unwatch(guard.get());
      self->tell_down(key, reason);
    }
  });
}

void border::unwatch(const caf::abstract_actor* actor) {
  std::lock_guard lock{mutex_};
  watched_.erase(actor);
}

void border::tell_down(const actor_key& key, const caf::error& reason) {
  std::vector<std::shared_ptr<link>> all;
  {
    std::lock_guard lock{mutex_};
    for (const auto& [peer, l] : links_)
      all.push_back(l);
  }
  for (const auto& l : all)
    if (!l->dead() && l->exported.take_monitor(key))
      tell_down(*l, key, reason);
}

void border::tell_down(link& to, const actor_key& key, const caf::error& reason) {
  BULKHEAD_HOOK("actor.send.down");
  byte_buf buf;
  begin_frame(buf);
  resolve_handle none;
  codec c{system_, none};
  if (!c.encode(buf, reason) || buf.size() - sizeof(frame_header) > max_body_bytes) {
    begin_frame(buf);
    c.encode(buf, make_error(caf::exit_reason::unknown));
  }
  mention_all(to, as_bytes(buf).subspan(sizeof(frame_header)));
  control(to, frame_kind::down, {.source_peer = key.peer, .source_actor = key.id}, std::move(buf));
}

bool border::on_down(link& from, const frame& f) {
  BULKHEAD_HOOK("actor.receive.down");
  if (is_host() && f.header.source_peer != from.peer())
    return false;
  caf::error reason;
  const auto got = read(from, f.body, reason);
  if (got == reading::forged)
    return false;
  if (got == reading::unreadable) // the end is news without its reason too
    reason = make_error(caf::exit_reason::unknown);
  // A reason of none means a normal end; a proxy needs one all the same.
  const actor_key key{f.header.source_peer, f.header.source_actor};
  kill_proxy(key, reason);
  tell_observers(key, reason);
  if (is_host()) // the peers to which it was passed on
    tell_down(key, reason);
  return true;
}

bool border::on_link(link& from, const frame& f) {
  BULKHEAD_HOOK("actor.receive.link");
  caf::strong_actor_ptr source;
  if (f.header.source_actor == 0 || !source_of(from, f.header, source))
    return false;
  auto local = from.exported.find({f.header.dest_peer, f.header.dest_actor});
  if (!local) {
    tell_down(from, {f.header.dest_peer, f.header.dest_actor},
              make_error(caf::exit_reason::unknown));
    return true;
  }
  auto* proxy = dynamic_cast<process_proxy*>(source ? source->get() : nullptr);
  if (proxy == nullptr || local == source)
    return !is_host();
  if (f.kind() == frame_kind::link)
    proxy->link_local(local->get());
  else
    proxy->unlink_local(local->get());
  return true;
}

bool border::on_abandoned(link& from, const frame& f) {
  if (!is_host() || f.header.source_peer != from.peer())
    return false;
  const auto requester = find_proxy({f.header.source_peer, f.header.source_actor});
  const auto out = route(f.header.dest_peer);
  if (requester && out)
    out->pending.abandon(requester, to_mid(f.header.id));
  return true;
}

// More than it was given can only be a lie about its own count, which harms nobody else.
void border::on_release(link& from, const frame& f) {
  BULKHEAD_HOOK("actor.receive.release");
  caf::strong_actor_ptr gone;
  from.exported.release({f.header.dest_peer, f.header.dest_actor}, f.header.id,
                        f.kind() == frame_kind::release_observed, gone);
}

} // namespace bulkhead::actors
