#pragma once

#include "tests/support/caf_spelling.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/caf/verbs.hpp"

#include <bulkhead/actor.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/response_promise.hpp>
#include <caf/sec.hpp>
#include <caf/skip.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

// The actors of a differential test: they do what they are ordered, tell a recorder what they see,
// and are the same inside one process and across several.

#define BULKHEAD_TEST_WORD(name)                                                                   \
  struct name {                                                                                    \
    std::int32_t op = 0;                                                                           \
  };                                                                                               \
  template <class Inspector>                                                                       \
  auto inspect(Inspector& f, name& x) {                                                            \
    return inspect_members(f, x, x.op);                                                            \
  }

namespace bulkhead::tests::play {

BULKHEAD_TEST_WORD(note)         ///< a plain message
BULKHEAD_TEST_WORD(question)     ///< answered with a number made of it and of who answers
BULKHEAD_TEST_WORD(staged)       ///< the same for the first of a composition, which across
                                 ///< processes sees a stand-in for who asks
BULKHEAD_TEST_WORD(hop)          ///< with an actor, to which the question is delegated
BULKHEAD_TEST_WORD(promised_hop) ///< the same by a response promise
BULKHEAD_TEST_WORD(keep)         ///< answered when the order to settle comes, or never
BULKHEAD_TEST_WORD(refuse)       ///< answered with an error
BULKHEAD_TEST_WORD(explode)      ///< the handler throws
BULKHEAD_TEST_WORD(bring)        ///< answered with the handle of the player with this number
BULKHEAD_TEST_WORD(learn)        ///< with an actor: that is the player with this number
BULKHEAD_TEST_WORD(late)         ///< a delayed message
BULKHEAD_TEST_WORD(late_done)    ///< its receipt
BULKHEAD_TEST_WORD(stranger)     ///< nobody has a handler for it
BULKHEAD_TEST_WORD(ping)         ///< answered with what still has to fire here

/// An observation of one player; `op` 0: of no operation.
struct event {
  std::int32_t player = 0;
  std::int32_t op = 0;
  std::string text;
};
template <class Inspector>
auto inspect(Inspector& f, event& x) {
  return inspect_members(f, x, x.player, x.op, x.text);
}

enum class verb : std::int32_t {
  // Those of one step commute: whatever their order, everybody sees the same.
  tell,
  shout,       ///< with high priority
  tell_late,   ///< delayed
  ask,         ///< .then
  ask_hop,     ///< the target delegates to the other
  ask_promise, ///< the same by a promise
  ask_keep,    ///< no time-out that matters
  ask_silent,  ///< times out
  ask_error,
  ask_stranger,
  ask_handle, ///< and whether the handle that comes back is the one that is known
  ask_group,  ///< everybody at once, one outcome when all have answered
  ask_stages, ///< target * other
  tell_all,   ///< a note to everybody known
  // These come alone in their step.
  ask_await,
  give, ///< the other's handle to the target
  give_null,
  give_all, ///< all handles in one message
  sleep,    ///< skips all but orders
  wake,
  settle,      ///< answers what was kept
  settle_away, ///< delegates what was kept to the target
  monitor,
  demonitor,
  link,
  unlink,
  trap,
  send_exit,
  exit_with_handle, ///< an exit reason that has an actor's handle in it
  quit,
  quit_normally,
  ask_explode,
  spawn, ///< a child with the number `other`
  spawn_detached,
  forget, ///< drops a handle
  number_of_verbs
};

struct order {
  std::int32_t what = 0;
  std::int32_t op = 0;
  std::int32_t target = 0;
  std::int32_t other = 0;
};
template <class Inspector>
auto inspect(Inspector& f, order& x) {
  return inspect_members(f, x, x.what, x.op, x.target, x.other);
}

BULKHEAD_MESSAGE(note)
BULKHEAD_MESSAGE(question)
BULKHEAD_MESSAGE(staged)
BULKHEAD_MESSAGE(hop)
BULKHEAD_MESSAGE(promised_hop)
BULKHEAD_MESSAGE(keep)
BULKHEAD_MESSAGE(refuse)
BULKHEAD_MESSAGE(explode)
BULKHEAD_MESSAGE(bring)
BULKHEAD_MESSAGE(learn)
BULKHEAD_MESSAGE(late)
BULKHEAD_MESSAGE(late_done)
BULKHEAD_MESSAGE(stranger)
BULKHEAD_MESSAGE(ping)
BULKHEAD_MESSAGE(event)
BULKHEAD_MESSAGE(order)

/// An error in words that are the same for plain CAF and across processes: what bulkhead documents
/// as its own errors is told as CAF's where CAF has one for it.
inline std::string in_words(const caf::error& e) {
  if (!e)
    return "none";
  if (const auto f = actors::failure_of(e)) {
    if (f->kind == failure_kind::task_exception)
      return "runtime_error";
    return f->kind == failure_kind::worker_died ? "died" : "failure: " + f->message;
  }
  static const std::pair<caf::sec, const char*> codes[] = {
    {caf::sec::runtime_error, "runtime_error"},
    {caf::sec::unexpected_message, "unexpected_message"},
    {caf::sec::request_timeout, "request_timeout"},
    {caf::sec::request_receiver_down, "request_receiver_down"},
    {caf::sec::invalid_argument, "invalid_argument"},
  };
  for (const auto& [code, text] : codes)
    if (e == code)
      return text;
  return to_string(e);
}

class player : public caf::event_based_actor {
public:
  player(caf::actor_config& config, caf::actor recorder, std::int32_t number)
    : event_based_actor(config), recorder_(std::move(recorder)), number_(number) {}

  caf::behavior make_behavior() override;
  /// Players know themselves and each other: a circle that the object would not outlive by itself.
  void on_exit() override {
    known_.clear();
    kept_.clear();
  }

private:
  using handles = std::map<std::int32_t, caf::actor>;
  static constexpr std::chrono::seconds patience{100};

  void log(std::int32_t op, std::string text) {
    actors::tell(this, recorder_, event{number_, op, std::move(text)});
  }
  std::string name_of(const caf::strong_actor_ptr& who) const;
  std::string sender() { return name_of(caf::actor_cast<caf::strong_actor_ptr>(current_sender())); }
  caf::behavior awake();
  caf::behavior asleep();
  caf::actor brought(std::int32_t number) const {
    auto i = known_.find(number);
    return i == known_.end() ? caf::actor{} : i->second;
  }
  void on_learn(std::int32_t number, const caf::actor& who);
  void obey(const order& o);
  void obey_alone(const order& o, const caf::actor& to);
  void ask(const order& o, const caf::actor& to);
  void ask_group(const order& o);
  void begin_child(const order& o, verb how);
  template <class Request>
  void log_answer(std::int32_t op, Request request);

  const caf::actor recorder_;
  const std::int32_t number_;
  handles known_;
  std::vector<caf::response_promise> kept_;
  std::int32_t firing_ = 0; ///< delayed messages and time-outs of this one that are still to come
};

inline std::string player::name_of(const caf::strong_actor_ptr& who) const {
  if (!who)
    return "nobody";
  if (who == recorder_)
    return "recorder";
  if (who->id() == id() && who->node() == node())
    return std::to_string(number_);
  for (const auto& [number, handle] : known_)
    if (handle == who)
      return std::to_string(number);
  return "?";
}

inline caf::behavior player::make_behavior() {
  set_down_handler([this](const caf::down_msg& x) {
    log(0, "down of " + name_of(caf::actor_cast<caf::strong_actor_ptr>(x.source)) + ": "
             + in_words(x.reason));
  });
  return awake();
}

inline void player::on_learn(std::int32_t number, const caf::actor& who) {
  log(0, "learns " + std::to_string(number) + " from " + sender() + ", known as "
           + name_of(caf::actor_cast<caf::strong_actor_ptr>(who)));
  if (who)
    known_[number] = who;
}

inline caf::behavior player::awake() {
  set_default_handler(caf::drop);
  return {
    [this](const order& o) { obey(o); },
    [this](const ping&) { return firing_; },
    [this](const learn& x, const caf::actor& who) { on_learn(x.op, who); },
    [this](const std::vector<caf::actor>& all) {
      for (std::size_t i = 0; i < all.size(); ++i)
        on_learn(static_cast<std::int32_t>(i), all[i]);
    },
    [this](const note& x) { log(x.op, "note from " + sender()); },
    [this](const late& x) {
      log(x.op, "late note from " + sender());
      return late_done{x.op};
    },
    [this](const late_done& x) {
      --firing_;
      log(x.op, "receipt from " + sender());
    },
    [this](const question& x) {
      log(x.op, "question from " + sender());
      return x.op * 100 + number_;
    },
    [this](const staged& x) {
      log(x.op, "first stage");
      return x.op * 100 + number_;
    },
    [this](std::int32_t x) {
      log(0, "number " + std::to_string(x) + " from " + sender());
      return x + 1;
    },
    [this](const hop& x, const caf::actor& next) {
      log(x.op, "hop from " + sender());
      return delegate(next, question{x.op});
    },
    [this](const promised_hop& x, const caf::actor& next) {
      log(x.op, "promise from " + sender());
      auto promise = make_response_promise();
      promise.delegate(next, question{x.op});
      return promise;
    },
    [this](const keep& x) {
      log(x.op, "keeps a question of " + sender());
      kept_.push_back(make_response_promise());
      return kept_.back();
    },
    [this](const refuse& x) -> caf::result<std::int32_t> {
      log(x.op, "refuses " + sender());
      return make_error(caf::sec::invalid_argument, std::to_string(x.op));
    },
    [](const explode& x) -> std::int32_t { throw std::runtime_error(std::to_string(x.op)); },
    [this](const bring& x) { return brought(x.op); },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}

inline caf::behavior player::asleep() {
  set_default_handler(caf::skip);
  return {
    [this](const order& o) { obey(o); },
    [this](const ping&) { return firing_; },
    [this](const bring& x) { return brought(x.op); },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}

template <class Request>
void player::log_answer(std::int32_t op, Request request) {
  std::move(request).then([this, op](std::int32_t x) { log(op, "answer " + std::to_string(x)); },
                          [this, op](const caf::error& e) { log(op, "error " + in_words(e)); });
}

inline void player::obey(const order& o) {
  const auto i = known_.find(o.target);
  const auto to = i == known_.end() ? caf::actor{} : i->second;
  const auto what = static_cast<verb>(o.what);
  if (!to) {
    log(o.op, "knows no " + std::to_string(o.target));
    return;
  }
  switch (what) {
  case verb::tell:
    return actors::tell(this, to, note{o.op});
  case verb::shout:
#if BULKHEAD_CAF_0
    return send<caf::message_priority::high>(to, note{o.op});
#else
    return mail(note{o.op}).urgent().send(to);
#endif
  case verb::tell_all:
    for (const auto& [number, handle] : known_)
      actors::tell(this, handle, note{o.op});
    return;
  case verb::tell_late:
    ++firing_;
    return actors::tell_after(this, std::chrono::milliseconds{2}, to, late{o.op});
  default:
    return what < verb::ask_await ? ask(o, to) : obey_alone(o, to);
  }
}

inline void player::ask(const order& o, const caf::actor& to) {
  const auto j = known_.find(o.other);
  const auto other = j == known_.end() ? to : j->second;
  switch (static_cast<verb>(o.what)) {
  case verb::ask:
    return log_answer(o.op, actors::ask(this, to, patience, question{o.op}));
  case verb::ask_hop:
    return log_answer(o.op, actors::ask(this, to, patience, hop{o.op}, other));
  case verb::ask_promise:
    return log_answer(o.op, actors::ask(this, to, patience, promised_hop{o.op}, other));
  case verb::ask_keep:
    return log_answer(o.op, actors::ask(this, to, patience, keep{o.op}));
  case verb::ask_error:
    return log_answer(o.op, actors::ask(this, to, patience, refuse{o.op}));
  case verb::ask_stranger:
    return log_answer(o.op, actors::ask(this, to, patience, stranger{o.op}));
  case verb::ask_silent:
    ++firing_;
    actors::ask(this, to, std::chrono::milliseconds{2}, keep{o.op})
      .then(
        [this, o](std::int32_t x) {
          --firing_;
          log(o.op, "answer " + std::to_string(x));
        },
        [this, o](const caf::error& e) {
          --firing_;
          log(o.op, "error " + in_words(e));
        });
    return;
  case verb::ask_handle:
    actors::ask(this, to, patience, bring{o.other})
      .then(
        [this, o](const caf::actor& x) {
          log(o.op, "got " + name_of(caf::actor_cast<caf::strong_actor_ptr>(x)));
        },
        [this, o](const caf::error& e) { log(o.op, "error " + in_words(e)); });
    return;
  case verb::ask_stages:
#if BULKHEAD_CAF_0
    return log_answer(o.op, actors::ask(this, other * to, patience, staged{o.op}));
#else
    return log_answer(o.op, actors::ask(this, to, patience, staged{o.op}));
#endif
  default:
    return ask_group(o);
  }
}

inline void player::ask_group(const order& o) {
  struct group {
    std::size_t open = 0;
    std::map<std::int32_t, std::string> outcomes;
  };
  auto all = std::make_shared<group>();
  all->open = known_.size();
  const auto add = [this, all, op = o.op](std::int32_t from, std::string outcome) {
    all->outcomes[from] = std::move(outcome);
    if (--all->open != 0)
      return;
    std::string text = "group:";
    for (const auto& [number, said] : all->outcomes)
      text += " " + std::to_string(number) + " " + said;
    log(op, text);
  };
  for (const auto& [number, handle] : known_)
    actors::ask(this, handle, patience, question{o.op})
      .then([add, from = number](std::int32_t x) { add(from, std::to_string(x)); },
            [add, from = number](const caf::error& e) { add(from, in_words(e)); });
}

inline void player::begin_child(const order& o, verb how) {
  caf::actor child;
  if (how == verb::spawn_detached)
    child = caf::event_based_actor::spawn<player, caf::detached>(recorder_, o.other);
  else
    child = caf::event_based_actor::spawn<player>(recorder_, o.other);
  for (const auto& [number, handle] : known_)
    actors::tell(this, child, learn{number}, handle);
  actors::tell(this, child, learn{o.other}, child);
  known_[o.other] = child;
}

inline void player::obey_alone(const order& o, const caf::actor& to) {
  const auto j = known_.find(o.other);
  const auto other = j == known_.end() ? caf::actor{} : j->second;
  switch (const auto what = static_cast<verb>(o.what)) {
  case verb::ask_await:
    actors::ask(this, to, patience, question{o.op})
      .await([this, o](std::int32_t x) { log(o.op, "awaited " + std::to_string(x)); },
             [this, o](const caf::error& e) { log(o.op, "awaited " + in_words(e)); });
    return;
  case verb::give:
    return actors::tell(this, to, learn{o.other}, other);
  case verb::give_null:
    return actors::tell(this, to, learn{o.other}, caf::actor{});
  case verb::give_all: {
    std::vector<caf::actor> all;
    for (const auto& [number, handle] : known_)
      if (static_cast<std::size_t>(number) == all.size())
        all.push_back(handle);
    return actors::tell(this, to, all);
  }
  case verb::sleep:
    return become(asleep());
  case verb::wake:
    return become(awake());
  case verb::settle:
    for (auto& promise : std::exchange(kept_, {}))
      promise.deliver(o.op);
    return;
  case verb::settle_away:
    for (auto& promise : std::exchange(kept_, {}))
      promise.delegate(to, question{o.op});
    return;
  case verb::monitor:
    return monitor(to);
  case verb::demonitor:
    return demonitor(to);
  case verb::link:
    return link_to(to);
  case verb::unlink:
    return unlink_from(to);
  case verb::trap:
    set_exit_handler([this](const caf::exit_msg& x) {
      log(0, "exit from " + name_of(caf::actor_cast<caf::strong_actor_ptr>(x.source)) + ": "
               + in_words(x.reason));
    });
    return;
  case verb::send_exit:
    return caf::event_based_actor::send_exit(to, caf::exit_reason::user_shutdown);
  case verb::exit_with_handle: // the recorder's: who ends with its own is in a circle, and leaks
    return caf::event_based_actor::send_exit(to, make_error(caf::sec::runtime_error, recorder_));
  case verb::quit:
    return caf::event_based_actor::quit(caf::exit_reason::remote_link_unreachable);
  case verb::quit_normally:
    return caf::event_based_actor::quit();
  case verb::ask_explode:
    return log_answer(o.op, actors::ask(this, to, patience, explode{o.op}));
  case verb::forget:
    known_.erase(o.target);
    return;
  default:
    return begin_child(o, what);
  }
}

} // namespace bulkhead::tests::play
