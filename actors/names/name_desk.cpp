#include "actors/names/name_desk.hpp"

#include "actors/border/peer_scope.hpp"
#include "actors/caf/failure_error.hpp"
#include "actors/caf/verbs.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <utility>

// The table of names as an actor of the host. Users' threads call it, workers ask by messages that
// are answered in the thread that reads their link. The mutex guards the table; handles are let go
// without it, since the last one ends an actor that is in the table.
namespace bulkhead::actors {

namespace {

/// Answers that may wait for a worker, in bytes, before it gets errors instead.
constexpr std::size_t most_unread = std::size_t{16} << 20;

caf::message refusal(const std::string& why) {
  failure f;
  f.kind = failure_kind::rejected;
  f.message = why;
  return caf::make_message(to_error(f));
}

std::string shown(const std::string& text) {
  if (text.size() > name_table::longest_name)
    return "a text of " + std::to_string(text.size()) + " bytes";
  return "'" + text + "'";
}

std::string explained(name_table::outcome what, const std::string& text) {
  using enum name_table::outcome;
  switch (what) {
  case done:
    return {};
  case bad_name:
    return shown(text) + " is no name; allowed: 1 to " + std::to_string(name_table::longest_name)
           + " bytes without control characters";
  case taken:
    return "the name " + shown(text)
           + " is taken; choose another one, or unregister the actor that has it";
  case unknown:
    return "the actor has no name and is in no group " + shown(text);
  case process_full:
    return "the actors of this worker have " + std::to_string(name_table::limits{}.of_process)
           + " names and memberships, which is all that one process may have; refused: "
           + shown(text);
  case full:
    return "there are " + std::to_string(name_table::limits{}.all)
           + " names and memberships, which is the limit; refused: " + shown(text);
  }
  return {};
}

} // namespace

name_desk::name_desk(caf::actor_config& config, std::weak_ptr<border> edge)
  : proxy_base(config), edge_(std::move(edge)) {}

name_desk::~name_desk() = default;

bool name_desk::key_for(const caf::strong_actor_ptr& actor, actor_key& key) const {
  const auto edge = edge_.lock();
  return actor && edge && edge->key_of(actor, key);
}

// Only the first time: what hangs on the actor stays until it ends. False: it has ended.
bool name_desk::watch(const actor_key& key, const caf::strong_actor_ptr& actor) {
  at_exit(actor, [weak = caf::actor_cast<caf::weak_actor_ptr>(
                    caf::actor_cast<caf::strong_actor_ptr>(this)),
                  key](const caf::error&) {
    if (const auto self = weak.lock())
      static_cast<name_desk*>(self->get())->ended(key);
  });
  const std::lock_guard lock{mutex_};
  return table_.knows(key);
}

std::string name_desk::change(const std::string& text, const caf::strong_actor_ptr& actor,
                              outcome (name_table::*how)(const std::string&, const actor_key&)) {
  actor_key key;
  if (!key_for(actor, key))
    return "an empty handle, or an actor of a remote node, can have no name here: " + shown(text);
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    if (closed_)
      return "the system has ended";
    // Asked before the change, which makes it known.
    first = !table_.knows(key);
    if (const auto got = (table_.*how)(text, key); got != outcome::done)
      return explained(got, text);
    auto& known = actors_[key];
    known.weak = caf::actor_cast<caf::weak_actor_ptr>(actor);
    // An actor of the host is not held: CAF's system waits at its end for all of them.
    if (key.peer != host_peer)
      known.held = actor;
  }
  // Without the mutex: an actor that has ended is told of at once, in this thread.
  return !first || watch(key, actor) ? "" : "the actor has ended; refused: " + shown(text);
}

std::string name_desk::undo(const std::string& text, const caf::strong_actor_ptr& actor,
                            outcome (name_table::*how)(const std::string&, const actor_key&)) {
  actor_key key;
  if (!key_for(actor, key))
    return explained(outcome::unknown, text);
  caf::strong_actor_ptr gone;
  const std::lock_guard lock{mutex_};
  const auto got = (table_.*how)(text, key);
  if (const auto known = actors_.find(key); known != actors_.end() && !table_.holds(key))
    gone = std::move(known->second.held);
  return explained(got, text);
}

std::string name_desk::add(const std::string& name, const caf::strong_actor_ptr& actor) {
  return change(name, actor, &name_table::add);
}

std::string name_desk::join(const std::string& group, const caf::strong_actor_ptr& actor) {
  return change(group, actor, &name_table::join);
}

bool name_desk::remove(const std::string& name) {
  const auto actor = find(name);
  return actor && undo(name, actor, &name_table::remove).empty();
}

bool name_desk::leave(const std::string& group, const caf::strong_actor_ptr& actor) {
  return undo(group, actor, &name_table::leave).empty();
}

void name_desk::ended(const actor_key& key) {
  known_actor gone; // let go without the lock
  const std::lock_guard lock{mutex_};
  table_.ended(key);
  if (const auto known = actors_.find(key); known != actors_.end()) {
    gone = std::move(known->second);
    actors_.erase(known);
  }
}

// With the lock.
caf::strong_actor_ptr name_desk::living(const actor_key& key) const {
  const auto known = actors_.find(key);
  return known == actors_.end() ? nullptr : known->second.weak.lock();
}

caf::strong_actor_ptr name_desk::find(const std::string& name) const {
  const std::lock_guard lock{mutex_};
  const auto key = table_.find(name);
  return key ? living(*key) : nullptr;
}

std::vector<caf::actor> name_desk::members(const std::string& group) const {
  std::vector<caf::actor> all;
  const std::lock_guard lock{mutex_};
  const auto keys = table_.members(group);
  all.reserve(keys.size());
  for (const auto& key : keys)
    if (auto actor = living(key))
      all.push_back(caf::actor_cast<caf::actor>(std::move(actor)));
  return all;
}

std::vector<std::string> name_desk::names() const {
  const std::lock_guard lock{mutex_};
  return table_.names();
}

std::vector<std::string> name_desk::groups() const {
  const std::lock_guard lock{mutex_};
  return table_.groups();
}

void name_desk::close() {
  std::unordered_map<actor_key, known_actor, actor_key_hash> gone;
  const std::lock_guard lock{mutex_};
  closed_ = true;
  gone.swap(actors_);
  table_ = {};
}

// Answers take no credit: a worker that asks and does not read must not fill the host.
bool name_desk::reads_its_answers(peer_id asker) const {
  const auto edge = edge_.lock();
  const auto out = edge && asker != host_peer ? edge->route(asker) : nullptr;
  return !out || out->waiting_bytes() < most_unread;
}

void name_desk::on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) {
  if (as_exit(msg))
    return;
  if (sender && mid.is_request()) {
    const bool keeps = msg.match_elements<std::string, std::string>()
                       && msg.get_as<std::string>(0) == name_verbs::keep;
    const bool spawns = msg.size() >= 2 && msg.match_element<std::string>(0)
                        && msg.match_element<std::string>(1)
                        && msg.get_as<std::string>(0) == name_verbs::spawn;
    if (keeps && reads_its_answers(peer_scope::current()))
      keep(sender, mid, msg.get_as<std::string>(1));
    else if (spawns && reads_its_answers(peer_scope::current()))
      spawn(sender, mid, msg);
    else
      answer(sender, mid, answer_to(msg));
    return;
  }
  if (const auto edge = edge_.lock())
    edge->letters.add("the keeper of names answers requests only, and got a plain message");
}

void name_desk::answer(const caf::strong_actor_ptr& sender, caf::message_id mid,
                       const caf::message& what) {
  sender->enqueue(caf::actor_cast<caf::strong_actor_ptr>(this), mid.response_id(), what, nullptr);
}

// A snapshot is the sender's own, and comes from its process. Where it goes to disk the answer
// comes from the store's thread, which holds neither desk nor asker.
void name_desk::keep(const caf::strong_actor_ptr& sender, caf::message_id mid,
                     const std::string& snapshot) {
  actor_key key;
  if (!key_for(sender, key) || key.peer != peer_scope::current())
    return answer(sender, mid, refusal("keep_state: an actor hands over its own state only"));
  states_.keep(
    key, snapshot, marks_scope::current().number,
    [desk = caf::actor_cast<caf::weak_actor_ptr>(caf::actor_cast<caf::strong_actor_ptr>(this)),
     asker = caf::actor_cast<caf::weak_actor_ptr>(sender), mid](const std::string& why) {
      const auto self = desk.lock();
      const auto whom = asker.lock();
      if (self && whom)
        static_cast<name_desk*>(self->get())
          ->answer(whom, mid, why.empty() ? caf::message{} : refusal(why));
    });
}

// Its worker pays for the asker's wish: the sender may be anybody whom it knows.
void name_desk::spawn(const caf::strong_actor_ptr& sender, caf::message_id mid,
                      const caf::message& msg) {
  const auto asker = peer_scope::current();
  if (asker == host_peer || !on_spawn)
    return answer(sender, mid,
                  refusal("spawn_beside: for actors in workers; in the host use pool::spawn"));
  on_spawn(
    asker, msg.get_as<std::string>(1), without_first(msg, 2),
    [desk = caf::actor_cast<caf::weak_actor_ptr>(caf::actor_cast<caf::strong_actor_ptr>(this)),
     who = caf::actor_cast<caf::weak_actor_ptr>(sender),
     mid](const caf::strong_actor_ptr& made, const std::string& why) {
      const auto self = desk.lock();
      const auto whom = who.lock();
      if (self && whom)
        static_cast<name_desk*>(self->get())
          ->answer(whom, mid,
                   made ? caf::make_message(caf::actor_cast<caf::actor>(made)) : refusal(why));
    });
}

caf::message name_desk::answer_to(const caf::message& msg) {
  if (!reads_its_answers(peer_scope::current()))
    return refusal("this worker does not read the answers that it has already");
  if (msg.match_elements<std::string, std::string>()) {
    const auto& verb = msg.get_as<std::string>(0);
    const auto& text = msg.get_as<std::string>(1);
    if (verb == name_verbs::members)
      return caf::make_message(members(text));
    if (verb == name_verbs::find) {
      if (auto actor = find(text))
        return caf::make_message(caf::actor_cast<caf::actor>(std::move(actor)));
      return refusal("nobody is registered as " + shown(text));
    }
  }
  if (msg.match_elements<std::string, std::string, caf::actor>())
    return change_for_actor(msg.get_as<std::string>(0), msg.get_as<std::string>(1),
                            caf::actor_cast<caf::strong_actor_ptr>(msg.get_as<caf::actor>(2)));
  return refusal("the keeper of names does not know this request");
}

caf::message name_desk::change_for_actor(const std::string& verb, const std::string& text,
                                         const caf::strong_actor_ptr& actor) {
  const auto asker = peer_scope::current();
  actor_key key;
  // The link says who asks. A worker could name any sender that it has a handle of.
  if (asker != host_peer && (!key_for(actor, key) || key.peer != asker))
    return refusal("a worker gives names and groups to its own actors only; refused: "
                   + shown(text));
  std::string why = "the keeper of names does not know this request";
  if (verb == name_verbs::add)
    why = add(text, actor);
  else if (verb == name_verbs::join)
    why = join(text, actor);
  else if (verb == name_verbs::remove)
    why = undo(text, actor, &name_table::remove);
  else if (verb == name_verbs::leave)
    why = undo(text, actor, &name_table::leave);
  return why.empty() ? caf::message{} : refusal(why);
}

} // namespace bulkhead::actors
