#pragma once

#include <bulkhead/actors/type_number.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/timespan.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead {

namespace actors {
class name_desk;
}

/// A name or a membership that was refused; what() says why.
class name_error : public error {
public:
  explicit name_error(const std::string& message) : error(failure_kind::rejected, message) {}
};

/// The names and groups of an actor system: actors of the host and of all workers of all pools in
/// it, under names by which every process finds them, and in groups as those of Erlang's `pg`. A
/// name, and a membership, goes with its actor's death. It holds an actor of a worker, as a handle
/// does; an actor of the host lives as long as somebody else holds it.
///
/// This is the host's view; actors anywhere use the functions below. Names are 1 to 255 bytes
/// without control characters; there are at most 65,536 names and memberships, 4096 of them of the
/// actors of one worker. Thread-safe; nothing here waits for a process.
class names {
public:
  /// Of the system that the pool was made in, or of the pool's own.
  explicit names(pool& workers);
  /// Throws config_error for a system that did not go through configure(), and in a worker.
  explicit names(caf::actor_system& system);

  /// Throws name_error where the name is taken or no name, the actor has ended, or there are too
  /// many. A supervised child keeps its name through its restarts: child_spec::name.
  void register_as(const std::string& name, const caf::actor& actor) const;
  /// False where nobody has the name.
  bool unregister(const std::string& name) const;
  /// Empty where nobody has the name.
  caf::actor whereis(const std::string& name) const;
  std::vector<std::string> registered() const; ///< sorted

  /// Who joins twice is twice a member, gets each message twice, and leaves twice. Throws as
  /// register_as.
  void join(const std::string& group, const caf::actor& actor) const;
  /// False where it is no member.
  bool leave(const std::string& group, const caf::actor& actor) const;
  /// In the order in which they joined; empty where there is no such group.
  std::vector<caf::actor> members(const std::string& group) const;
  std::vector<std::string> groups() const; ///< that have members, sorted

  /// Sends a message to each member, from nobody; to how many.
  template <class... Ts>
  std::size_t publish(const std::string& group, Ts&&... xs) const {
    return publish_message(group, caf::make_message(std::forward<Ts>(xs)...));
  }
  std::size_t publish_message(const std::string& group, const caf::message& message) const;

private:
  actors::name_desk& desk() const;
  std::shared_ptr<void> hub_; ///< of the system, which lives as long as somebody holds it
  caf::strong_actor_ptr desk_;
};

namespace detail {

/// Whom actors of this system ask. Throws config_error as names(system).
caf::actor name_service(caf::actor_system& system);

/// Sends to each, as if the actor had done so itself.
void send_to_all(const caf::strong_actor_ptr& from, const std::vector<caf::actor>& members,
                 const caf::message& message);

template <class Self, class... Ts>
auto ask_names(Self* self, const char* verb, const std::string& name, Ts&&... xs) {
#if BULKHEAD_CAF_0
  return self->request(name_service(self->system()), caf::infinite, std::string{verb}, name,
                       std::forward<Ts>(xs)...);
#else
  return self->mail(std::string{verb}, name, std::forward<Ts>(xs)...)
    .request(name_service(self->system()), caf::infinite);
#endif
}

template <class Self>
caf::actor handle_of(Self* self) {
  return caf::actor_cast<caf::actor>(self);
}

} // namespace detail

// For actors, in the host and in workers: `self` is the actor that asks. Each but publish() gives
// what CAF's request gives, and the answer comes through its then(): a behaviour does not wait. The
// answer is there after one way to the host and back; an error says why something was refused.

/// Gives the asking actor, or another one of its process, a name. Answer: an empty message. In the
/// host any actor can be named.
template <class Self>
auto register_as(Self* self, const std::string& name) {
  return detail::ask_names(self, "bulkhead.register", name, detail::handle_of(self));
}
template <class Self>
auto register_as(Self* self, const std::string& name, const caf::actor& actor) {
  return detail::ask_names(self, "bulkhead.register", name, actor);
}
template <class Self>
auto unregister(Self* self, const std::string& name) {
  return detail::ask_names(self, "bulkhead.unregister", name, detail::handle_of(self));
}

/// Answer: a caf::actor; an error where nobody has the name.
template <class Self>
auto whereis(Self* self, const std::string& name) {
  return detail::ask_names(self, "bulkhead.whereis", name);
}

/// Answer: an empty message.
template <class Self>
auto join(Self* self, const std::string& group) {
  return detail::ask_names(self, "bulkhead.join", group, detail::handle_of(self));
}
template <class Self>
auto leave(Self* self, const std::string& group) {
  return detail::ask_names(self, "bulkhead.leave", group, detail::handle_of(self));
}

/// Answer: std::vector<caf::actor>, in the order in which they joined.
template <class Self>
auto members(Self* self, const std::string& group) {
  return detail::ask_names(self, "bulkhead.members", group);
}

/// Sends a message to each member of the group, the asking actor too where it is one. They get it
/// from `self`, those of one publish() before those of its next.
template <class Self, class... Ts>
void publish(Self* self, const std::string& group, Ts&&... xs) {
  members(self, group)
    .then(
      [self,
       message = caf::make_message(std::forward<Ts>(xs)...)](const std::vector<caf::actor>& all) {
        detail::send_to_all(caf::actor_cast<caf::strong_actor_ptr>(self), all, message);
      },
      [](const caf::error&) {}); // the host is gone, and its groups with it
}

} // namespace bulkhead
