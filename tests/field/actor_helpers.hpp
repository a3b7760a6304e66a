#pragma once

#include "tests/field/helpers.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/actor_error.hpp>
#include <bulkhead/message.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/task.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <memory>

namespace bulkhead::field {

/// A user's own system. Its actors must have ended, or the program leaves by leave().
struct actor_host {
  explicit actor_host(std::size_t threads = 2) {
    configure(config);
    config.set("scheduler.max-threads", threads);
    config.set("scheduler.policy", caf::atom("sharing"));
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// Prints what was seen and ends at once: CAF waits for every actor, also for one that never ends.
[[noreturn]] inline void leave(const std::string& seen) {
  std::printf("%s\n", seen.c_str());
  std::fflush(stdout);
  std::_Exit(0);
}

/// The answer to a request as a text; "error" and what it says where there is none.
template <class T, class... Ts>
std::string answer(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  std::string seen;
  self->request(whom, 60s, std::forward<Ts>(xs)...)
    .receive(
      [&](const T& x) {
        if constexpr (std::is_same_v<T, std::string>)
          seen = x;
        else if constexpr (std::is_arithmetic_v<T>)
          seen = std::to_string(x);
        else
          seen = "value";
      },
      [&](const caf::error& e) {
        const auto f = failure_of(e);
        std::fprintf(stderr, "error: %s\n",
                     f ? f->message.c_str() : self->system().render(e).c_str());
        seen = "error";
      });
  return seen;
}

/// Keeps handles, starts children, tells its process.
inline caf::behavior keeper(caf::event_based_actor* self) {
  auto kept = std::make_shared<std::vector<caf::actor>>();
  self->set_down_handler([](const caf::down_msg&) {});
  return {
    [kept](caf::add_atom, const caf::actor& a) {
      kept->push_back(a);
      return static_cast<int>(kept->size());
    },
    [](caf::tick_atom, const caf::actor&) { return 1; }, // lets it go again
    [kept](caf::get_atom) { return kept->empty() ? caf::actor{} : kept->back(); },
    [](caf::ok_atom) { return own_pid(); },
    [self](caf::spawn_atom) { return self->spawn(keeper); },
    [self](caf::monitor_atom, const caf::actor& a) {
      self->monitor(a);
      return 1;
    },
  };
}

/// Answers numbers with themselves and texts with their length; holds on at a gate.
inline caf::behavior echo(caf::event_based_actor* self) {
  return {
    [](int x) { return x; },
    [](caf::ok_atom) { return own_pid(); },
    [](const std::string& s) { return static_cast<int>(s.size()); },
    [](caf::join_atom, const std::string& gate) { return pass(gate); },
    [self](caf::add_atom, int x) {
      self->send(caf::actor_cast<caf::actor>(self->current_sender()), caf::add_atom::value, x + 1);
    },
  };
}

inline caf::behavior twice(caf::event_based_actor*) {
  return {[](int x) { return 2 * x; }};
}
inline caf::behavior next(caf::event_based_actor*) {
  return {[](int x) { return x + 1; }};
}

/// Ends an actor and waits for it.
inline void end(caf::scoped_actor& self, const caf::actor& a) {
  self->monitor(a);
  self->send_exit(a, caf::exit_reason::user_shutdown);
  self->receive([](const caf::down_msg&) {});
}

} // namespace bulkhead::field
