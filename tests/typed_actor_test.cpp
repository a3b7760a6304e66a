// ctest-timeout: 120
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/supervisor.hpp>
#include <bulkhead/typed_actor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <doctest/doctest.h>

#include <unistd.h>

#include <concepts>
#include <cstdint>
#include <string>

namespace {

using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

using counter = caf::typed_actor<bulkhead::tests::answers<std::int32_t, std::int32_t>,
                                 bulkhead::tests::answers<std::int32_t, caf::get_atom>>;

counter::behavior_type counting(counter::pointer, std::int32_t start) {
  return {[start](std::int32_t n) { return start + n; },
          [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); }};
}

class adder : public caf::event_based_actor {
public:
  adder(caf::actor_config& config, std::int32_t start) : event_based_actor(config), start_(start) {}
  caf::behavior make_behavior() override {
    return {[this](std::int32_t n) { return start_ + n; }};
  }

private:
  std::int32_t start_;
};

caf::behavior named(caf::event_based_actor*, std::int32_t start) {
  return {[start](std::int32_t n) { return start * n; }};
}
BULKHEAD_ACTOR("typed_actor_test.named", named)

static_assert(std::same_as<handle_of<decltype(&counting)>, counter>);

template <class T>
T answer_of(caf::scoped_actor& self, const counter& whom, auto... xs) {
  T result{};
  self->request(whom, std::chrono::seconds{20}, xs...)
    .receive([&](const T& x) { result = x; },
             [&](const caf::error& e) { FAIL_CHECK(actors::render(self->system(), e)); });
  return result;
}

} // namespace

TEST_CASE("an actor in a worker has a typed handle, also as a child and behind a pool") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, {.workers = 1}};
  caf::scoped_actor self{*host.system};
  const counter one = spawn_typed(workers, counting, 5);
  CHECK(answer_of<std::int32_t>(self, one, std::int32_t{4}) == 9);
  CHECK(answer_of<std::int32_t>(self, one, caf::get_atom_v) != ::getpid());
  const counter alone = spawn_typed(workers, placement::own_process, counting, 6);
  CHECK(answer_of<std::int32_t>(self, alone, std::int32_t{4}) == 10);
  supervisor tree{workers, {}, {{.id = "it", .start = child(counting, 7)}}};
  CHECK(answer_of<std::int32_t>(self, as_typed(tree.child("it"), counting), std::int32_t{4}) == 11);
  const auto many = spawn_pool(*host.system, {.workers = 1}, counting, 8);
  CHECK(answer_of<std::int32_t>(self, as_typed(many, counting), std::int32_t{4}) == 12);
}

TEST_CASE("a pool of instances is made of classes and of registered names, too") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  const pool_options two{.workers = 2};
  CHECK(
    ask<std::int32_t>(self, spawn_pool_of_class<adder>(*host.system, two, {}, 30), std::int32_t{4})
    == 34);
  CHECK(ask<std::int32_t>(self, spawn_pool(*host.system, two, "typed_actor_test.named", 30),
                          std::int32_t{4})
        == 120);
  CHECK(ask<std::int32_t>(self,
                          spawn_pool(*host.system, two, distribution::to_all(),
                                     std::string{"typed_actor_test.named"}, 5),
                          std::int32_t{4})
        == 20);
  CHECK_THROWS_AS(spawn_pool(*host.system, two, "typed_actor_test.nobody", 30), config_error);
}
