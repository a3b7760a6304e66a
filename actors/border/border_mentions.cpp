#include "actors/border/border.hpp"

#include "actors/caf/proxy.hpp"

#include <caf/actor_system.hpp>

// How this process names actors to another one, and counts what it has named.

namespace bulkhead::actors {

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
  if (!nodes_.may_hold_handles(body.size()))
    return nullptr;
  std::lock_guard lock{mutex_};
  return nodes_.scan();
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
    // `gone` takes the handle out, and lets it go where no lock is held.
    if (key.id != 0)
      to.exported.release(key, 1, true, gone);
  }
}

void border::introduce(link& to, peer_id whom) {
  to.introduce(whom, [&] { tell_node(to, whom); });
}

void border::tell_node(link& to, peer_id whom) {
  caf::node_id id;
  {
    std::lock_guard lock{mutex_};
    const auto* node = nodes_.find(whom);
    if (node == nullptr)
      return;
    id = node->id;
  }
  byte_buf buf;
  begin_frame(buf);
  resolve_handle none;
  codec{system_, none}.encode(buf, id);
  control(to, frame_kind::node, {.id = whom}, std::move(buf));
}

} // namespace bulkhead::actors
