#include "actors/caf/version.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/testing/deterministic.hpp>

#include <caf/actor_registry.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>

namespace bulkhead::testing {

struct deterministic::world {
  world() {
    configure(config);
    config.set("scheduler.policy", caf::atom("testing"));
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::scheduler::test_coordinator& scheduler() {
    return static_cast<caf::scheduler::test_coordinator&>(system->scheduler());
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::vector<caf::weak_actor_ptr> roots;
};

deterministic::deterministic() : world_(std::make_unique<world>()) {}

deterministic::~deterministic() {
  auto& scheduler = world_->scheduler();
  scheduler.clock().cancel_all();
  for (auto& root : world_->roots)
    if (auto alive = root.lock())
      caf::anon_send_exit(caf::actor_cast<caf::actor>(alive), caf::exit_reason::kill);
  run();
  // Whoever is left has a thread of its own or holds itself; the system must not wait for it.
  if (world_->system->registry().running() != 0)
    world_->system->await_actors_before_shutdown(false);
}

caf::actor_system& deterministic::system() noexcept { return *world_->system; }

void deterministic::adopt(const caf::actor& actor) {
  world_->roots.push_back(
    caf::actor_cast<caf::weak_actor_ptr>(caf::actor_cast<caf::strong_actor_ptr>(actor)));
  if (world_->scheduler().prioritize(actor))
    world_->scheduler().run_once();
}

std::size_t deterministic::run() { return world_->scheduler().run(); }

bool deterministic::run_one() { return world_->scheduler().try_run_once(); }

std::size_t deterministic::advance(std::chrono::nanoseconds time) {
  return world_->scheduler().advance_time(time);
}

std::optional<deterministic::waiting> deterministic::next_for(const caf::actor& to) {
  auto* actor = dynamic_cast<caf::scheduled_actor*>(caf::actor_cast<caf::abstract_actor*>(to));
  if (actor == nullptr)
    return std::nullopt;
  auto* element = actor->mailbox().peek();
  if (element == nullptr)
    return std::nullopt;
  return waiting{element->sender, element->copy_content_to_message()};
}

void deterministic::run_next_of(const caf::actor& to) {
  if (!world_->scheduler().prioritize(to))
    throw expectation_failed("the actor has a message and is not ready: it waits for a response");
  world_->scheduler().run_once();
}

std::string deterministic::text(const caf::message& msg) { return to_string(msg); }

void deterministic::fail(const std::string& what, const caf::message& msg) {
  throw expectation_failed(what + ' ' + text(msg));
}

probe::probe(deterministic& world)
  : received_(std::make_shared<std::vector<caf::message>>()),
    actor_(world.spawn([notes = received_](caf::event_based_actor* self) -> caf::behavior {
      self->set_default_handler(
        [notes](caf::scheduled_actor*, caf::message_view& xs) -> caf::result<caf::message> {
          notes->push_back(xs.copy_content_to_message());
          return caf::message{};
        });
      // Matches nothing that anybody sends; an actor without a behaviour would end.
      return {[](caf::timespan, caf::timestamp, const caf::unit_t&) {}};
    })) {}

} // namespace bulkhead::testing
