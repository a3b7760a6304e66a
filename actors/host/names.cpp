#include "actors/host/actor_hub.hpp"
#include "actors/host/pool_side.hpp"
#include "actors/names/name_desk.hpp"
#include "actors/names/name_service.hpp"

#include <bulkhead/names.hpp>

#include <caf/actor_cast.hpp>

namespace bulkhead {

namespace {

void demand(const std::string& refused, const char* call) {
  if (!refused.empty())
    throw name_error(std::string{call} + ": " + refused);
}

} // namespace

names::names(pool& workers) {
  const auto hub = actors::pool_side::of(workers.core())->hub();
  hub_ = hub;
  desk_ = hub->names();
}

names::names(caf::actor_system& system) {
  if (actors::reached_names())
    throw config_error("bulkhead::names is the host's view; an actor of a worker uses "
                       "bulkhead::whereis(self, name), register_as(self, name), ...");
  const auto hub = actors::actor_hub::of(system);
  hub_ = hub;
  desk_ = hub->names();
}

actors::name_desk& names::desk() const { return static_cast<actors::name_desk&>(*desk_->get()); }

void names::register_as(const std::string& name, const caf::actor& actor) const {
  demand(desk().add(name, caf::actor_cast<caf::strong_actor_ptr>(actor)), "names::register_as");
}

bool names::unregister(const std::string& name) const { return desk().remove(name); }

caf::actor names::whereis(const std::string& name) const {
  return caf::actor_cast<caf::actor>(desk().find(name));
}

std::vector<std::string> names::registered() const { return desk().names(); }

void names::join(const std::string& group, const caf::actor& actor) const {
  demand(desk().join(group, caf::actor_cast<caf::strong_actor_ptr>(actor)), "names::join");
}

bool names::leave(const std::string& group, const caf::actor& actor) const {
  return desk().leave(group, caf::actor_cast<caf::strong_actor_ptr>(actor));
}

std::vector<caf::actor> names::members(const std::string& group) const {
  return desk().members(group);
}

std::vector<std::string> names::groups() const { return desk().groups(); }

std::size_t names::publish_message(const std::string& group, const caf::message& message) const {
  const auto all = members(group);
  detail::send_to_all(nullptr, all, message);
  return all.size();
}

namespace detail {

caf::actor name_service(caf::actor_system& system) {
  auto keeper = actors::reached_names();
  if (!keeper)
    keeper = actors::actor_hub::of(system)->names();
  return caf::actor_cast<caf::actor>(keeper);
}

void send_to_all(const caf::strong_actor_ptr& from, const std::vector<caf::actor>& members,
                 const caf::message& message) {
  for (const auto& m : members)
    caf::actor_cast<caf::strong_actor_ptr>(m)->enqueue(from, caf::make_message_id(), message,
                                                       nullptr);
}

} // namespace detail

} // namespace bulkhead
