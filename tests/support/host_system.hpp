#pragma once

#include "tests/support/caf_spelling.hpp"

#include <bulkhead/actor.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <utility>

namespace bulkhead::tests {

/// A user's own system, prepared for worker processes.
struct host_system {
  host_system() {
    configure(config);
    two_threads(config);
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// The answer; a failed check and `T{}` where an error comes.
template <class T, class... Ts>
T ask(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  T result{};
  self->request(whom, std::chrono::seconds{20}, std::forward<Ts>(xs)...)
    .receive([&](const T& x) { result = x; },
             [&](const caf::error& e) { FAIL_CHECK(actors::render(self->system(), e)); });
  return result;
}

} // namespace bulkhead::tests
