#include <bulkhead/actors/registered_behavior.hpp>
#include <bulkhead/error.hpp>

#include <bulkhead/actor.hpp>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::detail {

namespace {

struct known_behavior {
  spawn_stub stub;
  const void* behavior;
  behavior_interface interface;
};

/// Filled by static objects in any order; outlives all of them.
struct behavior_registry {
  std::mutex mutex;
  std::multimap<std::string, known_behavior> behaviors;
  static behavior_registry& instance() {
    static auto& only = *new behavior_registry;
    return only;
  }
};

std::string names(const behavior_registry& r) {
  std::string text;
  for (const auto& [name, b] : r.behaviors)
    text += (text.empty() ? "\"" : ", \"") + name + '"';
  return text.empty() ? "none" : text;
}

/// The lock is held.
const known_behavior& the_only(const behavior_registry& r, const std::string& name) {
  const auto found = r.behaviors.equal_range(name);
  if (found.first == found.second)
    throw config_error("no actor is registered as \"" + name
                       + "\" with BULKHEAD_ACTOR; known names: " + names(r));
  // Told when somebody asks, since a static constructor has nobody to tell.
  if (std::next(found.first) != found.second)
    throw config_error("the actor name \"" + name + "\" is registered twice; rename one of them");
  return found.first->second;
}

} // namespace

void throw_unfit(const std::vector<std::string>& wanted, const caf::message& given) {
  constexpr std::size_t longest = 200;
  std::string takes;
  for (const auto& type : wanted)
    takes += (takes.empty() ? "" : ", ") + type;
  auto values = to_string(given);
  if (values.size() > longest)
    values = values.substr(0, longest) + "...";
  throw config_error("the behaviour takes the arguments (" + takes + "), and was given " + values);
}

void add_behavior(const std::string& name, spawn_stub stub, const void* behavior,
                  behavior_interface interface) {
  auto& r = behavior_registry::instance();
  const std::lock_guard lock{r.mutex};
  r.behaviors.emplace(name, known_behavior{stub, behavior, std::move(interface)});
}

// What is registered stays where it is: nothing is ever taken out.
const behavior_interface& interface_of_behavior(const std::string& name) {
  auto& r = behavior_registry::instance();
  const std::lock_guard lock{r.mutex};
  return the_only(r, name).interface;
}

std::vector<std::string> all_behaviors() {
  auto& r = behavior_registry::instance();
  const std::lock_guard lock{r.mutex};
  std::vector<std::string> known;
  for (const auto& [name, b] : r.behaviors)
    if (known.empty() || known.back() != name)
      known.push_back(name);
  return known;
}

shipped_behavior find_behavior(const std::string& name) {
  auto& r = behavior_registry::instance();
  const std::lock_guard lock{r.mutex};
  const auto& b = the_only(r, name);
  return {to_ref(reinterpret_cast<const void*>(b.stub)), to_ref(b.behavior)};
}

} // namespace bulkhead::detail
