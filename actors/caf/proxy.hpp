#pragma once

#include "actors/caf/message_marks.hpp"
#include "actors/caf/version.hpp"

#include <caf/actor_config.hpp>
#include <caf/actor_proxy.hpp>
#include <caf/attachable.hpp>
#include <caf/error.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/make_actor.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace bulkhead::actors {

/// While an active one lives in a thread, the request in hand comes from an actor that blocks this
/// very thread for the answer next.
class asking_scope {
public:
  explicit asking_scope(bool on) noexcept : before_(std::exchange(active(), on)) {}
  ~asking_scope() { active() = before_; }
  asking_scope(const asking_scope&) = delete;
  asking_scope& operator=(const asking_scope&) = delete;

  static bool& active() noexcept {
    thread_local bool flag = false;
    return flag;
  }

private:
  const bool before_;
};

/// While an active one lives in a thread, the message in hand comes from an actor that has this
/// thread for itself: nobody else is held up where it waits.
class may_wait_scope {
public:
  explicit may_wait_scope(bool on) noexcept : before_(std::exchange(active(), on)) {}
  ~may_wait_scope() { active() = before_; }
  may_wait_scope(const may_wait_scope&) = delete;
  may_wait_scope& operator=(const may_wait_scope&) = delete;

  static bool& active() noexcept {
    thread_local bool flag = false;
    return flag;
  }

private:
  const bool before_;
};

/// Whether an actor sends in a thread of its own. CAF's clock, which sends delayed messages for
/// everybody, brings no context.
inline bool sends_in_own_thread(const caf::strong_actor_ptr& sender, const exec_ctx* ctx) noexcept {
  return ctx != nullptr && sender
         && (sender->get()->getf(caf::abstract_actor::is_blocking_flag)
             || sender->get()->getf(caf::abstract_actor::is_detached_flag));
}

/// An actor whose behaviour is C++ code in the sender's thread: the stand-in for an actor of
/// another process, and the pool actors. Monitors and links of local actors hang on it as on any
/// other actor.
class proxy_base : public caf::actor_proxy {
public:
  /// Whether on_observed() is called on this CAF; one built with its own runtime checks insists
  /// that an actor without handles ends.
#ifdef CAF_ENABLE_RUNTIME_CHECKS
  static constexpr bool tells_observers = BULKHEAD_CAF_0;
#else
  static constexpr bool tells_observers = true;
#endif

  explicit proxy_base(caf::actor_config& config);

  /// A message arrived; runs in the sender's thread, concurrently with itself.
  virtual void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) = 0;

  /// A local actor linked to this one or gave the link up. Runs inside CAF's critical section of
  /// both actors: may write a frame, must not call CAF.
  virtual void on_link(caf::abstract_actor* local, bool on) = 0;

  /// The last handle goes while somebody observes (1.x only). Outside CAF's critical sections.
  /// Whoever keeps a handle now keeps the actor.
  virtual void on_observed() {}

  /// Fires all monitors and links, once; later ones fire at once. What a function throws that a
  /// user has attached is told on stderr: the thread is the library's.
  void kill(caf::error reason);
  bool killed() const noexcept;
  /// What a killed proxy was killed with.
  caf::error reason() const;
  /// Links a local actor because the peer asked for it.
  void link_local(caf::abstract_actor* local);
  void unlink_local(caf::abstract_actor* local);
  /// Whether a monitor or link hangs on this actor.
  bool observed();
  /// The monitors and links of an actor that is being destroyed without having ended, as a chain.
  caf::attachable_ptr take_observers() noexcept { return std::move(attachables_head_); }

  static bool terminated(const caf::abstract_actor* actor) noexcept;

#if BULKHEAD_CAF_0
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* ctx) override;
  bool add_backlink(caf::abstract_actor* local) override;
  bool remove_backlink(caf::abstract_actor* local) override;
  void kill_proxy(caf::execution_unit*, caf::error) override;
#else
  bool enqueue(caf::mailbox_element_ptr what, caf::scheduler* ctx) override;
  void kill_proxy(caf::scheduler*, caf::error) override;
  const char* name() const override;

protected:
  bool add_backlink(caf::abstract_actor* local) override;
  bool remove_backlink(caf::abstract_actor* local) override;

  void on_unreachable() override;

private:
  void force_close_mailbox() override;
#endif
};

/// Makes an actor of class T, derived from proxy_base, with the given identity.
template <class T, class... Args>
caf::strong_actor_ptr make_proxy(caf::actor_system& system, caf::actor_id id,
                                 const caf::node_id& node, Args&&... args) {
  caf::actor_config config;
  return caf::make_actor<T, caf::strong_actor_ptr>(id, node, &system, config,
                                                   std::forward<Args>(args)...);
}

/// Hands a message to a local actor. `token` lives until the actor has processed it (on CAF 1.x,
/// for blocking actors, until it is in the mailbox). A request whose deadline passes before an
/// event-based actor begins it is answered with an error then; on CAF 1.x it is begun.
void deliver(const caf::strong_actor_ptr& to, caf::strong_actor_ptr from, caf::message_id mid,
             caf::message msg, exec_ctx* ctx, std::shared_ptr<void> token = nullptr,
             const message_marks& marks = {});

/// Answers the request `mid` of `to` with an error.
void answer_error(const caf::strong_actor_ptr& to, caf::message_id mid, caf::error reason,
                  exec_ctx* ctx);

/// The id of a request with this number, 1 or more, of normal priority.
inline caf::message_id request_mid(std::uint64_t number) {
  return caf::message_id{caf::message_id{}.integer_value() | number};
}

inline caf::message_id to_mid(std::uint64_t value) { return caf::message_id{value}; }

/// The first element as text, to hash it; empty where there is none.
std::string first_element_text(const caf::message& msg);

/// The object of an element, of the type that match_element said.
const void* element_at(const caf::message& msg, std::size_t at);

struct exit_request {
  caf::strong_actor_ptr source; ///< null where the source is anonymous or gone
  caf::error reason;
  bool by_death = false; ///< the source is dead: its monitors and links tell, not this message
};

/// What an exit message says; empty for any other message.
std::optional<exit_request> as_exit(const caf::message& msg);

/// Calls `f(reason)` once when the actor ends, at once if it has ended.
void at_exit(const caf::strong_actor_ptr& actor, std::function<void(const caf::error&)> f);

/// The local actor that CAF's encoder just named by its id; null where it has ended. Encoding puts
/// an actor into CAF's registry, which would hold it until it ends: afterwards the registry only
/// points to it, except beside a middleman of the user's, who looks for it there.
caf::strong_actor_ptr take_named(caf::actor_system& system, caf::actor_id id);

/// A handle that is an element of the message; null where there is none, or deeper inside.
caf::strong_actor_ptr handle_in(const caf::message& msg, const caf::node_id& node,
                                caf::actor_id id);

/// Passes on what it gets to an actor that other processes cannot name: one of a remote node.
caf::strong_actor_ptr make_stand_in(caf::actor_system& system, const caf::strong_actor_ptr& real);

/// A handle of an actor of which nothing is left but its name: monitors and links fire at once, and
/// requests are answered with an error.
caf::strong_actor_ptr ended_actor(caf::actor_system& system, const caf::node_id& node,
                                  caf::actor_id id);

} // namespace bulkhead::actors
