#include "tools/system/system_plan.hpp"

#include <algorithm>

namespace bulkhead::systems {

namespace {

template <class Plan>
const Plan* named(const std::vector<Plan>& all, const std::string& called) {
  const auto found =
    std::find_if(all.begin(), all.end(), [&](const Plan& each) { return each.name == called; });
  return found == all.end() ? nullptr : &*found;
}

} // namespace

const actor_plan* system_plan::actor(const std::string& called) const {
  return named(actors, called);
}

const supervisor_plan* system_plan::supervisor(const std::string& called) const {
  return named(supervisors, called);
}

const supervisor_plan* system_plan::supervisor_of(const std::string& child) const {
  for (const auto& each : supervisors)
    if (std::find(each.children.begin(), each.children.end(), child) != each.children.end())
      return &each;
  return nullptr;
}

const pool_options* system_plan::pool_named(const std::string& called) const {
  if (called.empty() || called == pool.name)
    return &pool;
  return named(pools, called);
}

// Bounded, for a circle that is still to be found.
std::string system_plan::root_of(std::string child) const {
  std::string root;
  for (std::size_t i = 0; i <= supervisors.size(); ++i) {
    const auto* above = supervisor_of(child);
    if (above == nullptr)
      return root;
    root = child = above->name;
  }
  return root;
}

std::string system_plan::pool_of(const actor_plan& who) const {
  if (!who.pool.empty())
    return who.pool;
  const auto* root = supervisor(root_of(who.name));
  return root != nullptr ? root->pool : std::string{};
}

} // namespace bulkhead::systems
