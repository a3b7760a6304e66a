#include "actors/host/incarnated.hpp"
#include "actors/host/instance_pool.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/spawn_pool_info.hpp>

#include <caf/actor_cast.hpp>

namespace bulkhead {

spawn_pool_info actors::instance_pool::info() {
  spawn_pool_info all;
  const std::lock_guard lock{mutex_};
  all.waiting = line_.size();
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    const auto& one = instances_[i];
    all.instances.push_back(
      {i + 1, one.process ? one.process->pid() : 0, one.actor != nullptr, one.load});
  }
  return all;
}

spawn_pool_info info_of_spawn_pool(const caf::actor& front) {
  auto whom = caf::actor_cast<caf::strong_actor_ptr>(front);
  if (whom)
    if (const auto* child = dynamic_cast<actors::incarnated*>(whom->get()))
      whom = child->incarnation();
  const auto pool = whom ? actors::instance_pool_behind(whom) : nullptr;
  if (!pool)
    throw config_error("info_of_spawn_pool: this is not the actor that spawn_pool returned, or its "
                       "pool lives in another process");
  return pool->info();
}

} // namespace bulkhead
