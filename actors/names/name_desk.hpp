#pragma once

#include "actors/border/border.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/names/name_table.hpp"
#include "actors/names/state_keeper.hpp"

#include <caf/actor.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkhead::actors {

/// What can be asked of the desk in a message: a verb, a name and, for some, an actor. The answer
/// is empty, an actor, actors, or an error with a text.
struct name_verbs {
  static constexpr const char* add = "bulkhead.register";
  static constexpr const char* remove = "bulkhead.unregister";
  static constexpr const char* find = "bulkhead.whereis";
  static constexpr const char* join = "bulkhead.join";
  static constexpr const char* leave = "bulkhead.leave";
  static constexpr const char* members = "bulkhead.members";
  static constexpr const char* keep = "bulkhead.keep"; ///< with a snapshot in the name's place
  /// With a behaviour in the name's place, and then its arguments.
  static constexpr const char* spawn = "bulkhead.spawn";
};

/// Keeps the names and groups of a host's system. The host calls it; actors anywhere send it
/// requests, which it answers in the thread that brings them, without waiting. A worker speaks for
/// its own actors only. An actor of a worker is held as long as it has a name or a group; one of
/// the host is not, which would keep its system from ending. Thread-safe.
class name_desk final : public proxy_base {
public:
  name_desk(caf::actor_config& config, std::weak_ptr<border> edge);
  ~name_desk() override;

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override;
  void on_link(caf::abstract_actor*, bool) override {}

  /// Each gives why it was refused; empty: done.
  std::string add(const std::string& name, const caf::strong_actor_ptr& actor);
  std::string join(const std::string& group, const caf::strong_actor_ptr& actor);
  /// False: there is no such name, or the actor is no member.
  bool remove(const std::string& name);
  bool leave(const std::string& group, const caf::strong_actor_ptr& actor);
  /// Empty where there is none.
  caf::strong_actor_ptr find(const std::string& name) const;
  std::vector<caf::actor> members(const std::string& group) const;
  std::vector<std::string> names() const;
  std::vector<std::string> groups() const;

  /// Starts an actor for one of a worker; `done` runs once, in any thread, with a handle or with
  /// why there is none. To be set before the first link.
  using spawn_done = std::function<void(const caf::strong_actor_ptr&, const std::string& why)>;
  std::function<void(peer_id asker, const std::string& behavior, const caf::message& args,
                     const spawn_done& done)>
    on_spawn;

  /// The snapshots of supervised actors, which come the same way.
  state_keeper& states() noexcept { return states_; }

  /// Lets go of everything; from now on all is refused. The system ends.
  void close();

private:
  using outcome = name_table::outcome;
  struct known_actor {
    caf::weak_actor_ptr weak;
    caf::strong_actor_ptr held;
  };

  std::string change(const std::string& text, const caf::strong_actor_ptr& actor,
                     outcome (name_table::*how)(const std::string&, const actor_key&));
  std::string undo(const std::string& text, const caf::strong_actor_ptr& actor,
                   outcome (name_table::*how)(const std::string&, const actor_key&));
  bool key_for(const caf::strong_actor_ptr& actor, actor_key& key) const;
  bool watch(const actor_key& key, const caf::strong_actor_ptr& actor);
  void ended(const actor_key& key);
  caf::strong_actor_ptr living(const actor_key& key) const;
  caf::message answer_to(const caf::message& msg);
  void keep(const caf::strong_actor_ptr& sender, caf::message_id mid, const std::string& snapshot);
  void spawn(const caf::strong_actor_ptr& sender, caf::message_id mid, const caf::message& msg);
  void answer(const caf::strong_actor_ptr& sender, caf::message_id mid, const caf::message& what);
  caf::message change_for_actor(const std::string& verb, const std::string& text,
                                const caf::strong_actor_ptr& actor);
  bool reads_its_answers(peer_id asker) const;

  const std::weak_ptr<border> edge_;
  state_keeper states_;
  mutable std::mutex mutex_; ///< guards what follows; no actor is called or let go under it
  name_table table_;
  std::unordered_map<actor_key, known_actor, actor_key_hash> actors_;
  bool closed_ = false;
};

} // namespace bulkhead::actors
