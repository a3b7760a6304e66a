#pragma once

#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"
#include "tests/support/link_world.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::tests {

using namespace std::chrono_literals;

/// Answers, delegates, asks others, spawns, quits, links and throws, by the type of the message.
inline caf::behavior calculator(caf::event_based_actor* self) {
  return {
    [](int a, int b) { return a + b; },
    [](const std::string& text) -> caf::result<std::string> {
      if (text == "bad")
        return make_error(caf::sec::invalid_argument, text);
      return text + "!";
    },
    [self](caf::get_atom, const caf::actor& other, int x) { return self->delegate(other, x, x); },
    [self](caf::flush_atom) { return never_answer(self); },
    [self](caf::forward_atom, const caf::actor& other) {
      // Asks somebody else and answers with what it heard.
      auto promise = self->make_response_promise<int>();
      actors::ask(self, other, 10s, 3, 4)
        .then([promise](int x) mutable { promise.deliver(x); },
              [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
      return promise;
    },
    [self](caf::spawn_atom) { return caf::actor{self->spawn(calculator)}; },
    [self](caf::close_atom) { self->quit(make_error(caf::exit_reason::user_shutdown)); },
    [self](caf::link_atom, const caf::actor& other) {
      self->link_to(other);
      return true;
    },
    [](caf::put_atom, const std::vector<caf::actor>& xs) { return static_cast<int>(xs.size()); },
    [](caf::ok_atom, const caf::actor& other) { return other; },
    [](caf::tick_atom, const std::string& big) { return static_cast<int>(big.size()); },
    [](caf::exit_reason) { throw std::runtime_error("the behaviour throws"); },
  };
}

using typed_adder = caf::typed_actor<answers<int, int, int>>;
inline typed_adder::behavior_type typed_calculator() {
  return {[](int a, int b) { return a + b; }};
}

/// Workers that can make both: number 1 is the calculator, 2 the typed one.
struct standard_world : link_world {
  explicit standard_world(std::size_t workers, actors::link_limits limits = {},
                          actors::engine kind = actors::engine::in_loop)
    : link_world(workers, limits, kind) {
    makers[1] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn(calculator));
    };
    makers[2] = [](caf::actor_system& s) {
      return caf::actor_cast<caf::strong_actor_ptr>(s.spawn(typed_calculator));
    };
    start();
  }
};

/// The answer, or `otherwise` with the error in the log of the test.
template <class T, class... Ts>
T ask_or(T otherwise, caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  T result = otherwise;
  actors::ask(&*self, whom, 10s, std::forward<Ts>(xs)...)
    .receive([&](const T& x) { result = x; },
             [&](const caf::error& e) { MESSAGE(actors::render(self->system(), e)); });
  return result;
}

/// The error that came instead of an answer; none where an answer came.
template <class... Ts>
caf::error error_of(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  caf::error result;
  actors::ask(&*self, whom, 10s, std::forward<Ts>(xs)...)
    .receive([](const caf::message&) {}, [&](const caf::error& e) { result = e; });
  return result;
}

} // namespace bulkhead::tests
